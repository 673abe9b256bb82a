"""
Tests of L{twisted_ext.compat.conversion}.
"""
