"""
Tests of L{twisted_ext.server.jobs}.
"""
