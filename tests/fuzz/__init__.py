"""
Tests with octets that chance has chosen.
"""
