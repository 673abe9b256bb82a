"""
What commands share: output, progress, exit codes, running the reactor, choosing upstream servers.
"""
