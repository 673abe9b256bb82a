"""
Commands that resolve names to addresses and services.
"""
