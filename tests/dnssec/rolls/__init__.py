"""
Tests of the lives of keys.
"""
