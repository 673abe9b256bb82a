"""
Attack 20 on recursion: names with thousands of records (CVE-2024-1737, CVE-2024-25590, CVE-2026-0398). C{test_sets.py} tests what a cache
does with those that a forwarder passes on.
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

from tests.attacks.validated import Resolver, ValidatedTestCase, replyWith
from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import ServerFailed
from twisted_ext.recursion import replies
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Message
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import A

RECORDS: Final = tuple([b"\x0a" + number.to_bytes(3, "big") for number in range(3000)])

#: Names that are looked up.
NAMES: Final = 30


class BombTests(ValidatedTestCase):
    """
    Tests with a zone each name of which has many addresses.
    """

    def bomb(self, count: int, *, signed: bool = True) -> Resolver:
        """
        Return a resolver in an internet with such a zone.
        """

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType != A or question.name == b"\x04evil\x04test\x00":
                return None
            rrset = RRSet(question.name, A, 1, 86_400, RECORDS[:count])
            return replyWith(reply, self.signed(rrset, key=key) if signed else (rrset,))

        self.beginAnew()
        key = self.evil(craft=craft)
        return self.resolver()

    def test_largeSetsAreRefused(self) -> None:
        """
        A set of more than a hundred records is a failure that says so, for all clients. It takes one query over UDP and one over TCP, and
        no other server is asked. Nothing but the failure is cached.
        """
        for count in (101, 3000):
            resolver = self.bomb(count)
            for checkingDisabled in (False, True):
                before = len(self.asked())
                with self.assertRaises(ServerFailed) as caught:
                    resolver.look("www.evil.test", checkingDisabled=checkingDisabled)
                [(code, text)] = caught.exception.ede
                self.assertEqual((code, text), (24, f"www.evil.test. A has {count} records; at most 100 are accepted"))
                self.assertEqual(self.asked()[before:], ["A", "A"])
            self.assertEqual(resolver.work.verifications, 0)
            resolver.fault("www.evil.test")
            self.assertEqual(resolver.work.packets, 0)
            self.assertEqual(len(resolver.source.store), 0)
            self.othersResolve(resolver)

    def test_hundredRecordsAreAccepted(self) -> None:
        """
        A hundred records are an answer.
        """
        answer = self.bomb(100).look("www.evil.test")
        self.assertEqual((answer.outcome, answer.security, len(answer.answer[0].rdatas)), (Outcome.DATA, Security.SECURE, 100))

    def cached(self) -> tuple[int, int]:
        """
        Look up many such names.

        @return: the number of cached answers, and the memory that the cache takes, failures included.
        """
        resolver = self.bomb(3000)
        for number in range(NAMES):
            try:
                resolver.look(f"n{number}.evil.test", work=Work(packets=1000))
            except ServerFailed:
                continue
        return len(resolver.source.store), resolver.source.store.octets

    def test_memoryStaysAsItIs(self) -> None:
        """
        However many such names are looked up, only their failures are cached.
        """
        answers, octets = self.cached()
        self.assertEqual(answers, 0)
        self.assertLess(octets, NAMES * 1200 + 1000)

    def test_withoutLimitTheCacheFills(self) -> None:
        """
        With the limit off, they are cached.
        """
        with patch.object(replies, "_RECORDS", 65_535):
            answers, octets = self.cached()
        self.assertGreater(octets, NAMES * 10_000)

    def test_missingDataIsNotSecure(self) -> None:
        """
        An answer that claims to have data, and has none, is bogus.
        """
        validator = Validator(lambda name, now: None)
        steps = validator.validate(questionOf("www.evil.test"), Answer(Outcome.DATA), 0, Work())
        with self.assertRaises(StopIteration) as done:
            next(steps)
        self.assertIs(done.exception.value.verdict.security, Security.BOGUS)
