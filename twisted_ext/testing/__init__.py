"""
What tests of DNS programs need: a network in memory, servers and sources with set answers, and time that stands still until it is told to
move on::

    from twisted_ext.testing.network import MemoryNetwork
    from twisted_ext.testing.servers import CannedServer
    from twisted_ext.testing.sources import CannedSource, HeldSource
"""
