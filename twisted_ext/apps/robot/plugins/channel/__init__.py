"""
Plugins for channels and the persons in them.
"""
