"""
Block lists: reading their files, the table of names, and the source that applies it.
"""
