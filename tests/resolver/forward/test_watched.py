"""
Tests of queries to other servers of which an L{UpstreamWatch} is told.
"""

from __future__ import annotations

from tests.networks import WWW, NetworkTestCase
from twisted_ext.answers import QueryContext, UpstreamWatch
from twisted_ext.errors import TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message

__all__: list[str] = []


class Watch(UpstreamWatch):
    """
    Keeps what it is told.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.queries: list[bytes] = []
        self.replies: list[bytes] = []
        self.times: list[tuple[float, float]] = []

    def sent(self, query: bytes, kind: str, server: tuple[str, int], authoritative: bool, now: float) -> None:
        """
        Keep a query.
        """
        self.queries.append(query)
        self.told.append(f"{'resolver' if authoritative else 'forwarder'} query {kind} {server[0]} {server[1]}")

    def came(self, octets: bytes, kind: str, server: tuple[str, int], authoritative: bool, sentAt: float, now: float) -> None:
        """
        Keep a reply.
        """
        self.replies.append(octets)
        self.times.append((sentAt, now))
        self.told.append(f"{'resolver' if authoritative else 'forwarder'} reply {kind} {server[0]} {server[1]}")


class WatchedTests(NetworkTestCase):
    """
    A watch is told of all queries of a look-up, and of the replies that fit.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.watch = Watch()

    def watched(self, source: IAnswerSource) -> list[str]:
        """
        Look up a name, and return what was told.
        """
        context = QueryContext(self.here.seconds() + 5.0)
        context.watch = self.watch
        self.outcome = lookUp(source, questionOf("www.test.example"), context)
        self.network.advance(6.0)
        return self.watch.told

    def test_queryAndReply(self) -> None:
        """
        What was sent and what has come are the octets of both messages, with their times.
        """
        told = self.watched(self.forward(self.server))
        self.assertEqual(told, ["forwarder query udp 192.0.2.53 53", "forwarder reply udp 192.0.2.53 53"])
        query, reply = Message.fromWire(self.watch.queries[0]), Message.fromWire(self.watch.replies[0])
        self.assertEqual((query.id, query.questions), (reply.id, self.canned.asked[0].message.questions))
        self.assertEqual(query.id, self.canned.asked[0].message.id)
        ((sentAt, cameAt),) = self.watch.times
        self.assertAlmostEqual(cameAt - sentAt, 0.02)
        self.successResultOf(self.outcome)

    def test_withoutWatch(self) -> None:
        """
        The outcome is the same without one.
        """
        plain = self.find(self.forward(self.server))
        self.watched(self.forward(self.server))
        self.assertEqual(self.told(self.outcome), plain)

    def test_truncated(self) -> None:
        """
        A truncated reply is told, and the query over TCP that follows.
        """
        self.canned.truncating = True
        told = self.watched(self.forward(self.server))
        self.assertEqual(sorted(told), [f"forwarder {word} {way} 192.0.2.53 53" for word in ("query", "reply") for way in ("tcp", "udp")])
        self.assertEqual(Message.fromWire(self.watch.queries[1]).id, Message.fromWire(self.watch.replies[1]).id)

    def test_failures(self) -> None:
        """
        So is a failure, and what the next server says.
        """
        self.canned.set("www.test.example", "A", Rcode.SERVFAIL)
        _, server = self.serve("192.0.2.54", WWW)
        told = self.watched(self.forward(self.server, server))
        self.assertEqual(sorted(told), [f"forwarder {word} udp 192.0.2.{last} 53" for word in ("query", "reply") for last in (53, 54)])

    def test_silence(self) -> None:
        """
        Of queries without a reply only they are told, each try.
        """
        told = self.watched(self.forward(self.nowhere()))
        self.failureResultOf(self.outcome, TimedOut)
        self.assertEqual(set(told), {"forwarder query udp 192.0.2.99 53"})
        self.assertGreater(len(told), 1)

    def test_forgeries(self) -> None:
        """
        A reply to another question is not told: it was not taken.
        """
        self.canned.tamper = lambda octets, transport: [octets.replace(b"\x03www", b"\x03wwx"), octets]
        self.watched(self.forward(self.server))
        self.successResultOf(self.outcome)
        self.assertTrue(all(b"\x03wwx" not in each for each in self.watch.replies))

    def test_probes(self) -> None:
        """
        A server that is asked beside the best one, to measure it, is told too.
        """
        other, second = self.serve("192.0.2.54", WWW)
        source = ForwardingSource(self.here, [self.server, second])
        self.network.shape("192.0.2.53", silent=True)
        self.find(source)
        self.network.shape("192.0.2.53", delay=0.001)
        self.network.shape("192.0.2.54", delay=0.2)
        self.canned.asked.clear()
        other.asked.clear()
        told = self.watched(source)
        self.assertEqual((len(self.canned.asked), len(other.asked)), (1, 1))
        self.assertEqual(told[:2], ["forwarder query udp 192.0.2.53 53", "forwarder query udp 192.0.2.54 53"])

    def test_authoritativeServers(self) -> None:
        """
        Servers that are asked for their own zones are told apart.
        """
        pool = ServerPool(self.here)
        context = QueryContext(self.here.seconds() + 5.0, recursionDesired=False)
        context.watch = self.watch
        found = pool.lookUp(("192.0.2.53",), questionOf("www.test.example"), context)
        self.network.advance(6.0)
        self.successResultOf(found)
        self.assertEqual(self.watch.told, ["resolver query udp 192.0.2.53 53", "resolver reply udp 192.0.2.53 53"])
        self.successResultOf(pool.close())
