"""
Zones become versions that can be served: where they come from, how they are compiled, signed and published, and what is kept of them.
"""
