"""
Code shared by the commands: output, progress, exit codes, running the reactor, choosing upstream servers.
"""
