"""
What the look-ups of a server are made of: its sources in their order, its upstream servers, and its recursive resolver.
"""
