"""
Answers questions from a zone (RFC 1034, section 4.3.2).
"""
