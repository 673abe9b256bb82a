"""
Tests of queries over QUIC.
"""
