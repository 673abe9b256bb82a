"""
Tests of unsolicited records in replies, and of TTLs that are too long.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.networks import NetworkTestCase
from twisted_ext import outcomes
from twisted_ext.answers import Outcome
from twisted_ext.limits import CACHE_SECONDS, REPLY_ALIASES
from twisted_ext.outcomes import relevant
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.records import RRSet


def sets(*texts: str) -> tuple[RRSet, ...]:
    """
    Return RRsets of one record each, written C{"owner TYPE rdata"}.
    """
    made: list[RRSet] = []
    for text in texts:
        owner, rrType, rdata = text.split(" ", 2)
        made.append(rrsetOf(nameFromText(owner), questionOf(owner, rrType).rrType, rdata, 300))
    return tuple(made)


class RelevantTests(SynchronousTestCase):
    """
    Tests for L{relevant}.
    """

    def kept(self, question: str, rrType: str, *texts: str) -> list[int]:
        """
        Return the former positions of the records that are kept.
        """
        answer = sets(*texts)
        kept = relevant(questionOf(question, rrType), answer)
        found = [answer.index(each) for each in kept]
        if found == list(range(len(answer))):
            self.assertIs(kept, answer)
        return found

    def test_onlyAliasChainIsKept(self) -> None:
        """
        The requested name and its chain of aliases are kept, in any letter case, and in the order of the chain; other owners are not.
        """
        self.assertEqual(self.kept("www.a.test", "A", "www.a.test A 192.0.2.1"), [0])
        self.assertEqual(self.kept("www.a.test", "A", "WWW.a.test A 192.0.2.1", "bank.test A 192.0.2.66"), [0])
        self.assertEqual(self.kept("www.a.test", "A", "bank.test A 192.0.2.66"), [])
        chain = ("b.test A 192.0.2.1", "a.test CNAME B.test.", "www.test CNAME a.test.", "c.test A 192.0.2.66")
        self.assertEqual(self.kept("www.test", "A", *chain), [2, 1, 0])
        self.assertEqual(self.kept("b.test", "A", *chain), [0])

    def test_otherTypesAreDropped(self) -> None:
        """
        Records of other types are dropped, except for aliases.
        """
        self.assertEqual(self.kept("www.test", "A", "www.test A 192.0.2.1", "www.test AAAA 2001:db8::1", "www.test NS ns.test."), [0])
        self.assertEqual(self.kept("www.test", "ANY", "www.test A 192.0.2.1", "www.test AAAA 2001:db8::1", "x.test NS ns.test."), [0, 1])
        self.assertEqual(self.kept("www.test", "CNAME", "www.test CNAME a.test.", "a.test A 192.0.2.1"), [0])

    def test_dataBesideAliasIsDropped(self) -> None:
        """
        Where an unsigned name has an alias and data, the alias counts, at any place of the chain, unless the question asks for one of
        both or for what may stand beside aliases.
        """
        both = ("www.test A 192.0.2.66", "WWW.test CNAME a.test.", "a.test A 192.0.2.1")
        self.assertEqual(self.kept("www.test", "A", *both), [1, 2])
        self.assertEqual(self.kept("www.test", "A", *both[:2]), [1])
        self.assertEqual(self.kept("w.test", "A", "w.test CNAME www.test.", *both), [0, 2, 3])
        self.assertEqual(self.kept("www.test", "ANY", *both[:2]), [0, 1])
        self.assertEqual(self.kept("www.test", "CNAME", *both[:2]), [1])
        signed = "www.test RRSIG A 13 2 300 20300101000000 20200101000000 7 test. AAAA"
        self.assertEqual(self.kept("www.test", "A", both[0], signed, both[1]), [0, 2, 1])

    def test_aliasLoopEnds(self) -> None:
        """
        An alias loop ends.
        """
        self.assertEqual(self.kept("a.test", "A", "a.test CNAME b.test.", "b.test CNAME a.test.", "c.test A 192.0.2.1"), [0, 1])

    def test_stepsAreBounded(self) -> None:
        """
        A chain is followed for a bounded number of steps, each with a bounded number of DNAMEs.
        """
        chain = [f"a{number}.test CNAME a{number + 1}.test." for number in range(1000)]
        others = [f"d{number}.test DNAME e.test." for number in range(1000)]
        with patch.object(outcomes, "isBelow", wraps=isBelow) as compared:
            self.assertEqual(len(self.kept("a0.test", "A", *chain, *others)), int(REPLY_ALIASES.default) + 1)
        self.assertLessEqual(compared.call_count, int(REPLY_ALIASES.default) ** 2)

    def test_dnameOnTheChainIsKept(self) -> None:
        """
        A DNAME above a name of the chain is kept and followed, with or without its CNAME; other DNAMEs are not kept.
        """
        redirected = ("old.test DNAME new.test.", "www.old.test CNAME www.new.test.", "www.new.test A 192.0.2.1", "x.test DNAME y.test.")
        self.assertEqual(self.kept("www.old.test", "A", *redirected), [0, 1, 2])
        self.assertEqual(self.kept("www.old.test", "A", redirected[0], redirected[2]), [0, 1])
        self.assertEqual(self.kept("old.test", "A", "old.test DNAME new.test.", "old.test A 192.0.2.1"), [0, 1])


class RepliesTests(NetworkTestCase):
    """
    Tests of whole replies, as callers and caches get them.
    """

    def replyWith(self, canned: CannedServer, message: bytes) -> None:
        """
        Make the server reply with this message.
        """
        canned.tamper = lambda reply, transport: [reply[:2] + message[2:]]

    def test_unsolicitedRecordsAreDropped(self) -> None:
        """
        Unsolicited records reach no caller and make no answer, by the fast parser or the full one.
        """
        canned, server = self.serve()
        question = questionOf("www.test.example")
        for answer, found in (
            (sets("www.test.example A 192.0.2.80", "bank.test A 192.0.2.66"), ["192.0.2.80"]),
            (sets("bank.test A 192.0.2.66"), []),
            (sets("www.test.example CNAME www.example.net.", "www.example.net A 192.0.2.80", "bank.test A 192.0.2.66"), None),
        ):
            self.replyWith(canned, buildMessage(Message(0, 0x8180, (question,), answer)))
            texts = self.find(self.forward(server))
            self.assertEqual(texts, ["www.example.net.", "192.0.2.80"] if found is None else found)

    def test_aliasBesideDataIsFollowed(self) -> None:
        """
        The address beside an alias reaches no caller, and does not hide that the alias leads nowhere in this reply.
        """
        canned, server = self.serve()
        question = questionOf("www.test.example")
        both = sets("www.test.example A 192.0.2.66", "www.test.example CNAME www.example.net.")
        for answer, outcome in ((both, Outcome.NODATA), ((*both, *sets("www.example.net A 192.0.2.80")), Outcome.DATA)):
            self.replyWith(canned, buildMessage(Message(0, 0x8180, (question,), answer)))
            asked = self.ask(self.forward(server))
            self.network.advance(1)
            answered = self.successResultOf(asked)
            self.assertEqual((answered.answer, answered.outcome, answered.wire), (answer[1:], outcome, b""))

    def test_ttlIsClampedInFirstAnswer(self) -> None:
        """
        The first answer has the clamped TTLs of the cache, as later ones from the cache do.
        """
        canned, server = self.serve(records={})
        source = CachedSource(CoalescingSource(self.forward(server), self.here), self.here)
        canned.set("long.test", "A", [rrsetOf(nameFromText("long.test"), 1, "192.0.2.80", 2**31 - 1)])
        for _ in range(2):
            asked = self.ask(source, "long.test")
            self.network.advance(0.5)
            answer = self.successResultOf(asked)
            self.assertLessEqual(answer.answer[0].ttl, CACHE_SECONDS.default)
            self.assertGreater(answer.answer[0].ttl, CACHE_SECONDS.default - 10)
            self.assertEqual(answer.message, None)
        asked = self.ask(source, "no.test")
        self.network.advance(0.5)
        denial = self.successResultOf(asked)
        self.assertIs(denial.outcome, Outcome.NXDOMAIN)
        self.assertEqual([rrset.ttl for rrset in denial.authority if rrset.rrType == 6], [60])
