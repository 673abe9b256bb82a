"""
DNS over HTTPS, the server's side (RFC 8484).
"""
