"""
Tests of L{twisted_ext.transport.exchange}.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import DNSFault, Unreachable
from twisted_ext.transport.exchange import Channel, KeptExchange, PendingQuery
from twisted_ext.transport.servers import Server

__all__: list[str] = []


class _Exchange(KeptExchange):
    def release(self, key: bytes) -> None:
        del self.keys[key]


class _Query(PendingQuery):
    """
    @ivar ends: the key of another query, which ends when this one fails.
    @ivar faults: why it failed.
    """

    def __init__(self, ends: bytes = b"") -> None:
        self.query = b""
        self.ends = ends
        self.faults: list[str] = []

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        self.faults.append(str(fault))
        if self.ends:
            channel.release(self.ends)


class _Replacing(_Query):
    """
    @ivar successor: the query that begins.
    """

    successor: _Query

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        super().failed(fault, now, channel, key)
        cast("_Exchange", channel).keys[self.ends] = self.successor


class KeptExchangeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.exchange = _Exchange(Server("192.0.2.1", 53), cast("IReactorTime", Clock()), 0.0)

    def test_oneEndsAnother(self) -> None:
        """
        A query that another one has ended, when that one failed, does not fail too.
        """
        first, second, third = _Query(b"2"), _Query(), _Query()
        self.exchange.keys.update({b"1": first, b"2": second, b"3": third})
        self.exchange._fail([b"1", b"2", b"3"], Unreachable("lost", server="192.0.2.1"))
        self.assertEqual([first.faults, second.faults, third.faults], [["lost"], [], ["lost"]])
        self.assertEqual(self.exchange.keys, {})

    def test_anotherBegins(self) -> None:
        """
        A query that begins while others fail does not fail with them, although it has the key of one of them.
        """
        first, second = _Replacing(b"2"), _Query()
        first.successor = _Query()
        self.exchange.keys.update({b"1": first, b"2": second})
        self.exchange._fail([b"1", b"2"], Unreachable("lost", server="192.0.2.1"))
        self.assertEqual((first.faults, second.faults, first.successor.faults), (["lost"], [], []))
        self.assertEqual(self.exchange.keys, {b"2": first.successor})
