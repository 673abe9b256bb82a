"""
Tests of the recursive resolver.
"""
