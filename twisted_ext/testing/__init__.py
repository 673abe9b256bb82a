"""
Tools for testing DNS programs: an in-memory network, servers and sources with canned answers, and a clock that the test advances::

    from twisted_ext.testing.network import MemoryNetwork
    from twisted_ext.testing.servers import CannedServer
    from twisted_ext.testing.sources import CannedSource, HeldSource
"""
