"""
Queries over QUIC (RFC 9250), and what servers and clients of it have in common.
"""
