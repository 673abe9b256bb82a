"""
Addresses of answers that take turns.
"""
