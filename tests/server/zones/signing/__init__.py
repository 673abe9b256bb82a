"""
Tests of L{twisted_ext.server.zones.signing}.
"""
