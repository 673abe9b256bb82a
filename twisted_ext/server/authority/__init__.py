"""
The table of served zones, and the source that answers from it.
"""
