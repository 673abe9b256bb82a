"""
Tests of L{twisted_ext.integrations}.
"""
