"""
Tests with random octets.
"""
