"""
What processes that answer queries tell the writer, in L{frames<twisted_ext.server.process.recorders.frames>}.

A batch is a list of these tuples:

  - C{("h", time, transport, queries, replies, port, address)} for queries that the packet cache has answered together: a list of pairs of
    their octets and of where they came from, as the loops of L{twisted_ext.native} tell it; their replies without ids; and the port and
    address of the server, 0 and C{""} if they are not known
  - C{("r", time, arrived, transport, query, reply, client, port, address)} for another one; the reply is C{b""} if there was none
  - C{("u", time, kind, transport, server, query)} for a query to an upstream, of the kind C{"forwarder"}, or to an authoritative server,
    C{"resolver"}; the server is a pair of address and port
  - C{("v", time, sent, kind, transport, server, reply)} for the reply to one

Times are in seconds since 1970.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.server.process.recorders.frames import handshake

__all__ = ["HANDSHAKE", "SOCKET"]

#: The name of the socket in the folder of dnstap.
SOCKET: Final = "writer.sock"

HANDSHAKE: Final = handshake("txdns-dnstap", 1)
