"""
The interactive shell.
"""
