"""
DNS over TLS, the server's side (RFC 7858), and certificates.
"""
