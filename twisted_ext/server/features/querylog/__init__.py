"""
The query log.
"""
