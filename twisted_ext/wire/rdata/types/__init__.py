"""
The declarations of record types, by the purpose of the type.
"""
