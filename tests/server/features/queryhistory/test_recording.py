"""
Tests of what is gathered of queries for the history.
"""

from __future__ import annotations

import marshal
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.packetcache.lanes import Server
from tests.queries import optOf, queryOf
from twisted_ext.answers import AliasOrigin, Answer, BlockedReply, Origin, Outcome, Security
from twisted_ext.errors import Refused, ServerFailed, TrustFault
from twisted_ext.interfaces import IHitObserver
from twisted_ext.packetcache.clients import Client, Group
from twisted_ext.packetcache.doors import NOWHERE
from twisted_ext.resolver.policy.rules.source import BLOCKED_EDE, FORGED_EDE
from twisted_ext.server.features.queryhistory.recorder.rows import SECURITIES, STATUSES, Row, Rows
from twisted_ext.server.features.queryhistory.recording import Recording
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.rrl import ResponseRateLimit
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf, rrsetOf
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, HTTPS

WWW = questionOf("www.test.example")

#: Seconds since 1970.
TODAY = 1_700_000_000.0


class RecordingTests(SynchronousTestCase):
    """
    Each query becomes a row.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.sent: list[tuple[list[Any], int]] = []
        self.recording = Recording(self.clock, lambda batch, count: self.sent.append((batch, count)), lambda: TODAY)

    def server(self, source: HeldSource | None = None, access: Access | None = None, limiting: ResponseRateLimit | None = None) -> Server:
        server = Server(self.clock, source, access=access, limiting=limiting, remembers=False)
        server.responder.observer = self.recording
        return server

    def rows(self) -> list[Row]:
        """
        Return the rows of what is passed on by now.
        """
        self.recording.flush()
        made = Rows()
        sent, self.sent = self.sent, []
        # As the recorder gets them.
        rows = [list(made.of(marshal.loads(marshal.dumps(batch)))) for batch, _ in sent]
        self.assertEqual([len(each) for each in rows], [count for _, count in sent])
        return [row for each in rows for row in each]

    def hit(self, body: bytes, name: str = "www.test.example", count: int = 1) -> None:
        client = Client("192.0.2.7", Group("all"))
        self.recording.hits([(queryOf(name), ())] * count, [body] * count, [client] * count, "tcp", self.clock.seconds() - 2, NOWHERE)

    def test_interface(self) -> None:
        verifyObject(IHitObserver, self.recording)

    def test_answers(self) -> None:
        """
        An answer has its upstream, its rcode and how long it took.
        """
        held = HeldSource()
        self.server(held).ask(queryOf(opt=optOf()))
        self.clock.advance(0.25)
        answer = answerOf(WWW, "192.0.2.80")
        answer.origin = Origin("udp", "192.0.2.53:53")
        held.release(answer)
        (row,) = self.rows()
        wanted = Row(int(TODAY * 1e6), "127.0.0.1", "example.test.www", 1, 0, "", 250_000, "", "192.0.2.53:53", "", 2, 0, alias="")
        self.assertEqual(row, wanted)

    def test_rcodes(self) -> None:
        """
        An answer that this server makes, and a failure, have their rcodes, however these are given.
        """
        held = HeldSource()
        server = self.server(held)
        server.ask(queryOf())
        held.release(Answer(Outcome.NXDOMAIN, rcode=Rcode.NXDOMAIN, origin=Origin("local")))
        server.ask(queryOf())
        held.release(ServerFailed("no upstream replies", rcode=Rcode.SERVFAIL))
        self.assertEqual([row.rcode for row in self.rows()], [3, 2])

    def test_rules(self) -> None:
        """
        A blocked answer has the place of the rule, and the text of its extended error.
        """
        held = HeldSource()
        self.server(held).ask(queryOf())
        held.release(Answer(Outcome.NXDOMAIN, rcode=3, origin=Origin("blocked", "ads.txt:7"), ede=((15, "Blocked"),)))
        (row,) = self.rows()
        self.assertEqual((row.rule, row.upstream, row.ede, row.rcode, STATUSES[row.status]), ("ads.txt:7", "", "Blocked", 3, "blocked"))

    def test_refusalsAndFailures(self) -> None:
        """
        A refusal, a failure and a query without a reply are rows as well.
        """
        held = HeldSource()
        server = self.server(held, Access({"allow": ["127.0.0.1"], "drop": ["127.0.0.3"]}))
        for client in ("127.0.0.2", "127.0.0.3", "127.0.0.1"):
            server.ask(queryOf(), client)
        held.release(ServerFailed("192.0.2.53:53 answered SERVFAIL", rcode=2))
        found = [(row.client, row.rcode, STATUSES[row.status]) for row in self.rows()]
        self.assertEqual(found, [("127.0.0.2", 5, "refused"), ("127.0.0.3", -1, "dropped"), ("127.0.0.1", 2, "failed")])

    def test_validation(self) -> None:
        """
        What DNSSEC has proved of an answer, or that it did not validate, and why.
        """
        held = HeldSource()
        server = self.server(held)
        for security in (Security.SECURE, Security.INSECURE, Security.INDETERMINATE):
            server.ask(queryOf())
            answer = answerOf(WWW, "192.0.2.80")
            answer.security = security
            held.release(answer)
        server.ask(queryOf())
        held.release(TrustFault("the signature has expired", rcode=2, ede=((7, "the signature has expired"),)))
        server.ask(queryOf())
        held.release(ServerFailed("192.0.2.53:53 answered SERVFAIL", rcode=2))
        rows = self.rows()
        self.assertEqual([SECURITIES[row.security] for row in rows], ["secure", "insecure", "", "bogus", ""])
        self.assertIn("the signature has expired", rows[3].ede)

    def test_aliases(self) -> None:
        """
        An answer has what the name is an alias of, and so has one that was blocked as it leads to a blocked name; a failure is no alias. Of
        a name that was blocked by itself that is not known, nor of one that a rule leads elsewhere.
        """
        held = HeldSource()
        server = self.server(held)
        alias = answerOf(WWW, "192.0.2.80")
        service = RRSet(WWW.name, HTTPS, 1, 60, (b"\0\1" + nameFromText("svc.example") + b"\0\1\0\3\2h2", b"\0\1\0"))
        pairs = (("www.test.example", "A.example"), ("a.example", "b.example"))
        chain = tuple([rrsetOf(nameFromText(one), CNAME, other) for one, other in pairs])
        blocked = Answer(Outcome.NXDOMAIN, rcode=3, origin=AliasOrigin("blocked", "ads:7", [nameFromText("b.example")]))
        for answer in (
            alias, alias.having((*chain, *alias.answer)), alias.having((service,)), blocked,
            Answer(Outcome.NXDOMAIN, rcode=3, origin=Origin("blocked", "ads:7"), ede=BLOCKED_EDE),
            Answer(Outcome.DATA, (*chain, *alias.answer), ede=FORGED_EDE, origin=Origin("udp", "192.0.2.53:53")),
            ServerFailed("192.0.2.53:53 answered SERVFAIL", rcode=2), Refused("the rule ads:7 says so", ede=BLOCKED_EDE),
        ):  # fmt: skip
            server.ask(queryOf())
            held.release(answer)
        wanted = ["", "example.a example.b", "example.svc", "example.b", None, None, "", None]
        self.assertEqual([row.alias for row in self.rows()], wanted)

    def test_floods(self) -> None:
        """
        Queries above the response rate, whose addresses may be forged, do not fill the history.
        """
        server = self.server(access=Access({"allow": ["any"]}), limiting=ResponseRateLimit(1, slip=0))
        for _ in range(50):
            server.ask(queryOf(), "192.0.2.7")
        self.assertEqual(len(self.rows()), 1)

    def test_hits(self) -> None:
        """
        What the packet cache has answered has the time of its answer, in the clock of the history.
        """
        self.hit(bytes([129, 128]) + bytes(8))
        self.hit(bytes([129, 131]) + bytes(8), "none.test.example")
        self.hit(BlockedReply(bytes([129, 128]) + bytes(8)), "ads.test.example")
        first, second, third = self.rows()
        self.assertEqual(first, Row(int((TODAY - 2) * 1e6), "192.0.2.7", "example.test.www", 1, 0, "", 0, "", "", "", 1, 1))
        self.assertEqual((second.name, second.rcode), ("example.test.none", 3))
        self.assertEqual((third.name, STATUSES[third.status]), ("example.test.ads", "blocked"))

    def test_batches(self) -> None:
        """
        Queries are passed on after a moment, or when there are many, in their order.
        """
        self.hit(bytes([129, 128]))
        self.assertEqual(self.sent, [])
        self.clock.advance(0.05)
        self.assertEqual([count for _, count in self.sent], [1])
        self.hit(bytes([129, 128]), count=600)
        self.assertEqual([count for _, count in self.sent], [1, 600])
        self.clock.advance(0.05)
        self.assertEqual(len(self.sent), 2)

    def test_close(self) -> None:
        """
        At the end, what waits is passed on, and nothing is left in the reactor.
        """
        self.hit(bytes([129, 128]))
        self.recording.close()
        self.assertEqual(len(self.sent), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
