"""
Tests of L{twisted_ext.server.listeners}.
"""
