"""
IPv6 addresses for names that have IPv4 addresses only.
"""
