"""
State of a watched name, and when to look it up again. No I/O.
"""
