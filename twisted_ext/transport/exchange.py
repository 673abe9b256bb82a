"""
The interfaces between a pending query and the transport that carries it.

They use callbacks instead of Deferreds: a look-up has a single Deferred, the one that its caller holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted_ext.errors import DNSFault
    from twisted_ext.interfaces import IExchange

__all__ = ["PendingQuery", "Channel"]


class Channel(Protocol):
    """
    The channel that carries one query: a UDP socket or a connection.
    """

    @property
    def exchange(self) -> IExchange:
        """
        The exchange, which identifies the server and the transport.
        """

    def release(self, key: bytes) -> None:
        """
        Stop waiting for the reply with this id. Must be called once for each C{ask}, unless C{failed} was called.
        """


class PendingQuery(Protocol):
    """
    The receiver of replies; C{leg} and C{key} identify which of its queries a call is about.
    """

    #: The message without its ID.
    query: bytes

    def replied(self, octets: bytes, now: float, leg: Channel, key: bytes) -> bool:
        """
        Handle a message with this query's id from the server's address and port.

        @return: whether it is a reply to this question. If it is not, or is unusable, the query stays pending.
        """

    def doubted(self, now: float, leg: Channel, key: bytes) -> None:
        """
        Called when an attacker seems to guess this query's id: the query should be repeated over a transport that cannot be spoofed. It
        stays pending.
        """

    def failed(self, fault: DNSFault, now: float, leg: Channel, key: bytes) -> None:
        """
        Called when no reply can arrive on this channel, which has released the query already.
        """
