"""
Checks of zones and master files.
"""
