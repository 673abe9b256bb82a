"""
What processes that answer queries tell the exporter, in L{frames<twisted_ext.server.process.recorders.frames>}.

A batch is a list of L{Told} as plain tuples. Times are in seconds since 1970.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted_ext.server.process.recorders.frames import handshake

__all__ = ["HANDSHAKE", "PARENT_OCTETS", "SOCKET", "Sent", "Told"]

#: The name of the socket in the folder of spans.
SOCKET: Final = "exporter.sock"

HANDSHAKE: Final = handshake("txdns-otlp", 1)

#: Octets of a parent: 16 of the trace, 8 of the span, and the flags.
PARENT_OCTETS: Final = 25


class Sent(NamedTuple):
    """
    A query to another server.

    @ivar ended: 0 without a reply.
    @ivar kind: the transport.
    @ivar query: the begin of the message, with the question.
    @ivar reply: the first four octets of the reply; C{b""} without one.
    """

    began: float
    ended: float
    kind: str
    address: str
    port: int
    authoritative: bool
    query: bytes
    reply: bytes
    octets: int


class Told(NamedTuple):
    """
    A look-up.

    @ivar name: in wire form.
    @ivar why: C{"sampled"}, C{"slow"} or C{"asked"}.
    @ivar source: the kind of source that has answered; C{""} without an answer.
    @ivar server: the upstream that has, or the place of the rule.
    @ivar security: the DNSSEC status.
    @ivar ede: the text of the first extended error.
    @ivar fault: why there is no answer.
    @ivar parent: the span of the client, see L{PARENT_OCTETS}; C{b""} for none.
    @ivar sent: the queries to other servers, tuples as L{Sent}.
    @ivar more: how many more there were.
    """

    began: float
    ended: float
    name: bytes
    rrType: int
    client: str
    transport: str
    why: str
    rcode: int
    source: str
    server: str
    security: str
    ede: str
    fault: str
    parent: bytes
    sent: list[Sent]
    more: int
