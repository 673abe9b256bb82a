"""
Tests of iterative resolution.
"""
