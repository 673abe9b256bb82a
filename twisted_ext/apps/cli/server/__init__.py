"""
Commands that inspect and control a running server.
"""
