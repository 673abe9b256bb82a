"""
Images of zones: the processes that make them, the files that have them, and how they come into force.
"""
