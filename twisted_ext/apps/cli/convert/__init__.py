"""
C{txdns convert}: settings from the configurations of other programs.
"""
