"""
Declarations of record types, grouped by purpose.
"""
