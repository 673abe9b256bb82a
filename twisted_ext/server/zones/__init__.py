"""
The zones of a server: where they come from, how they are compiled, and how they are published.
"""
