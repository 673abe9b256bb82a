"""
Tests for L{twisted_ext.services}.
"""
