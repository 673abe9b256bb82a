"""
Tests against conformance data that others have written.
"""
