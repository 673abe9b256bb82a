"""
Plugins that look up names and zones.
"""
