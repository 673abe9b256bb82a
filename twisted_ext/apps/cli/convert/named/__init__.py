"""
Converts the configuration of BIND.
"""
