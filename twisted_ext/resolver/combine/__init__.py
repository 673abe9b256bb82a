"""
Combinations of sources: chains, races, routes, search lists.
"""
