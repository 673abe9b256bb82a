"""
Tests of twisted_ext.native.
"""
