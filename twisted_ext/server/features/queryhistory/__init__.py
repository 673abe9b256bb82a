"""
The history of queries: what clients asked for weeks, on disk.
"""
