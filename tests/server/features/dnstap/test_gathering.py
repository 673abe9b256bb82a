"""
Tests of what is told to the process that writes dnstap.
"""

from __future__ import annotations

import marshal
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.queries import queryOf
from tests.server.features.dnstap.test_messages import TYPES, read
from twisted_ext.answers import BlockedReply, QueryContext
from twisted_ext.interfaces import IAnswerSource, IHitObserver
from twisted_ext.packetcache.clients import Client, Group
from twisted_ext.packetcache.doors import Door
from twisted_ext.server.features.dnstap.gathering import ClientMessages, UpstreamMessages, WatchedSource
from twisted_ext.server.features.dnstap.settings import MESSAGES
from twisted_ext.server.features.dnstap.writer.messages import Messages
from twisted_ext.server.process.recorders.gathering import Gathering
from twisted_ext.server.reply.requests import Request
from twisted_ext.testing.sources import HeldSource, questionOf

__all__: list[str] = []

DOOR = Door("192.0.2.1", port=53)


class GatheringTests(SynchronousTestCase):
    """
    What is gathered is read as the writer reads it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100.0)
        self.sent: list[tuple[list[Any], int]] = []
        self.gathering = Gathering(self.clock, lambda batch, count: self.sent.append((batch, count)), lambda: self.clock.seconds() + 1e9)

    def told(self) -> list[str]:
        """
        Return the types of the messages that were passed on.
        """
        made = Messages("ns1", "v", MESSAGES, True)
        return [TYPES[each.type] for batch, _ in self.sent for each in read(made.of(marshal.loads(marshal.dumps(batch))))]

    def hit(self, observer: ClientMessages, count: int, body: bytes = bytes(10)) -> None:
        client = Client("192.0.2.7", Group("all"))
        queries = [(queryOf("www.example"), ("192.0.2.7", 4242))] * count
        observer.hits(queries, [body] * count, [client] * count, "udp", self.clock.seconds(), DOOR)

    def request(self) -> Request:
        request = Request.fromWire(queryOf("www.example"), ("192.0.2.7", 4242), "udp", arrived=self.clock.seconds())
        assert request is not None
        request.door = DOOR
        return request

    def test_interfaces(self) -> None:
        verifyObject(IHitObserver, ClientMessages(self.gathering, 1))
        verifyObject(IAnswerSource, WatchedSource(HeldSource(), UpstreamMessages(self.gathering), 1))

    def test_inBatches(self) -> None:
        """
        Messages are passed on together, after a moment, or once there are many; and at the end.
        """
        observer = ClientMessages(self.gathering, 1)
        self.hit(observer, 3, BlockedReply(bytes(10)))
        observer.replied(self.request(), queryOf("www.example"), None, "")
        observer.dropped(self.request(), "limit")
        self.assertEqual(self.sent, [])
        self.clock.advance(0.05)
        self.assertEqual(self.told(), ["CLIENT_QUERY", "CLIENT_RESPONSE"] * 4 + ["CLIENT_QUERY"])
        self.sent.clear()
        self.hit(observer, 300)
        self.assertEqual([count for _, count in self.sent], [600])
        self.hit(observer, 1)
        self.gathering.close()
        self.assertEqual([count for _, count in self.sent], [600, 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_times(self) -> None:
        """
        Times are those since 1970, of the query and of its reply.
        """
        observer = ClientMessages(self.gathering, 1)
        request = self.request()
        self.clock.advance(0.25)
        observer.replied(request, queryOf("www.example"), None, "")
        self.gathering.flush()
        made = Messages("ns1", "v", MESSAGES, True)
        query, reply = read(made.of(self.sent[0][0]))
        self.assertEqual((query.query_time_sec, query.query_time_nsec), (1_000_000_100, 0))
        self.assertEqual((reply.response_time_sec, reply.response_time_nsec), (1_000_000_100, 250_000_000))
        self.assertEqual((query.response_address, query.response_port), (b"\xc0\x00\x02\x01", 53))

    def test_sample(self) -> None:
        """
        Of so many queries one is taken, however they arrive.
        """
        for sizes in ((1000,), (1,) * 1000, (7,) * 142 + (6,), (999, 1), (3, 0, 497, 250, 250)):
            observer = ClientMessages(self.gathering, 10)
            for number, size in enumerate(sizes):
                if size == 1 and number % 2:
                    observer.replied(self.request(), queryOf("www.example"), None, "")
                else:
                    self.hit(observer, size)
            self.gathering.flush()
            self.assertEqual(self.told().count("CLIENT_QUERY"), 100, sizes[:3])
            self.sent.clear()

    def test_lookUpsAreSampled(self) -> None:
        """
        Of so many look-ups one is watched.
        """
        watch = UpstreamMessages(self.gathering)
        source = WatchedSource(HeldSource(), watch, 4)
        contexts = [QueryContext(200.0) for _ in range(8)]
        for context in contexts:
            source.ask(questionOf("www.example"), context)
        self.assertEqual([context.watch is watch for context in contexts], [True, False, False, False] * 2)
        self.assertIs(contexts[0].detached(300.0).watch, watch)

    def test_upstreams(self) -> None:
        """
        Queries to other servers are told by what those were asked for.
        """
        watch = UpstreamMessages(self.gathering)
        query = queryOf("www.example")
        for authoritative in (False, True):
            watch.sent(query, "udp", ("192.0.2.53", 53), authoritative, 100.0)
            watch.came(query, "udp", ("192.0.2.53", 53), authoritative, 100.0, 100.5)
        self.gathering.flush()
        self.assertEqual(self.told(), ["FORWARDER_QUERY", "FORWARDER_RESPONSE", "RESOLVER_QUERY", "RESOLVER_RESPONSE"])
