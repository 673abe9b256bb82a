"""
Replay scenarios of other projects: a reader, a runner, and tests that play them through our sources.
"""
