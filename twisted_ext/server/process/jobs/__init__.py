"""
Background work: subprocesses, threads, cooperative turns of the reactor, and the limits of the process itself.
"""
