"""
Tests of our tools for tests.
"""
