"""
Background work: child processes, threads, cooperative turns of the reactor, the queue of the log, and the limits of the process itself.

Worker processes are in L{twisted_ext.server.process}.
"""
