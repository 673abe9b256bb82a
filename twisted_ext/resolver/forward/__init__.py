"""
Asking upstream servers: which one, by what transport, and what to do when one does not reply.
"""
