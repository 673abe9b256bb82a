"""
Work beside answering: in other processes, in threads, in turns of the reactor, and the limits of the process itself.
"""
