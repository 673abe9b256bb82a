"""
Dynamic updates: zones that are changed while they are served.
"""
