"""
Forwarding to upstream servers: server selection, transport fallback, retries.
"""
