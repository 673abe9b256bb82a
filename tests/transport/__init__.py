"""
Tests of the transports of queries.
"""
