"""
Tests for L{twisted_ext.wire}.
"""
