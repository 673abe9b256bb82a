"""
Tests of what tests of others are made with.
"""
