"""
Tests of L{twisted_ext.server.process.recorders}.
"""
