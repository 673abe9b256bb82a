"""
DNS over HTTPS, the client's side (RFC 8484).
"""
