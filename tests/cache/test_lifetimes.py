"""
Tests of how long things are kept.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, denied, question
from twisted_ext.answers import Answer, Outcome
from twisted_ext.cache.lifetimes import Lifetimes
from twisted_ext.wire.codes import TC
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet

WWW = question("www.example.com")
SOA = "example.com. {ttl} IN SOA ns.example.com. admin.example.com. 1 7200 3600 1209600 {last}"


class LifetimesTests(SynchronousTestCase):
    """
    Tests for L{Lifetimes}.
    """

    def seconds(self, answer: Answer, rules: Lifetimes | None = None, asked: Question = WWW) -> int:
        return (rules or Lifetimes()).keeping(asked, answer)[0]

    def test_shortest(self) -> None:
        """
        An answer is kept as long as its shortest-lived set, in whatever section.
        """
        self.assertEqual(self.seconds(answered("www.example.com. 300 IN A 192.0.2.1")), 300)
        chain = answered("www.example.com. 300 IN CNAME a.example.com.", "a.example.com. 60 IN A 192.0.2.1")
        self.assertEqual(self.seconds(chain), 60)
        behind = answered("www.example.com. 300 IN A 192.0.2.1", authority=("example.com. 10 IN NS ns.example.com.",))
        self.assertEqual(self.seconds(behind), 10)

    def test_most(self) -> None:
        """
        Nothing is kept for more than a week, and its TTL says so.
        """
        answer = answered("www.example.com. 2000000 IN A 192.0.2.1")
        rules = Lifetimes()
        self.assertEqual(self.seconds(answer), 604800)
        self.assertEqual([rrset.ttl for rrset in rules.clamped(answer, answer.answer)], [604800])
        self.assertEqual(self.seconds(answer, Lifetimes(most=3600)), 3600)

    def test_least(self) -> None:
        """
        Who wants to may keep things longer than their owners say, but not what is signed.
        """
        rules = Lifetimes(least=60)
        plain = answered("www.example.com. 5 IN A 192.0.2.1")
        self.assertEqual((self.seconds(plain), self.seconds(plain, rules)), (5, 60))
        self.assertEqual([rrset.ttl for rrset in rules.clamped(plain, plain.answer)], [60])
        signature = "www.example.com. 5 IN RRSIG A 8 3 5 20300101000000 20200101000000 1 example.com. AAAA"
        self.assertEqual(self.seconds(answered("www.example.com. 5 IN A 192.0.2.1", signature), rules), 5)

    def test_denial(self) -> None:
        """
        A denial is kept for the lesser of the SOA record's TTL and its last number, three hours at most (RFC 2308).
        """
        for ttl, last, expected in ((60, 600, 60), (600, 60, 60), (86400, 86400, 10800), (0, 60, 0)):
            for outcome in (Outcome.NODATA, Outcome.NXDOMAIN):
                answer = denied(outcome, SOA.format(ttl=ttl, last=last))
                self.assertEqual(self.seconds(answer), expected)
                self.assertEqual([rrset.ttl for rrset in Lifetimes().clamped(answer, answer.authority)], [expected])

    def test_denialWithoutSOA(self) -> None:
        """
        A denial that does not say for how long it holds is not kept.
        """
        for outcome in (Outcome.NODATA, Outcome.NXDOMAIN):
            self.assertEqual(self.seconds(denied(outcome)), 0)

    def test_foreignSOA(self) -> None:
        """
        Nor one whose SOA record is of a zone that does not hold the name.
        """
        foreign = SOA.replace("example.com. {", "example.org. {").format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NXDOMAIN, foreign)), 0)
        longer = SOA.replace("example.com. {", "le.com. {").format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NXDOMAIN, longer)), 0)

    def test_denialBehindAlias(self) -> None:
        """
        Where aliases lead on, the SOA record belongs to where they end.
        """
        alias = ("www.example.com. 300 IN CNAME a.example.org.",)
        there = SOA.replace("example.com. {", "example.org. {").format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NODATA, there, answer=alias)), 60)
        here = SOA.format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NODATA, here, answer=alias)), 0)

    def test_referral(self) -> None:
        """
        A referral where an answer was expected denies nothing; it is kept for moments, so that the same is not asked at once again.
        """
        referral = denied(Outcome.NODATA, "example.com. 172800 IN NS ns.example.com.")
        self.assertEqual(self.seconds(referral), 5)
        self.assertEqual(self.seconds(referral, Lifetimes(referral=0)), 0)

    def test_manyRecords(self) -> None:
        """
        How long an answer is kept does not depend on how many records it has; how much is kept of such is up to the store.
        """
        many = Answer(Outcome.DATA, (RRSet(WWW.name, 1, 1, 300, tuple([n.to_bytes(4, "big") for n in range(4000)])),))
        self.assertEqual(self.seconds(many), 300)

    def test_neverKept(self) -> None:
        """
        Transfers, cut-off replies and other classes are not for a cache.
        """
        good = answered("www.example.com. 300 IN A 192.0.2.1")
        for asked in (question("www.example.com", "AXFR"), Question(WWW.name, 0), Question(WWW.name, 1, 3)):
            self.assertEqual(self.seconds(good, asked=asked), 0)
        good.flags |= TC
        self.assertEqual(self.seconds(good), 0)
        self.assertEqual(self.seconds(answered(r"www.example.com. 300 CH A \# 4 C0000201")), 0)
