"""
Tests for L{twisted_ext.discovery}.
"""
