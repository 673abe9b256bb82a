"""
Attack 25: names with dots, zeros and backslashes inside their labels, which a resolver that keeps names as text takes for others
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
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import CannedSource, questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import isBelow, labelsOf, nameFromLabels, nameFromText, nameToText
from twisted_ext.wire.records import RRSet

VICTIM = nameFromText("www.victim.test")
GENUINE, FORGED = b"\xc0\x00\x02\x50", b"\xc0\x00\x02\x42"

#: Names that look like the victim's where dots are what parts labels, or where a zero ends a text.
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
    @return: a name as resolvers keep it that were found to be open to this: dots between labels, up to the first zero.
    """
    return b".".join(labelsOf(name)).partition(b"\x00")[0].rstrip(b".").lower()


class NameTests(SynchronousTestCase):
    """
    Names by themselves.
    """

    def test_attack25_notEqual(self) -> None:
        """
        None is the victim's name, nor below its zone unless it has its labels at the end. As text, most of them would be.
        """
        for name in ALIKE:
            self.assertNotEqual(name, VICTIM)
            self.assertNotEqual(Question(name, 1), Question(VICTIM, 1))
            self.assertEqual(isBelow(name, nameFromText("victim.test")), labelsOf(name)[-2:] == [b"victim", b"test"])
        alike = [name for name in ALIKE if asText(name) == asText(VICTIM)]
        self.assertGreaterEqual(len(alike), 6)

    def test_attack25_escaped(self) -> None:
        """
        Written down and read again they are the same, and as different as before; so they are in names of Twisted's, or refused.
        """
        texts = [nameToText(name) for name in ALIKE]
        self.assertEqual(len(set(texts)), len(ALIKE))
        self.assertNotIn("www.victim.test.", texts)
        for name, text in zip(ALIKE, texts, strict=True):
            self.assertEqual(nameFromText(text), name)
            self.assertEqual(nameFromText(text.encode()), name)
            self.assertTrue(text.isascii() and text.isprintable())
            self.assertEqual(wireFromName(dns.Name(text.encode())), name)

    def test_attack25_message(self) -> None:
        """
        On their way through a message they stay what they are.
        """
        sets = tuple([RRSet(name, 5, 1, 60, (VICTIM,)) for name in ALIKE])
        message = Message.fromWire(buildMessage(Message(0, 0x8180, (Question(VICTIM, 1),), sets))).check()
        self.assertEqual([rrset.name for rrset in message.answer], list(ALIKE))


class CacheTests(SynchronousTestCase):
    """
    A cache that is asked for names of an attacker's.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.inner = CannedSource({("www.victim.test", "A"): "192.0.2.80"}, otherwise=lambda question: "192.0.2.66")

    def poisoned(self) -> bool:
        """
        @return: whether the attacker's address is what the victim's name gives, when all that is like it has been asked for.
        """
        cache = CachedSource(self.inner, self.clock)
        for name in ALIKE:
            self.successResultOf(cache.answer(Question(name, 1), QueryContext(9.0)))
        answer = self.successResultOf(cache.answer(questionOf("www.victim.test"), QueryContext(9.0)))
        return answer.answer[0].rdatas != (GENUINE,)

    def test_attack25_cache(self) -> None:
        """
        What is kept for one of them is never given for the victim's name. It would be if questions were told apart by their text.
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
        self.successResultOf(cache.answer(Question(ALIKE[0], 1), QueryContext(9.0)))
        self.successResultOf(cache.answer(Question(VICTIM, 1), QueryContext(9.0)))
        self.assertEqual(self.inner.asked, 1)


class LookupTests(NetworkTestCase):
    """
    A server of the attacker's own zone.
    """

    def test_attack25_alias(self) -> None:
        """
        An alias to such a name leads to that name and not to the victim's: the address given for the latter is not taken for its own, nor
        the other way round.
        """
        self.assertEqual(set(self.aliased()), {"nodata"})

    def test_attack25_aliasUndefended(self) -> None:
        """
        With names compared as text, the alias leads to the victim's address as often as not.
        """

        def textual(question: Question, answer: tuple[RRSet, ...]) -> Outcome:
            alias, address = answer
            return Outcome.DATA if asText(alias.rdatas[0]) == asText(address.name) else Outcome.NODATA

        self.patch(outcomes, "_outcomeOf", textual)
        # Records that the alias does not lead to are left out before that.
        self.patch(outcomes, "relevant", lambda question, answer: answer)
        self.assertGreaterEqual(self.aliased().count("data"), 12)

    def aliased(self) -> list[str]:
        """
        @return: what comes of each alias, from each such name to the victim's and back.
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

    def test_attack25_results(self) -> None:
        """
        A program that is told such a name in a PTR or MX record gets it escaped: looked up again, it is asked for as it is.
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
