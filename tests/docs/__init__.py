"""
Tests of the documentation: every listing is run.
"""
