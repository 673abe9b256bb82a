"""
Tests with conformance data of other projects.
"""
