"""
Reading and writing master files (RFC 1035, section 5).
"""
