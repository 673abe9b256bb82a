"""
Tests of L{twisted_ext.watch}.
"""
