"""
From the octets of a request to those of its reply: parsing, gates, the answer, limits, and the packet cache's share in it.

Where answers come from is in L{twisted_ext.server.zones.table} and L{twisted_ext.server.sources}; sockets are in
L{twisted_ext.server.listeners}.
"""
