"""
The state of a watched name, and when to look it up again; when to warn of things that expire. No I/O.
"""
