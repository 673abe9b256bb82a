"""
Converts the configuration of Unbound.
"""
