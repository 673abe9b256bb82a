"""
A waiter for replies, for tests.
"""

from __future__ import annotations

from twisted_ext.errors import DNSFault
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.exchange import Channel, PendingQuery
from twisted_ext.transport.replymatch import isReplyTo

__all__ = ["Waiter"]


class Waiter(PendingQuery):
    """
    Query one name, and record the results.
    """

    def __init__(self, name: str = "www.test.example") -> None:
        self.wire = questionOf(name).toWire()
        self.query = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + self.wire
        self.replies: list[bytes] = []
        self.doubts = 0
        self.faults: list[DNSFault] = []

    def replied(self, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
        if not isReplyTo(octets, self.wire, False):
            return False
        self.replies.append(octets)
        channel.release(key)
        return True

    def doubted(self, now: float, channel: Channel, key: bytes) -> None:
        self.doubts += 1

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        self.faults.append(fault)
