"""
What processes that answer queries tell the recorder, in L{frames<twisted_ext.server.process.recorders.frames>}.

A batch is a list of these tuples, in the order in which queries were answered:

  - C{("h", time, transport, queries, replies, clients, views, blocked)} for queries that the packet cache has answered together: the
    octets of each; its reply without the id, or only the first two octets if its rcode is NOERROR and it was not blocked; address and view
    of the client; and the positions of those that were blocked
  - C{("r", time, microseconds, transport, client, view, name, type, rcode, ede, status, server, rule, security, aliases)} for another
    one: the name in wire form; C{rcode} is -1 if there was no reply; the text of the first extended error; a word of
    L{SECURITIES<twisted_ext.server.features.queryhistory.recorder.rows.SECURITIES>}; and a list of the names in wire form to which aliases
    of the answer lead, before a rule about one of them has changed it, L{None} if they are not known

Times are in seconds since 1970.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.server.process.recorders.frames import handshake

__all__ = ["HANDSHAKE", "SOCKET"]

#: The name of the socket in the folder of the history.
SOCKET: Final = "recorder.sock"

HANDSHAKE: Final = handshake("txdns-history", 4)
