"""
Attack 25: names with dots, zeros and backslashes in their labels, which a resolver that stores names as text confuses with others
(Injection Attacks Reloaded, 2021).
"""

from __future__ import annotations

from typing import cast

from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.networks import NetworkTestCase
from twisted_ext import outcomes
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.compat.conversion.names import wireFromName
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.names import NamesResolver
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import CannedSource, questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import isBelow, labelsOf, nameFromLabels, nameFromText, nameToText
from twisted_ext.wire.records import RRSet

VICTIM = nameFromText("www.victim.test")
GENUINE, FORGED = b"\xc0\x00\x02\x50", b"\xc0\x00\x02\x42"

#: Names that look like the victim's if dots separate labels, or if a zero ends a text.
ALIKE = (
    nameFromLabels([b"www.victim", b"test"]),
    nameFromLabels([b"www.victim.test"]),
    nameFromLabels([b"www", b"victim.test"]),
    nameFromLabels([b"www", b"victim", b"test\x00"]),
    nameFromLabels([b"www", b"victim", b"test\x00", b"attacker", b"test"]),
    nameFromLabels([b"www", b"victim", b"test\x00.attacker.test"]),
    nameFromLabels([b"www", b"victim", b"test."]),
    nameFromLabels([b"www\\", b"victim", b"test"]),
    nameFromLabels([b"www\\.victim", b"test"]),
    nameFromLabels([b"www\\046victim", b"test"]),
    nameFromLabels([b" www", b"victim", b"test"]),
    nameFromLabels([b"www", b"victim", b"test", b"\x00"]),
)


def asText(name: bytes) -> bytes:
    """
    Return a name as vulnerable resolvers store it: dots between labels, up to the first zero.
    """
    return b".".join(labelsOf(name)).partition(b"\x00")[0].rstrip(b".").lower()


class NameTests(SynchronousTestCase):
    """
    Names by themselves.
    """

    def test_attack25_similarNamesDiffer(self) -> None:
        """
        None of the names equals the victim's name, and none is below its zone without its labels at the end. As text, most of them would be
        equal.
        """
        for name in ALIKE:
            self.assertNotEqual(name, VICTIM)
            self.assertNotEqual(Question(name, 1), Question(VICTIM, 1))
            self.assertEqual(isBelow(name, nameFromText("victim.test")), labelsOf(name)[-2:] == [b"victim", b"test"])
        alike = [name for name in ALIKE if asText(name) == asText(VICTIM)]
        self.assertGreaterEqual(len(alike), 6)

    def test_attack25_textFormRoundTrips(self) -> None:
        """
        The text form of each name round-trips and is unique. The same holds in Twisted's names.
        """
        texts = [nameToText(name) for name in ALIKE]
        self.assertEqual(len(set(texts)), len(ALIKE))
        self.assertNotIn("www.victim.test.", texts)
        for name, text in zip(ALIKE, texts, strict=True):
            self.assertEqual(nameFromText(text), name)
            self.assertEqual(nameFromText(text.encode()), name)
            self.assertTrue(text.isascii() and text.isprintable())
            self.assertEqual(wireFromName(dns.Name(text.encode())), name)

    def test_attack25_messagesKeepLabels(self) -> None:
        """
        The names are unchanged after a way through a message.
        """
        sets = tuple([RRSet(name, 5, 1, 60, (VICTIM,)) for name in ALIKE])
        message = Message.fromWire(buildMessage(Message(0, 0x8180, (Question(VICTIM, 1),), sets))).check()
        self.assertEqual([rrset.name for rrset in message.answer], list(ALIKE))


