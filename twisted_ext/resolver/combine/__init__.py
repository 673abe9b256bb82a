"""
Several sources as one: chains, races, routes, search lists.
"""
