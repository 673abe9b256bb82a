"""
Changes of a zone: transactions, dynamic updates (RFC 2136), update policies.
"""
