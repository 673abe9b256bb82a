"""
The zones that a server has: where they come from, how they are made ready, and the table in which they are found.
"""
