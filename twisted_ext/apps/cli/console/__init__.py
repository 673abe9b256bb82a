"""
The sub-commands of C{txdns console}.
"""
