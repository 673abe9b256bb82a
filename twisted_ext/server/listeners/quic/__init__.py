"""
DNS over QUIC, the server's side (RFC 9250).
"""
