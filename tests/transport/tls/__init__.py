"""
Tests for twisted_ext.transport.tls.
"""
