"""
TLS for the connections to servers.
"""
