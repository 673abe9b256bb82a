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
STRAY: Final = rrsetOf(nameFromText("other.example.net"), A, "192.0.2.66")
THERE: Final = rrsetOf(TARGET, A, "192.0.2.1")


def answer(*sets: RRSet, outcome: Outcome = Outcome.NODATA, authority: tuple[RRSet, ...] = (), rcode: int = 0) -> Answer:
    """
    @return: one with these records.
    """
    return Answer(outcome, sets, authority, rcode=rcode)


class FoundTests(SynchronousTestCase):
    """
    Tests of L{found}.
    """

    def test_end(self) -> None:
        """
        Records count where the aliases end, whatever else is in the answer and however names are written.
        """
        for searched in (False, True):
            self.assertEqual(found(QUESTION, answer(ALIAS, STRAY, THERE), searched), (THERE.rdatas, TARGET, None))
        self.assertEqual(found(Question(TARGET, A), answer(THERE)), (THERE.rdatas, TARGET, None))
        self.assertEqual(found(Question(NAME, CNAME), answer(ALIAS)), (ALIAS.rdatas, NAME, None))

    def test_left(self) -> None:
        """
        An answer that ends in an alias leaves it to us to ask on, unless it says that there is nothing at its end.
        """
        target = ALIAS.rdatas[0]
        self.assertEqual(found(QUESTION, answer(ALIAS, STRAY)), ((), target, target))
        soa = rrsetOf(nameFromText("example.net"), SOA, "ns. host. 1 2 3 4 5")
        ended = (
            answer(ALIAS, STRAY, authority=(soa,)),
            answer(ALIAS, STRAY, outcome=Outcome.NXDOMAIN),
            answer(ALIAS, STRAY, rcode=2),
        )
        for each in ended:
            self.assertEqual(found(QUESTION, each), ((), target, None))

    def test_nothing(self) -> None:
        """
        Where there are neither records nor aliases, the name is its own end.
        """
        self.assertEqual(found(QUESTION, answer()), ((), NAME, None))
        self.assertEqual(found(QUESTION, answer(rrsetOf(NAME, SOA, "ns. host. 1 2 3 4 5"))), ((), NAME, None))

    def test_circles(self) -> None:
        """
        Aliases that lead round in circles end, with a name that was passed before.
        """
        one, other = nameFromText("a.example"), nameFromText("b.example")
        ahead, back = rrsetOf(one, CNAME, "b.example."), rrsetOf(other, CNAME, "a.example.")
        self.assertEqual(found(Question(one, A), answer(ahead, back)), ((), one, one))
        self.assertEqual(found(Question(one, A), answer(rrsetOf(one, CNAME, "a.example."))), ((), one, one))

    def test_searched(self) -> None:
        """
        Where a search list may have put something behind the name, the answer's first name stands for it; elsewhere records of other
        names do not count.
        """
        question = Question(nameFromText("www"), A)
        there = rrsetOf(nameFromText("www.corp.example"), A, "192.0.2.1")
        self.assertEqual(found(question, answer(there)), (there.rdatas, there.name, None))
        self.assertEqual(found(question, answer(there), False), ((), question.name, None))
        led = answer(rrsetOf(there.name, CNAME, "host.example.net."), THERE)
        self.assertEqual(found(question, led), (THERE.rdatas, TARGET, None))
        self.assertEqual(found(question, led, False), ((), question.name, None))


class TogetherTests(SynchronousTestCase):
    """
    Tests of L{together}.
    """

    def test_sections(self) -> None:
        """
        All the aliases stand before the data; what is said beside them is what the last one says.
        """
        soa = rrsetOf(nameFromText("example.net"), SOA, "ns. host. 1 2 3 4 5")
        led, end = answer(ALIAS, authority=(STRAY,)), answer(THERE, outcome=Outcome.DATA, authority=(soa,), rcode=3)
        made = together([led, end])
        self.assertEqual((made.answer, made.authority, made.outcome, made.rcode), ((ALIAS, THERE), (soa,), Outcome.DATA, 3))
        self.assertIs(together([led]), led)

    def test_trust(self) -> None:
        """
        No more is proved than of the alias, which may have been forged to lead to records that are well signed.
        """
        for first, last, security, flags in (
            (Security.SECURE, Security.SECURE, Security.SECURE, AD),
            (Security.INSECURE, Security.SECURE, Security.INDETERMINATE, 0),
            (Security.SECURE, Security.INSECURE, Security.INDETERMINATE, AD),
        ):
            led = Answer(Outcome.NODATA, (ALIAS,), security=first, flags=AD if first is Security.SECURE else 0)
            made = together([led, Answer(Outcome.DATA, (THERE,), security=last, flags=AD)])
            self.assertEqual((made.security, made.flags), (security, flags))

    def test_authority(self) -> None:
        """
        Whether a server had it from its own zones is said of the name that was asked for.
        """
        for first, last in ((AA, 0), (0, AA), (AA, AA), (0, 0)):
            made = together([Answer(Outcome.NODATA, (ALIAS,), flags=first), Answer(Outcome.DATA, (THERE,), flags=last)])
            self.assertEqual(made.flags, first)


class IsHostNameTests(SynchronousTestCase):
    """
    Tests of L{isHostName}.
    """

    def test_names(self) -> None:
        """
        Letters, digits, hyphens and underscores make names of hosts, but no hyphen in front.
        """
        for text in ("www.example.org", "_x.example", "4.example", "a-b"):
            self.assertTrue(isHostName(nameFromText(text)), text)
        for text in ("-a.example", r"a\032b.example", r"a\;b", "*.example"):
            self.assertFalse(isHostName(nameFromText(text)), text)
