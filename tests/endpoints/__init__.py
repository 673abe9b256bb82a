"""
Tests of L{twisted_ext.endpoints}.
"""
