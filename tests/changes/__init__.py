"""
Tests of L{twisted_ext.changes}.
"""
