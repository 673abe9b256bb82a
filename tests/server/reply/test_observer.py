"""
Tests of what an observer of queries is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.packetcache.lanes import Server
from tests.queries import optOf, queryOf
from tests.typed import observing
from twisted_ext.answers import Answer, BlockedReply, Epoch, Origin, Outcome
from twisted_ext.errors import ServerFailed, Withheld
from twisted_ext.interfaces import IAnswerSource, IHitObserver, IQueryObserver
from twisted_ext.metrics.activity import Activity
from twisted_ext.packetcache.clients import Client, Group
from twisted_ext.packetcache.doors import NOWHERE
from twisted_ext.server.features.querylog.log import QueryLog
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.observers import LiveList, Observers, resultOf
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.reply.rrl import ResponseRateLimit
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf
from twisted_ext.transport.faultlog import FaultLog
from twisted_ext.zone.store.version import DirectAnswer

WWW = questionOf("www.test.example")



@implementer(IQueryObserver)
class Recorder:
    """
    Keeps what it is told: the client, what the reply says in a word, the gate, and the octets of the reply.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str, bytes]] = []
        self.dropped_: list[tuple[str, str]] = []

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self.told.append((request.client, "transfer" if cause is None else type(cause).__name__, gate, octets))

    def dropped(self, request: Request, why: str) -> None:
        self.dropped_.append((request.client, why))


class _BrokenGate:
    """
    A gate with a fault.
    """

    name = "broken"

    def __call__(self, request: Request, now: float) -> Refusal | None:
        raise ZeroDivisionError


