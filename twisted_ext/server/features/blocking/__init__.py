"""
Names that are not to be looked up: those of block lists and of the settings.
"""
