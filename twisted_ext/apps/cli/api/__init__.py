"""
C{txdns api}: tokens of the HTTP API.
"""
