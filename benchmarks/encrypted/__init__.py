"""
TLS, HTTPS and QUIC: what look-ups and answers cost, and what idle, many, hostile and dying connections do to a server.
"""
