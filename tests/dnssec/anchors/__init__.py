"""
Tests of L{twisted_ext.cache}.
"""
