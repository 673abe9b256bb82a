"""
Tests of L{twisted_ext.packetcache}.
"""
