"""
What makes processes one server: workers and their parent, their reloads, what they relay to each other, and the watchdog of each.

Work that one process gives to threads, children and turns is in L{twisted_ext.server.process.jobs}; what a process serves is in
L{twisted_ext.server.service}.
"""
