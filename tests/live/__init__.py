"""
Tests against real servers, started on loopback addresses.
"""
