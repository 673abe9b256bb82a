"""
Tests of the feature that keeps the history of queries.
"""
