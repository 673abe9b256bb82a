"""
Limits on what one client asks, and on what it is sent.
"""