class CacheTests(SynchronousTestCase):
    """
    A cache that is queried for names of the attacker.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.inner = CannedSource({("www.victim.test", "A"): "192.0.2.80"}, otherwise=lambda question: "192.0.2.66")

    def poisoned(self) -> bool:
        """
        Return whether the victim's name has the attacker's address after queries for all similar names.
        """
        cache = CachedSource(self.inner, self.clock)
        for name in ALIKE:
            self.successResultOf(lookUp(cache, Question(name, 1), QueryContext(9.0)))
        answer = self.successResultOf(lookUp(cache, questionOf("www.victim.test"), QueryContext(9.0)))
        return answer.answer[0].rdatas != (GENUINE,)

    def test_attack25_cacheKeepsNamesApart(self) -> None:
        """
        Cached answers for similar names are never given for the victim's name. They would be if questions were compared as text.
        """
        self.assertFalse(self.poisoned())
        begin = Question.__init__

        def byText(question: Question, name: bytes, rrType: int, rrClass: int = 1) -> None:
            begin(question, name, rrType, rrClass)
            text = asText(name)
            question.key = nameFromText(text.replace(b"\\", b"")) + question.key[-4:]

        self.patch(Question, "__init__", byText)
        self.inner = CannedSource({("www.victim.test", "A"): "192.0.2.66"})
        cache = CachedSource(self.inner, self.clock)
        self.successResultOf(lookUp(cache, Question(ALIKE[0], 1), QueryContext(9.0)))
        self.successResultOf(lookUp(cache, Question(VICTIM, 1), QueryContext(9.0)))
        self.assertEqual(self.inner.asked, 1)


class LookupTests(NetworkTestCase):
    """
    A server of the attacker's own zone.
    """

    def test_attack25_aliasLeadsToItsExactTarget(self) -> None:
        """
        An alias to a similar name leads to that name, not to the victim's, and the other way round.
        """
        self.assertEqual(set(self.aliasOutcomes()), {"nodata"})

    def test_attack25_textComparisonConfusesAliases(self) -> None:
        """
        With names compared as text, the alias leads to the victim's address as often as not.
        """

        def textual(question: Question, answer: tuple[RRSet, ...]) -> Outcome:
            alias, address = answer
            return Outcome.DATA if asText(alias.rdatas[0]) == asText(address.name) else Outcome.NODATA

        self.patch(outcomes, "_outcomeOf", textual)
        # Irrelevant records would be left out before.
        self.patch(outcomes, "relevant", lambda question, answer: answer)
        self.assertGreaterEqual(self.aliasOutcomes().count("data"), 12)

    def aliasOutcomes(self) -> list[str]:
        """
        Return the outcome of each alias, from each similar name to the victim's and back.
        """
        outcomes: list[str] = []
        attacker = nameFromText("attacker.test")
        for index, name in enumerate(ALIKE):
            self.network = type(self.network)(seed=index)
            self.here = self.network.reactor("192.0.2.7")
            for target, owner in ((name, VICTIM), (VICTIM, name)):
                alias = RRSet(attacker, 5, 1, 60, (target,))
                forged = (alias, RRSet(owner, 1, 1, 60, (FORGED,)))
                _, server = self.serve(f"192.0.2.{100 + (target == name)}", {("attacker.test", "A"): forged})
                asked = self.ask(self.forward(server), "attacker.test")
                self.network.advance(1)
                outcomes.append(self.successResultOf(asked).outcome.value)
        return outcomes

    def test_attack25_resultsEscapeNames(self) -> None:
        """
        A program gets similar names from PTR records in escaped form, and a look-up of that form queries the exact name.
        """
        records = {("192.in-addr.arpa", "PTR"): [nameToText(name) for name in ALIKE]}
        canned, server = self.serve(records=records)
        resolver = NamesResolver(self.forward(server), self.here)
        looking = resolver.lookupPointer("192.in-addr.arpa")
        self.network.advance(1)
        result: Result = self.successResultOf(looking)
        for header, name in zip(result[0], ALIKE, strict=True):
            pointed = cast(dns.Record_PTR, header.payload).name
            assert pointed is not None
            target = pointed.name
            self.assertNotEqual(target, b"www.victim.test")
            again = resolver.lookupAddress(target)
            again.addErrback(lambda _: None)
            self.network.advance(1)
            self.assertEqual(canned.asked[-1].question.name, name)
