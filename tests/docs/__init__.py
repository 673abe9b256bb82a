"""
Tests of what the documentation shows: every listing is run.
"""
