"""
The table of served zones, and the answer source for them.
"""
