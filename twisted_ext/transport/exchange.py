"""
What a query and the way it travels know of each other.

Calls back and forth instead of Deferreds: a look-up has one Deferred in all, the one that its caller holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted_ext.errors import DNSFault
    from twisted_ext.interfaces import IExchange

__all__ = ["PendingQuery", "Channel"]


class Channel(Protocol):
    """
    Where one query travels: a UDP socket, a connection.
    """

    @property
    def exchange(self) -> IExchange:
        """
        Which server, by which way.
        """

    def release(self, key: bytes) -> None:
        """
        Nobody waits for the reply with this id any more. Calling this is a duty: once for each C{ask}, unless C{failed} was called.
        """


class PendingQuery(Protocol):
    """
    Somebody who waits for replies; C{leg} and C{key} say to which of their queries.
    """

    #: The message without its id.
    query: bytes

    def replied(self, octets: bytes, now: float, leg: Channel, key: bytes) -> bool:
        """
        Something with this query's id has come from the right place.

        @return: whether it is a reply to this question. Where it is not, or cannot be used, the query stays open.
        """

    def doubted(self, now: float, leg: Channel, key: bytes) -> None:
        """
        Somebody seems to guess at this query's id: it is better asked by a way that cannot be forged. It stays open.
        """

    def failed(self, fault: DNSFault, now: float, leg: Channel, key: bytes) -> None:
        """
        No reply can come by this leg, which has let go of the query already.
        """
