"""
Reads and writes master files (RFC 1035, section 5).
"""
