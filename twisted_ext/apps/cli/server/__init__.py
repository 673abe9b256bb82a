"""
Commands that look at a running server or tell it what to do.
"""
