"""
Tests of the watch over look-ups: which are told, and what of them.
"""

from __future__ import annotations

import marshal
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.networks import WWW, NetworkTestCase, textsOf
from tests.queries import optOf, queryOf
from twisted_ext.answers import Answer, QueryContext, UpstreamWatch
from twisted_ext.errors import TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.server.features.otlp.exporter.batches import Sent, Told
from twisted_ext.server.features.otlp.watching import LookupWatch, ParentGate, SpannedSource
from twisted_ext.server.process.recorders.gathering import Gathering
from twisted_ext.server.reply.requests import Request
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import answerOf, questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Question

__all__: list[str] = []

PARENT = bytes(range(1, 25)) + b"\x01"


class SpannedTests(NetworkTestCase):
    """
    Look-ups of an upstream.
    """

    canned: CannedServer
    server: Server

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.batches: list[list[Any]] = []
        self.gathering = Gathering(self.here, lambda batch, count: self.batches.append(batch), lambda: self.here.seconds() + 1e9)

    def spanned(
        self, inner: IAnswerSource | None = None, *, sample: int = 1, slow: float = 0.0, parent: bytes | None = None
    ) -> SpannedSource:
        """
        Return the source.
        """
        parents = None if parent is None else (lambda question: parent)
        return SpannedSource(self.forward(self.server) if inner is None else inner, self.gathering, parents, sample, slow)

    def look(self, source: IAnswerSource, watch: UpstreamWatch | None = None) -> Deferred[Answer]:
        """
        Look up a name.
        """
        context = QueryContext(self.here.seconds() + 5.0, client="192.0.2.7")
        context.transport = "udp"
        context.watch = watch
        found = lookUp(source, questionOf("www.test.example"), context)
        self.network.advance(6.0)
        return found

    def spans(self) -> list[Told]:
        """
        Return what was told, as the exporter reads it.
        """
        self.gathering.flush()
        batches, self.batches = self.batches, []
        found = [Told(*each) for batch in batches for each in marshal.loads(marshal.dumps(batch))]
        return [each._replace(sent=[Sent(*query) for query in each.sent]) for each in found]

    def test_lookup(self) -> None:
        """
        A look-up is told with its outcome, its times and its queries; it takes the same course as without.
        """
        source = self.spanned()
        verifyObject(IAnswerSource, source)
        found = self.look(source)
        (told,) = self.spans()
        name = questionOf("www.test.example").name
        self.assertEqual(told[2:8], (name, 1, "192.0.2.7", "udp", "sampled", 0))
        self.assertEqual((told[8:14], told.more), (("udp", "192.0.2.53:53", "", "", "", b""), 0))
        self.assertEqual(textsOf(self.successResultOf(found)), self.find(self.forward(self.server)))
        self.assertEqual(self.spans(), [])

    def test_queries(self) -> None:
        """
        Each query has its times and the begin of its reply; TCP after a truncated reply is one more.
        """
        self.canned.truncating = True
        self.successResultOf(self.look(self.spanned()))
        (told,) = self.spans()
        first, second = told.sent
        self.assertEqual([(each.kind, each.address, each.port, each.authoritative) for each in told.sent], [
            ("udp", "192.0.2.53", 53, False), ("tcp", "192.0.2.53", 53, False)
        ])  # fmt: skip
        self.assertAlmostEqual(first.ended - first.began, 0.02, 3)
        self.assertTrue(1e9 <= told.began <= first.began < first.ended <= second.began < second.ended <= told.ended)
        self.assertEqual((first.reply[2] & 2, second.reply[2] & 2), (2, 0))
        self.assertEqual((first.query[:2], second.query[:2]), (first.reply[:2], second.reply[:2]))

    def test_failures(self) -> None:
        """
        A failure has its reason, and queries without a reply have no end.
        """
        self.failureResultOf(self.look(self.spanned(self.forward(self.nowhere()))), TimedOut)
        (told,) = self.spans()
        self.assertEqual((told.rcode, told.source), (int(Rcode.SERVFAIL), ""))
        self.assertIn("192.0.2.99:53", told.fault)
        self.assertTrue(told.sent and all(each.ended == 0.0 and not each.reply for each in told.sent))

    def test_atOnce(self) -> None:
        """
        So is an answer that is there at once told, without queries.
        """


        @implementer(IAnswerSource)
        class AtOnce(LocalSource):
            def ask(self, question: Question, context: QueryContext) -> Answer:
                return answerOf(question)

        self.successResultOf(self.look(self.spanned(AtOnce())))
        (told,) = self.spans()
        self.assertEqual((told.began, told.sent, told.rcode), (told.ended, [], 0))

    def test_sample(self) -> None:
        """
        One look-up of so many is told, and none with 0.
        """
        source = self.spanned(sample=3)
        for _ in range(7):
            self.look(source)
        self.assertEqual([each.why for each in self.spans()], ["sampled"] * 3)
        source = self.spanned(sample=0)
        for _ in range(7):
            self.look(source)
        self.assertEqual(self.spans(), [])

    def test_slow(self) -> None:
        """
        Slow ones are told with their queries whether they are sampled or not, and others are not.
        """
        source = self.spanned(sample=0, slow=0.1)
        self.look(source)
        self.assertEqual(self.spans(), [])
        self.network.shape("192.0.2.53", delay=0.2)
        self.look(source)
        (told,) = self.spans()
        self.assertEqual((told.why, bool(told.sent)), ("slow", True))

    def test_parents(self) -> None:
        """
        A client that is trusted has its look-up told as a part of its trace, also if it would not be sampled.
        """
        for parent in (PARENT, b""):
            self.look(self.spanned(sample=0, parent=parent))
            self.assertEqual([(each.why, each.parent) for each in self.spans()], [("asked", parent)])

    def test_otherWatches(self) -> None:
        """
        Who watched before is told all the same.
        """
        other = LookupWatch(None)
        self.look(self.spanned(), other)
        (told,) = self.spans()
        self.assertEqual([each[2:6] for each in other.sentQueries], [each[2:6] for each in told.sent])
        self.assertEqual(len(other.sentQueries), 1)
        self.assertTrue(other.sentQueries[0][1])

    def test_manyQueries(self) -> None:
        """
        A look-up that takes very many queries is told with the first of them, and how many more there were.
        """
        watch = LookupWatch(None)
        for number in range(100):
            watch.sent(number.to_bytes(2, "big") + bytes(20), "udp", ("192.0.2.53", 53), True, 1.0)
        self.assertEqual((len(watch.sentQueries), watch.more), (64, 36))
        # In another order than they were sent, and some twice.
        for number in (63, 0, 99, 0):
            watch.came(number.to_bytes(2, "big") + b"\x81\x80" + bytes(20), "udp", ("192.0.2.53", 53), True, 1.0, 2.0)
        watch.came(b"\0\0\x81\x83" + bytes(20), "udp", ("192.0.2.53", 53), True, 1.0, 2.5)
        self.assertEqual([place for place, each in enumerate(watch.sentQueries) if each[1]], [0, 63])
        self.assertEqual((watch.sentQueries[0][1], watch.sentQueries[0][7]), (2.0, b"\0\0\x81\x80"))
        watch.end(2.0)
        watch.came(b"\0\x05\x81\x80" + bytes(20), "udp", ("192.0.2.53", 53), True, 1.0, 2.1)
        watch.sent(bytes(22), "udp", ("192.0.2.53", 53), True, 1.0)
        self.assertEqual((len([each for each in watch.sentQueries if each[1]]), watch.more), (2, 36))

    def test_noID(self) -> None:
        """
        Over HTTPS the query has no ID, and its reply any.
        """
        watch = LookupWatch(None)
        watch.sent(bytes(22), "https", ("192.0.2.53", 443), False, 1.0)
        watch.came(b"\x12\x34\x81\x80", "https", ("192.0.2.54", 443), False, 1.0, 2.0)
        self.assertEqual(watch.sentQueries[0][1], 0.0)
        watch.came(b"\x12\x34\x81\x80", "https", ("192.0.2.53", 443), False, 1.0, 2.0)
        self.assertEqual(watch.sentQueries[0][1], 2.0)

    def test_servers(self) -> None:
        """
        It is asked once, whatever the number of servers.
        """
        self.canned.set("www.test.example", "A", Rcode.SERVFAIL)
        _, server = self.serve("192.0.2.54", WWW)
        self.successResultOf(self.look(self.spanned(self.forward(self.server, server))))
        (told,) = self.spans()
        self.assertEqual([(each.address, each.reply[3] & 15) for each in told.sent], [("192.0.2.53", 2), ("192.0.2.54", 0)])


