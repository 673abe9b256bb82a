"""
Tests of L{twisted_ext.server.replay}.
"""
