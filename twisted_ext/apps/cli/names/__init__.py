"""
Commands that look up what a name stands for.
"""