class ParentTests(NetworkTestCase):
    """
    The EDNS option of clients.
    """

    def parentOf(self, gate: ParentGate, *options: tuple[int, bytes], client: str = "192.0.2.7") -> bytes | None:
        """
        Return the parent that a query has.
        """
        request = Request.fromWire(queryOf("www.example", opt=optOf(options=[*options])), (client, 4242), "udp")
        assert request is not None
        self.assertIsNone(gate(request, 0.0))
        return gate.parentOf(request.question)

    def test_whoMay(self) -> None:
        """
        Only clients that are trusted are heard.
        """
        gate = ParentGate(["192.0.2.0/24", "2001:db8::/32"])
        option = (65500, b"\0\0" + PARENT)
        self.assertEqual(self.parentOf(gate, option), PARENT)
        self.assertEqual(self.parentOf(gate, option, client="::ffff:192.0.2.9"), PARENT)
        self.assertEqual(self.parentOf(gate, option, client="2001:db8::9"), PARENT)
        for stranger in ("198.51.100.7", "2001:db9::9", "fe80::1%eth0", "unix:"):
            self.assertIsNone(self.parentOf(gate, option, client=stranger))
        self.assertEqual(self.parentOf(ParentGate(["any"]), option, client="198.51.100.7"), PARENT)

    def test_forms(self) -> None:
        """
        It may be empty, so that the look-up is a trace of its own. Other forms, and other versions, are ignored.
        """
        gate = ParentGate(["any"])
        self.assertEqual(self.parentOf(gate, (65500, b"")), b"")
        for octets in (b"\0", b"\0\0", b"\0\0" + PARENT[:-1], b"\0\0" + PARENT + b"x", b"\1\0" + PARENT):
            self.assertIsNone(self.parentOf(gate, (65500, octets)))
        self.assertIsNone(self.parentOf(gate, (65501, b"\0\0" + PARENT)))
        self.assertIsNone(self.parentOf(gate))

    def test_oneQuery(self) -> None:
        """
        A parent is for the look-up of its query only.
        """
        gate = ParentGate(["any"])
        self.assertEqual(self.parentOf(gate, (65500, b"\0\0" + PARENT)), PARENT)
        self.assertIsNone(gate.parentOf(questionOf("www.example")))
        self.assertIsNone(self.parentOf(gate))

    def test_sameQuestion(self) -> None:
        """
        Requests without a question share one object for it: the next of them does not have the parent of the last.
        """
        gate = ParentGate(["192.0.2.7"])
        requests = []
        for client in ("192.0.2.7", "198.51.100.7"):
            query = queryOf(".", opt=optOf(options=[(65500, b"\0\0" + PARENT)]))
            request = Request.fromWire(query[:4] + b"\0\0" + query[6:12] + query[17:], (client, 4242), "udp")
            assert request is not None and request.fault is None
            requests.append(request)
        self.assertIs(requests[0].question, requests[1].question)
        gate(requests[0], 0.0)
        self.assertEqual(gate.parentOf(requests[0].question), PARENT)
        gate(requests[1], 0.0)
        self.assertIsNone(gate.parentOf(requests[1].question))
