"""
C{txdns upstream}: finds out what a server can do.
"""
