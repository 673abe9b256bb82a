"""
Tests of the reader and the player of replay scenarios.
"""
