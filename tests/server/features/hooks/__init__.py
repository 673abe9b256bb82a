"""
Tests of hooks in a server.
"""
