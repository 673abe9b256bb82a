"""
Converts the configuration of Pi-hole.
"""
