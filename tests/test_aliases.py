"""
Tests of L{twisted_ext.aliases}.
"""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.aliases import found, isHostName, together
from twisted_ext.answers import Answer, Outcome, Question, Security
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.codes import AA, AD
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, SOA, A

__all__: list[str] = []

NAME: Final = nameFromText("www.example.org")
TARGET: Final = nameFromText("host.example.net")
QUESTION: Final = Question(NAME, A)
ALIAS: Final = rrsetOf(NAME, CNAME, "HOST.example.net.")
UNRELATED: Final = rrsetOf(nameFromText("other.example.net"), A, "192.0.2.66")
TARGET_RECORDS: Final = rrsetOf(TARGET, A, "192.0.2.1")


def answer(*sets: RRSet, outcome: Outcome = Outcome.NODATA, authority: tuple[RRSet, ...] = (), rcode: int = 0) -> Answer:
    """
    Return an answer with these records.
    """
    return Answer(outcome, sets, authority, rcode=rcode)


class FoundTests(SynchronousTestCase):
    """
    Tests of L{found}.
    """

    def test_recordsAtTheEndOfAliases(self) -> None:
        """
        Records at the end of the aliases count, whatever else is in the answer, in any letter case.
        """
        for searched in (False, True):
            self.assertEqual(found(QUESTION, answer(ALIAS, UNRELATED, TARGET_RECORDS), searched), (TARGET_RECORDS.rdatas, TARGET, None))
        self.assertEqual(found(Question(TARGET, A), answer(TARGET_RECORDS)), (TARGET_RECORDS.rdatas, TARGET, None))
        self.assertEqual(found(Question(NAME, CNAME), answer(ALIAS)), (ALIAS.rdatas, NAME, None))

    def test_unfollowedAliasHasANextName(self) -> None:
        """
        An answer that ends in an alias gives the name to look up next, unless it denies that name.
        """
        target = ALIAS.rdatas[0]
        self.assertEqual(found(QUESTION, answer(ALIAS, UNRELATED)), ((), target, target))
        soa = rrsetOf(nameFromText("example.net"), SOA, "ns. host. 1 2 3 4 5")
        ended = (
            answer(ALIAS, UNRELATED, authority=(soa,)),
            answer(ALIAS, UNRELATED, outcome=Outcome.NXDOMAIN),
            answer(ALIAS, UNRELATED, rcode=2),
        )
        for each in ended:
            self.assertEqual(found(QUESTION, each), ((), target, None))

    def test_nameWithoutRecords(self) -> None:
        """
        A name without records and aliases is its own end.
        """
        self.assertEqual(found(QUESTION, answer()), ((), NAME, None))
        self.assertEqual(found(QUESTION, answer(rrsetOf(NAME, SOA, "ns. host. 1 2 3 4 5"))), ((), NAME, None))

    def test_aliasLoopEnds(self) -> None:
        """
        An alias loop ends at a name that occurred before.
        """
        one, other = nameFromText("a.example"), nameFromText("b.example")
        ahead, back = rrsetOf(one, CNAME, "b.example."), rrsetOf(other, CNAME, "a.example.")
        self.assertEqual(found(Question(one, A), answer(ahead, back)), ((), one, one))
        self.assertEqual(found(Question(one, A), answer(rrsetOf(one, CNAME, "a.example."))), ((), one, one))

    def test_searchListName(self) -> None:
        """
        The answer's first name stands for the question if a search list applies; records of other names are ignored otherwise.
        """
        question = Question(nameFromText("www"), A)
        there = rrsetOf(nameFromText("www.corp.example"), A, "192.0.2.1")
        self.assertEqual(found(question, answer(there)), (there.rdatas, there.name, None))
        self.assertEqual(found(question, answer(there), False), ((), question.name, None))
        led = answer(rrsetOf(there.name, CNAME, "host.example.net."), TARGET_RECORDS)
        self.assertEqual(found(question, led), (TARGET_RECORDS.rdatas, TARGET, None))
        self.assertEqual(found(question, led, False), ((), question.name, None))


class TogetherTests(SynchronousTestCase):
    """
    Tests of L{together}.
    """

    def test_aliasesPrecedeTheData(self) -> None:
        """
        All aliases precede the data; outcome and authority are those of the last answer.
        """
        soa = rrsetOf(nameFromText("example.net"), SOA, "ns. host. 1 2 3 4 5")
        led, end = answer(ALIAS, authority=(UNRELATED,)), answer(TARGET_RECORDS, outcome=Outcome.DATA, authority=(soa,), rcode=3)
        made = together([led, end])
        self.assertEqual((made.answer, made.authority, made.outcome, made.rcode), ((ALIAS, TARGET_RECORDS), (soa,), Outcome.DATA, 3))
        self.assertIs(together([led]), led)

    def test_weakestAnswerDecidesTrust(self) -> None:
        """
        The result is no more secure than the alias, which may be forged to lead to signed records.
        """
        for first, last, security, flags in (
            (Security.SECURE, Security.SECURE, Security.SECURE, AD),
            (Security.INSECURE, Security.SECURE, Security.INDETERMINATE, 0),
            (Security.SECURE, Security.INSECURE, Security.INDETERMINATE, AD),
        ):
            led = Answer(Outcome.NODATA, (ALIAS,), security=first, flags=AD if first is Security.SECURE else 0)
            made = together([led, Answer(Outcome.DATA, (TARGET_RECORDS,), security=last, flags=AD)])
            self.assertEqual((made.security, made.flags), (security, flags))

    def test_firstAnswerDecidesAA(self) -> None:
        """
        The AA flag is that of the answer for the requested name.
        """
        for first, last in ((AA, 0), (0, AA), (AA, AA), (0, 0)):
            made = together([Answer(Outcome.NODATA, (ALIAS,), flags=first), Answer(Outcome.DATA, (TARGET_RECORDS,), flags=last)])
            self.assertEqual(made.flags, first)


class IsHostNameTests(SynchronousTestCase):
    """
    Tests of L{isHostName}.
    """

    def test_hostNameCharacters(self) -> None:
        """
        Host names have letters, digits, hyphens and underscores, and do not start with a hyphen.
        """
        for text in ("www.example.org", "_x.example", "4.example", "a-b"):
            self.assertTrue(isHostName(nameFromText(text)), text)
        for text in ("-a.example", r"a\032b.example", r"a\;b", "*.example"):
            self.assertFalse(isHostName(nameFromText(text)), text)