class ObserverTests(SynchronousTestCase):
    """
    Each request that the packet cache has not answered is told once: what was sent, or why nothing was.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.observer = Recorder()

    def server(
        self,
        source: IAnswerSource | None = None,
        access: Access | None = None,
        limiting: ResponseRateLimit | None = None,
        waiting: int | None = None,
    ) -> Server:
        server = Server(self.clock, source, access=access, limiting=limiting, waiting=waiting, remembers=False)
        server.responder.observer = self.observer
        return server

    def test_interface(self) -> None:
        verifyObject(IQueryObserver, self.observer)
        verifyObject(IHitObserver, QueryLog(self.clock.seconds))
        verifyObject(IQueryObserver, LiveList(self.clock.seconds, Activity()))

    def test_answers(self) -> None:
        """
        An answer is told with the octets that the client got, whether it was at hand or was waited for.
        """
        held = HeldSource()
        server = self.server(held)
        server.ask(queryOf(opt=optOf()))
        self.assertEqual(self.observer.told, [])
        held.release(answerOf(WWW, "192.0.2.80"))
        server = self.server()
        server.ask(queryOf())
        self.assertEqual([each[:3] for each in self.observer.told], 2 * [("127.0.0.1", "Answer", "")])
        self.assertEqual(self.observer.told[1][3], server.sent[0][0])

    def test_refusals(self) -> None:
        """
        A refusal has the name of its gate; a failed look-up is a refusal without one.
        """
        access = Access({"allow": ["127.0.0.1"], "drop": ["127.0.0.3"]})
        held = HeldSource()
        server = self.server(held, access)
        for client in ("127.0.0.2", "127.0.0.3", "127.0.0.1"):
            server.ask(queryOf(), client)
        held.release(ServerFailed("192.0.2.53:53 answered SERVFAIL", rcode=2))
        self.assertEqual([each[:3] for each in self.observer.told], [("127.0.0.2", "Refusal", "access"), ("127.0.0.1", "Refusal", "")])
        self.assertEqual(self.observer.dropped_, [("127.0.0.3", "access")])

    def test_whatRulesWithhold(self) -> None:
        """
        Where a rule withholds an answer, it is told which; the look-up has not failed.
        """
        held = HeldSource()
        server = self.server(held)
        for fault in (Withheld("no", "feed: bad.example", isTruncated=False), Withheld("no", "feed: tcp.example", isTruncated=True)):
            server.ask(queryOf())
            held.release(fault)
        self.assertEqual(self.observer.dropped_, [("127.0.0.1", "blocked feed: bad.example")])
        ((_, _, _, octets),) = self.observer.told
        self.assertEqual((octets[2] & 2, octets[3] & 15, server.responder.counters.failed), (2, 0, 0))
        refusal = Refusal(0, truncated=True, rule="feed: tcp.example")
        seen = resultOf(octets, refusal, "")
        self.assertEqual((seen.source, seen.server, seen.status, seen.truncated), ("blocked", "feed: tcp.example", "blocked", True))
        lines: list[str] = []
        logging = observing(lambda event: lines.append(formatEvent(event)))
        globalLogPublisher.addObserver(logging)
        self.addCleanup(globalLogPublisher.removeObserver, logging)
        server.responder.observer = QueryLog(self.clock.seconds)
        server.ask(queryOf())
        held.release(Withheld("no", "feed: bad.example", isTruncated=False))
        self.assertEqual([line.partition(": ")[2] for line in lines], ["no reply, 0.0 ms, blocked feed: bad.example"])

    def test_internalErrors(self) -> None:
        """
        The reply to a request that met a fault of the server is told as well.
        """
        server = self.server()
        server.responder.gates = (_BrokenGate(),)
        server.ask(queryOf())
        self.assertEqual([each[:3] for each in self.observer.told], [("127.0.0.1", "Refusal", "")])
        self.assertEqual(self.observer.told[0][3][3] & 15, 2)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_lateAndTooMany(self) -> None:
        """
        Answers that come too late for UDP, and requests for which there is no room, are told with that reason.
        """
        held = HeldSource()
        server = self.server(held, waiting=1)
        server.ask(queryOf())
        server.ask(queryOf("other.test.example"), "127.0.0.7")
        self.assertEqual(self.observer.dropped_, [("127.0.0.7", "overflow")])
        self.clock.advance(3.5)
        held.release(answerOf(WWW, "192.0.2.80"))
        self.assertEqual(self.observer.dropped_[1:], [("127.0.0.1", "late")])
        self.assertEqual(self.observer.told, [])

    def test_limitedReplies(self) -> None:
        """
        Above the response rate, a reply that is not sent is told as dropped, and a truncated one with the octets that were sent.
        """
        server = self.server(access=Access({"allow": ["any"]}), limiting=ResponseRateLimit(1, slip=2))
        for _ in range(5):
            server.ask(queryOf(), "192.0.2.7")
        self.assertEqual(self.observer.dropped_, 2 * [("192.0.2.7", "limit")])
        self.assertEqual([bool(octets[2] & 2) for _, _, _, octets in self.observer.told], [False, True, True])
        self.assertEqual([octets for _, _, _, octets in self.observer.told], [octets for octets, _ in server.sent])

    def test_transfers(self) -> None:
        """
        A transfer is told once, with the first message where a transport carries only that.
        """
        server = self.server()

        def messages(request: Request) -> Iterator[bytes]:
            return iter([request.wire[:2] + b"\x80\x00", request.wire[:2] + b"\x80\x01"])

        server.responder.handlers = {1: messages}
        sent: list[bytes] = []
        server.responder.take(queryOf(id=7), ("127.0.0.1", 4000), "udp", sent.append)
        server.responder.take(queryOf(id=8), ("127.0.0.1", 4000), "tcp", sent.append, flow=sent.extend)
        self.assertEqual(sent, [b"\x00\x07\x80\x00", b"\x00\x08\x80\x00", b"\x00\x08\x80\x01"])
        self.assertEqual(
            self.observer.told, [("127.0.0.1", "transfer", "transfer", sent[0]), ("127.0.0.1", "transfer", "transfer", b"")]
        )


class QueryLogTests(SynchronousTestCase):
    """
    What the query log makes of that.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[LogEvent] = []
        observer = observing(self.said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.log = QueryLog(self.clock.seconds)
        request = Request.fromWire(queryOf(), ("127.0.0.1", 4000), "udp", None, 0.0)
        assert request is not None
        request.record = Client("127.0.0.1", Group("all"))
        self.request = request

    def takeSaid(self) -> str:
        (event,) = [each for each in self.said if each.get("log_namespace") == "twisted_ext.queries"]
        self.said.clear()
        return str(event["result"])

    def test_answersFromZones(self) -> None:
        """
        An answer that is taken from a zone as octets is from the zone.
        """
        self.log.replied(self.request, bytes(40), DirectAnswer(b"", 1, False, Epoch()), "")
        self.assertEqual(self.takeSaid(), "NOERROR, 40 octets, 0.0 ms, zone")

    def test_transfers(self) -> None:
        self.log.replied(self.request, b"", None, "transfer")
        self.assertEqual(self.takeSaid(), "NOERROR, 0.0 ms, transfer")

    def test_heldBackRepliesAreNotLogged(self) -> None:
        """
        A flood does not fill the log with the replies that the response rate held back.
        """
        self.log.dropped(self.request, "limit")
        self.assertEqual(self.said, [])
        self.log.dropped(self.request, "late")
        self.assertEqual(self.takeSaid(), "no reply, 0.0 ms, late")

    def test_sourcesOfOtherPackages(self) -> None:
        """
        The live list shows an answer of a source that this package does not know as local, and the name of a gate as refused.
        """
        activity = Activity()
        activity.live.watch(0.0)
        live = LiveList(self.clock.seconds, activity)
        live.replied(self.request, bytes(40), Answer(Outcome.NODATA, origin=Origin("inventory", "machines.csv")), "")
        live.replied(self.request, bytes(40), Answer(Outcome.NODATA, origin=Origin("tls", "192.0.2.1:853")), "")
        live.replied(self.request, bytes(40), Refusal(5), "ferry")
        shown = cast("list[dict[str, object]]", activity.live.after(0)["queries"])
        self.assertEqual([each["status"] for each in shown], ["local", "forwarded", "refused"])
        self.assertEqual([each["server"] for each in shown], ["", "192.0.2.1:853", ""])
        live.dropped(self.request, "limit")
        live.dropped(self.request, "late")
        (dropped,) = cast("list[dict[str, object]]", activity.live.after(3)["queries"])
        self.assertEqual((dropped["status"], dropped["rcode"]), ("failed", "no reply"))

    def test_observersOfHits(self) -> None:
        """
        Those who watch hits are told of them, one by one: a fault of the first takes nothing from the second.
        """
        faults: list[BaseException] = []
        told: list[str] = []

        @implementer(IHitObserver)
        class Watching(Recorder):
            takesMade = True

            def hits(self, *batch: object) -> None:
                told.append("told")
                if len(told) == 1:
                    raise LookupError

        every = Observers([Recorder(), Watching(), Watching()], FaultLog(faults.append))
        self.assertTrue(every.watchesHits)
        every.hits([], [], [], "udp", 1.0, NOWHERE)
        self.assertEqual((told, len(faults)), (["told", "told"], 1))
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        self.assertFalse(Observers([Recorder()], FaultLog(faults.append)).watchesHits)
        self.assertFalse(every.takesMade)
        self.assertTrue(Observers([Watching()], FaultLog(faults.append)).takesMade)

    def test_hits(self) -> None:
        """
        A reply of the packet cache is logged with what is in its octets: rcode, size, truncation and extended errors; that for a blocked
        name is known as such. Names are written as asked.
        """
        query = queryOf("wWw.test.example", "TXT")
        body = b"\x82\x03" + bytes(8)
        opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x0a\x00\x0f\x00\x06\x00\x0fkids"
        clients = [Client(address, Group("all")) for address in ("192.0.2.1", "192.0.2.2")]
        blocked = BlockedReply(b"\x81\x83" + bytes(8) + opt)
        self.log.hits([(query, (each.address, 53)) for each in clients], [body, blocked], clients, "tcp", 5.0, NOWHERE)
        lines = [each for each in self.said if each.get("log_namespace") == "twisted_ext.queries"]
        self.assertEqual(
            [formatEvent(each) for each in lines],
            [
                "query wWw.test.example. IN TXT from 192.0.2.1 by tcp: NXDOMAIN, 12 octets, truncated, 0.0 ms, packet-cache",
                "query wWw.test.example. IN TXT from 192.0.2.2 by tcp: NXDOMAIN, 33 octets, 0.0 ms, blocked, EDE 15 (kids)",
            ],
        )
        self.said.clear()

    def test_hitsWithoutQuestion(self) -> None:
        """
        What the packet cache answers although it has no question is a query for the root in the log.
        """
        self.log.hits([(bytes(12), ("192.0.2.1", 53))], [b"\x80\x01" + bytes(8)], [self.request.record], "udp", 5.0, NOWHERE)
        self.assertEqual(self.takeSaid(), "FORMERR, 12 octets, 0.0 ms, packet-cache")
