"""
Zones that are changed while they are served.
"""
