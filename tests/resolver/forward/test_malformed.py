"""
Tests of look-ups whose servers send malformed replies, or ones with octets behind their end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.networks import NetworkTestCase, socketOf
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.forward.lookup import ForwardedLookup

#: An OPT record.
_OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"


def _counting(reply: bytes, more: int, tail: bytes = b"") -> bytes:
    """
    Return a reply without its OPT record whose header counts so many additional records.
    """
    assert reply.endswith(_OPT) and reply[11] == 1
    return reply[:10] + more.to_bytes(2, "big") + reply[12 : -len(_OPT)] + tail


def _changed(change: Callable[[bytes], bytes], reply: bytes) -> bytes:
    """
    Change a reply that has an OPT record.
    """
    return change(reply) if reply.endswith(_OPT) else reply


def _longer(replies: list[bytes], tail: bytes, reply: bytes) -> bytes:
    """
    Note a reply, and return it with octets behind its end.
    """
    replies.append(reply)
    return reply + tail


def _questionOf(query: object) -> bytes:
    """
    Return the question of a pending query.
    """
    assert isinstance(query, ForwardedLookup)
    return query.wire


class MalformedTests(NetworkTestCase):
    """
    Tests with one server.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.source: ForwardingSource = self.forward(self.server)

    def tamper(self, change: Callable[[bytes], bytes], *transports: str) -> None:
        """
        Change what the server sends over these transports, by default over all.
        """
        self.canned.tamper = lambda reply, transport: [change(reply) if not transports or transport in transports else reply]

    def asked(self) -> list[str]:
        """
        Return the queries that came: the transport, and a plus sign for EDNS.
        """
        found = [each.transport + "+" * (each.message.edns is not None) for each in self.canned.asked]
        self.canned.asked.clear()
        return found

    def assertMalformed(self, fault: DNSFault) -> None:
        """
        Assert that a fault says what the server did, as an error and as an extended error.
        """
        self.assertIsInstance(fault, ServerFailed)
        self.assertIn("192.0.2.53:53 sent a malformed reply: ", str(fault))
        self.assertNotIn("did not answer", str(fault))
        self.assertEqual([code for code, _ in fault.ede], [23])
        self.assertIn("malformed reply from 192.0.2.53:53", fault.ede[0][1])

    def test_octetsBehindTheReplyAreIgnored(self) -> None:
        """
        Octets behind the last record of a reply are ignored, with any transport; C{explain} shows how many there were.
        """
        for tail in (b"\x00", b"more" * 200, _OPT):
            for source in (self.source, self.forward(self.server, stream=True)):
                replies: list[bytes] = []
                self.tamper(partial(_longer, replies, tail))
                asked = self.ask(source)
                self.network.advance(0.5)
                answer = self.successResultOf(asked)
                self.assertEqual(len(self.asked()), 1)
                self.assertEqual(answer.wire[2:], replies[0][2:])
                trace = self.contexts[-1].trace
                assert trace is not None
                self.assertEqual([note.details["ignored"] for note in trace.notes if note.event == "reply"], [len(tail)])

    def test_malformedReplyCostsThreeQueries(self) -> None:
        """
        After a malformed reply over UDP the server is queried without EDNS, then over TCP, and no more; the error says that its replies are
        malformed.
        """
        self.tamper(lambda reply: reply[:-1])
        asked = self.ask(self.source)
        self.network.advance(0.5)
        self.assertMalformed(self.failed(asked))
        self.assertEqual(self.asked(), ["udp+", "udp", "tcp"])
        self.tamper(lambda reply: reply[:-1], "udp")
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_withoutTCP(self) -> None:
        """
        A server that sends malformed replies over UDP and none over TCP is not queried again; the error is about the former.
        """
        self.tamper(lambda reply: reply[:-1])
        self.canned.silentTo = "tcp"
        self.assertMalformed(self.fault(self.source))
        self.assertEqual(self.asked(), ["udp+", "udp", "tcp"])

    def test_otherServersAreAsked(self) -> None:
        """
        Another server is queried if the replies of one are malformed.
        """
        second, server = self.serve("192.0.2.54")
        self.tamper(lambda reply: reply[:-1])
        source = self.forward(self.server, server)
        for _ in range(3):
            self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(len(second.asked), 3)

    def test_wrongCounts(self) -> None:
        """
        A server that copies the header of the query, or sends two OPT records, as some routers do, is queried once without EDNS, and then
        at once without it.
        """
        changes: list[Callable[[bytes], bytes]] = [
            lambda reply: _counting(reply, 1) if reply.endswith(_OPT) else reply,
            lambda reply: _counting(reply, 2, _OPT + _OPT) if reply.endswith(_OPT) else reply,
        ]
        for change in changes:
            self.tamper(change)
            source = self.forward(self.server)
            self.assertEqual(self.find(source), ["192.0.2.80"])
            self.assertEqual(self.asked(), ["udp+", "udp"])
            for _ in range(10):
                self.find(source)
            self.asked()
            self.find(source)
            self.assertEqual(self.asked(), ["udp"])

    def test_brokenOPTRecords(self) -> None:
        """
        A server or router that breaks OPT records is queried once without EDNS: an option that is longer than the record, an owner that is
        not the root, a record in the answer section, one that is cut.
        """
        changes: list[Callable[[bytes], bytes]] = [
            lambda reply: reply[:-2] + b"\x00\x06\x00\x0a\x00\x08ab",
            lambda reply: reply[: -len(_OPT)] + b"\x01x" + _OPT,
            lambda reply: reply[:7] + bytes([reply[7] + 1]) + reply[8:11] + b"\x00" + reply[12:],
            lambda reply: reply[:-3],
        ]
        for change in changes:
            self.tamper(partial(_changed, change))
            self.assertEqual(self.find(self.forward(self.server)), ["192.0.2.80"])
            self.assertEqual(self.asked(), ["udp+", "udp"])

    def test_countsThatStayWrong(self) -> None:
        """
        If the reply without EDNS is malformed as well, the server is queried over TCP, and not again.
        """
        self.tamper(lambda reply: reply[:10] + b"\x00\x07" + reply[12:])
        self.assertMalformed(self.fault(self.source))
        self.assertEqual(self.asked(), ["udp+", "udp", "tcp"])

    def test_forgedMalformedReplyIsNotTheLast(self) -> None:
        """
        A malformed reply, which may be forged, does not end the wait for a good one.
        """
        self.canned.silentTo = "tcp"
        self.network.shape(source="192.0.2.53", delay=0.1)
        asked = self.ask(self.source)
        (port,) = self.here.ports()
        (key,) = socketOf(port).keys
        query = socketOf(port).keys[key]
        forged = key + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + _questionOf(query) + b"\xc0\x0c\x00\x01"
        self.network.inject(forged, ("192.0.2.53", 53), ("192.0.2.7", port.port))
        self.network.advance(0.5)
        self.assertEqual(self.told(asked), ["192.0.2.80"])
