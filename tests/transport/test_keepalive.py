"""
Tests of the lifetime of connections.
"""

from __future__ import annotations

from tests.networks import NetworkTestCase
from tests.transport.waiting import Waiter
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.keepalive import secondsAllowed, wishing
from twisted_ext.transport.random import Draw
from twisted_ext.transport.stream import StreamExchange
from twisted_ext.wire.builder import buildMessage, buildQuery, optRecord
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import Message

WIRE = questionOf("www.example.test").toWire()


def replyWithKeepalive(octets: bytes) -> bytes:
    """
    Return a reply with this value of its keepalive option.
    """
    return buildMessage(Message(7, 0x8180, (questionOf("www.example.test"),), edns=EDNS(1232, options=((11, octets),))))


class KeepingTests(NetworkTestCase):
    """
    Tests for L{wishing}, L{secondsAllowed} and their use in L{StreamExchange}.
    """

    def test_keepaliveOptionIsAdded(self) -> None:
        """
        The keepalive option follows the existing options, and a query without EDNS is unchanged.
        """
        for options in ((), ((10, b"12345678"),)):
            query = wishing(buildQuery(0x0100, WIRE, optRecord(1232, 0, options)))
            message = Message.fromWire(b"\x00\x07" + query).check()
            assert message.edns is not None
            self.assertEqual(message.edns.options, (*options, (11, b"")))
        plain = buildQuery(0x0100, WIRE, b"")
        self.assertEqual(wishing(plain), plain)

    def test_secondsAreReadFromReply(self) -> None:
        """
        The allowed time is read in tenths of seconds. Invalid options are ignored.
        """
        self.assertEqual(secondsAllowed(replyWithKeepalive(b"\x00\x64")), 10.0)
        self.assertEqual(secondsAllowed(replyWithKeepalive(b"\x00\x00")), 0.0)
        for octets in (replyWithKeepalive(b""), replyWithKeepalive(b"\x00\x00\x00"), b"", replyWithKeepalive(b"\x00\x64")[:-1]):
            self.assertIsNone(secondsAllowed(octets))

    def test_serverLimitsTheLifetime(self) -> None:
        """
        A connection stays no longer than the server allows, and is closed at once where it allows nothing.
        """
        canned, server = self.serve()
        for octets, stays in ((b"\x00\x14", 2.0), (b"\x00\x00", 0.0), (b"\xff\xff", 10.0)):
            canned.tamper = lambda reply, transport, octets=octets: [reply[:2] + replyWithKeepalive(octets)[2:]]
            exchange = StreamExchange(self.here, server, Draw(), keep=10.0)
            waiter = Waiter()
            waiter.query = buildQuery(0x0100, waiter.wire, optRecord(1232))
            exchange.ask(waiter, 0.0)
            self.network.advance(1)
            self.assertEqual(len(waiter.replies), 1)
            self.assertIsNotNone(canned.asked[-1].message.edns and canned.asked[-1].message.edns.option(11))
            exchange.settle()
            if stays:
                self.network.advance(stays - 0.1)
                self.assertNotEqual(self.here.pending(), [])
            self.network.advance(0.2)
            self.assertEqual(self.here.pending(), [])
