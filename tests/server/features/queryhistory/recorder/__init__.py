"""
Tests of the process that keeps the history of queries, and of what reads it.
"""
