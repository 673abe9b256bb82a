"""
Tests of how long answers are cached.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, denied, question
from twisted_ext.answers import Answer, Outcome, Security
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
        """
        Return the lifetime of an answer.
        """
        return (rules or Lifetimes()).keeping(asked, answer)[0]

    def test_shortestTTLDecides(self) -> None:
        """
        An answer is cached for the shortest TTL of all its sections.
        """
        self.assertEqual(self.seconds(answered("www.example.com. 300 IN A 192.0.2.1")), 300)
        chain = answered("www.example.com. 300 IN CNAME a.example.com.", "a.example.com. 60 IN A 192.0.2.1")
        self.assertEqual(self.seconds(chain), 60)
        behind = answered("www.example.com. 300 IN A 192.0.2.1", authority=("example.com. 10 IN NS ns.example.com.",))
        self.assertEqual(self.seconds(behind), 10)

    def test_lifetimeIsCappedAtAWeek(self) -> None:
        """
        No answer is cached for more than a week, and its TTLs are lowered accordingly.
        """
        answer = answered("www.example.com. 2000000 IN A 192.0.2.1")
        rules = Lifetimes()
        self.assertEqual(self.seconds(answer), 604800)
        self.assertEqual([rrset.ttl for rrset in rules.clamped(answer, answer.answer)], [604800])
        self.assertEqual(self.seconds(answer, Lifetimes(most=3600)), 3600)

    def test_minimumTTLSparesSignedAnswers(self) -> None:
        """
        A configured minimum prolongs the TTLs of unsigned answers, but not those of signed ones.
        """
        rules = Lifetimes(least=60)
        plain = answered("www.example.com. 5 IN A 192.0.2.1")
        self.assertEqual((self.seconds(plain), self.seconds(plain, rules)), (5, 60))
        self.assertEqual([rrset.ttl for rrset in rules.clamped(plain, plain.answer)], [60])
        signature = "www.example.com. 5 IN RRSIG A 8 3 5 20300101000000 20200101000000 1 example.com. AAAA"
        self.assertEqual(self.seconds(answered("www.example.com. 5 IN A 192.0.2.1", signature), rules), 5)
        secure = answered("www.example.com. 5 IN A 192.0.2.1")
        secure.security = Security.SECURE
        self.assertEqual((self.seconds(secure, rules), rules.given(secure)), (5, None))
        self.assertEqual([rrset.ttl for rrset in rules.clamped(secure, secure.answer)], [5])

    def test_denialUsesLesserOfTTLAndMinimum(self) -> None:
        """
        A denial is cached for the lesser of the SOA record's TTL and its MINIMUM field, at most three hours (RFC 2308).
        """
        for ttl, last, expected in ((60, 600, 60), (600, 60, 60), (86400, 86400, 10800), (0, 60, 0)):
            for outcome in (Outcome.NODATA, Outcome.NXDOMAIN):
                answer = denied(outcome, SOA.format(ttl=ttl, last=last))
                self.assertEqual(self.seconds(answer), expected)
                self.assertEqual([rrset.ttl for rrset in Lifetimes().clamped(answer, answer.authority)], [expected])

    def test_denialWithoutSOAIsNotCached(self) -> None:
        """
        A denial without an SOA record is not cached.
        """
        for outcome in (Outcome.NODATA, Outcome.NXDOMAIN):
            self.assertEqual(self.seconds(denied(outcome)), 0)

    def test_denialWithForeignSOAIsNotCached(self) -> None:
        """
        A denial is not cached if its SOA record belongs to a zone that does not contain the name.
        """
        foreign = SOA.replace("example.com. {", "example.org. {").format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NXDOMAIN, foreign)), 0)
        longer = SOA.replace("example.com. {", "le.com. {").format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NXDOMAIN, longer)), 0)

    def test_denialBehindAliasNeedsSOAOfTarget(self) -> None:
        """
        The SOA record of a denial behind an alias must belong to the zone of the alias's target.
        """
        alias = ("www.example.com. 300 IN CNAME a.example.org.",)
        there = SOA.replace("example.com. {", "example.org. {").format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NODATA, there, answer=alias)), 60)
        here = SOA.format(ttl=60, last=60)
        self.assertEqual(self.seconds(denied(Outcome.NODATA, here, answer=alias)), 0)

    def test_referralIsCachedForSeconds(self) -> None:
        """
        A referral in place of an answer denies nothing. It is cached for a few seconds, so that the same query is not sent again at
        once.
        """
        referral = denied(Outcome.NODATA, "example.com. 172800 IN NS ns.example.com.")
        self.assertEqual(self.seconds(referral), 5)
        self.assertEqual(self.seconds(referral, Lifetimes(referral=0)), 0)

    def test_recordCountDoesNotMatter(self) -> None:
        """
        The lifetime of an answer does not depend on the number of its records. The store limits the size.
        """
        many = Answer(Outcome.DATA, (RRSet(WWW.name, 1, 1, 300, tuple([n.to_bytes(4, "big") for n in range(4000)])),))
        self.assertEqual(self.seconds(many), 300)

    def test_transfersAndTruncatedRepliesAreNotCached(self) -> None:
        """
        Zone transfers, truncated replies and classes other than IN are not cached.
        """
        good = answered("www.example.com. 300 IN A 192.0.2.1")
        for asked in (question("www.example.com", "AXFR"), Question(WWW.name, 0), Question(WWW.name, 1, 3)):
            self.assertEqual(self.seconds(good, asked=asked), 0)
        good.flags |= TC
        self.assertEqual(self.seconds(good), 0)
        self.assertEqual(self.seconds(answered(r"www.example.com. 300 CH A \# 4 C0000201")), 0)
