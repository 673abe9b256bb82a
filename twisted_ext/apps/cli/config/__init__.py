"""
Commands for settings files.
"""
