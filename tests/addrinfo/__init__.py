"""
Tests of L{twisted_ext.addrinfo}.
"""
