"""
Queries to other servers of which an L{UpstreamWatch<twisted_ext.answers.UpstreamWatch>} is told, and the replies to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.transport.exchange import PendingQuery

if TYPE_CHECKING:
    from twisted_ext.answers import UpstreamWatch
    from twisted_ext.errors import DNSFault
    from twisted_ext.transport.exchange import Channel

__all__ = ["launched", "watched"]

#: Octets of an ID. What identifies a query over HTTPS and QUIC is none: the ID is zero there.
_ID: Final = 2
_NO_ID: Final = b"\x00\x00"


class _Watched(PendingQuery):
    """
    Passes on what becomes of a query to the one who has asked it, and tells of it.
    """

    __slots__ = ("_asking", "_watch", "_authoritative", "_sentAt")

    def __init__(self, asking: PendingQuery, watch: UpstreamWatch, authoritative: bool, now: float) -> None:
        self.query = asking.query
        self._asking = asking
        self._watch = watch
        self._authoritative = authoritative
        self._sentAt = now

    def sent(self, channel: Channel, key: bytes) -> None:
        """
        Tell that it was sent.
        """
        exchange = channel.exchange
        query = (key if len(key) == _ID else _NO_ID) + self.query
        self._watch.sent(query, exchange.kind, (exchange.server.address, exchange.server.port), self._authoritative, self._sentAt)

    def replied(self, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
        # The channel may be gone afterwards.
        exchange = channel.exchange
        if not self._asking.replied(octets, now, channel, key):
            return False
        # What follows from the reply may have been told before.
        server = (exchange.server.address, exchange.server.port)
        self._watch.came(octets, exchange.kind, server, self._authoritative, self._sentAt, now)
        return True

    def doubted(self, now: float, channel: Channel, key: bytes) -> None:
        self._asking.doubted(now, channel, key)

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        self._asking.failed(fault, now, channel, key)


def watched(asking: PendingQuery, watch: UpstreamWatch, authoritative: bool, now: float) -> PendingQuery:
    """
    Return what is to be asked in place of a query. Once it is, L{launched} has to be called.
    """
    return _Watched(asking, watch, authoritative, now)


def launched(asking: PendingQuery, channel: Channel, key: bytes) -> None:
    """
    Tell that a query was sent.

    @param asking: what L{watched} has returned.
    """
    assert isinstance(asking, _Watched)
    asking.sent(channel, key)
