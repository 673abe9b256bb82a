"""
Tests of the sites of a running server.
"""
