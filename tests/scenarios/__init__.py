"""
Replay scenarios written by others: a reader, a runner, and tests that play them through our sources.
"""
