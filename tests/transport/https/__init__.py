"""
Tests of queries over HTTPS.
"""
