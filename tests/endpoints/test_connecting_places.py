"""
Tests of L{twisted_ext.endpoints.happyeyeballs}: the addresses that are looked up and tried, and their number.
"""

from __future__ import annotations

from random import Random

from twisted.internet.error import ConnectingCancelledError

from tests.endpoints.reaching import ReachingTestCase
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints import TargetsFailed, happyeyeballs
from twisted_ext.endpoints.endpoints import TargetsEndpoint
from twisted_ext.limits import Limit
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf

__all__: list[str] = []

#: Addresses without a host, which give no reply.
DEAD, DEAD_TOO = "192.0.2.90", "192.0.2.91"


class LookupTests(ReachingTestCase):
    """
    Tests of the look-ups and their order.
    """

    def setUp(self) -> None:
        super().setUp()
        self.held = HeldSource()
        self.slow = NamesResolver(self.held, self.here)

    def asked(self) -> list[str]:
        """
        Return the names that were queried, once for both families.
        """
        return [question.name.split(b"\x07")[0][1:].decode() for question in self.held.questions if question.rrType == 1]

    def answer(self, name: str, address: str | None) -> None:
        """
        Answer the queries for a host with one IPv4 address, or with no address.
        """
        for rrType in ("AAAA", "A"):
            question = questionOf(name, rrType)
            texts = address if rrType == "A" and address is not None else ()
            self.held.release(answerOf(question, texts), question)

    def test_targetIsLookedUpWhenDue(self) -> None:
        """
        A target is looked up only when it is due.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("a.example", "b.example", resolver=self.slow))
        self.assertEqual(self.asked(), ["a"])
        self.network.advance(0.2)
        self.answer("a.example", "192.0.2.80")
        self.network.advance(0.2)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.asked(), ["a"])

    def test_slowLookupDelaysLikeAnAttempt(self) -> None:
        """
        A slow look-up delays the next target no longer than an attempt does, and its target comes next when it is done.
        """
        found = self.connect(self.endpoint("a.example", "b.example", "c.example", resolver=self.slow))
        self.network.advance(0.3)
        self.assertEqual(self.asked(), ["a", "b"])
        self.answer("b.example", DEAD_TOO)
        self.network.advance(0.05)
        self.answer("a.example", DEAD)
        self.network.advance(0.25)
        self.assertEqual(self.dials, [(0.3, DEAD_TOO), (0.55, DEAD)])
        self.assertEqual(self.asked(), ["a", "b"])
        self.network.advance(0.25)
        self.assertEqual(self.asked(), ["a", "b", "c"])
        found.cancel()
        self.failureResultOf(found, ConnectingCancelledError)
        self.assertEqual(self.held.held, [])

    def test_lateAddressKeepsThePace(self) -> None:
        """
        An address that arrives later is tried at its due time, whenever it arrives.
        """
        dice = Random(1)
        asked = questionOf("a.example", "A")
        for _ in range(300):
            self.network.advance(dice.random())
            began = self.here.seconds()
            found = self.connect(self.endpoint("a.example", resolver=self.slow))
            question = questionOf("a.example", "AAAA")
            self.held.release(answerOf(question, "2001:db8::90"), question)
            self.network.advance(0.06 + dice.random() / 10)
            self.held.release(answerOf(asked, DEAD), asked)
            self.network.advance(0.3)
            self.assertEqual([address for _, address in self.dials], ["2001:db8::90", DEAD])
            self.assertAlmostEqual(self.dials[1][0] - began, 0.25 + self.dials[0][0] - began, 5)
            del self.dials[:]
            found.cancel()
            self.failureResultOf(found)

    def test_nameWithoutAddressIsSkipped(self) -> None:
        """
        A name without an address is skipped at once.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("a.example", "192.0.2.80", resolver=self.slow))
        self.answer("a.example", None)
        self.network.advance(0.1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_hintsAreTriedUntilLookupEnds(self) -> None:
        """
        Address hints are tried until the look-up of the host has ended, and not again after it (RFC 9460, section 7.3).
        """
        hinting = Target("a.example", 80, addresses=("192.0.2.90", "192.0.2.91", "192.0.2.92"))
        found = self.connect(TargetsEndpoint(self.here, [hinting], resolver=self.slow))
        self.network.advance(0.3)
        question = questionOf("a.example", "A")
        self.held.release(answerOf(questionOf("a.example", "AAAA")), questionOf("a.example", "AAAA"))
        self.held.release(answerOf(question, ["192.0.2.90", "192.0.2.95"]), question)
        self.network.advance(1)
        self.assertEqual([address for _, address in self.dials], ["192.0.2.90", "192.0.2.91", "192.0.2.95"])
        found.cancel()
        self.failureResultOf(found)

    def test_hintsSufficeWithoutAddresses(self) -> None:
        """
        Address hints are used alone if the look-up gives no address.
        """
        self.listen("192.0.2.80")
        hinting = Target("a.example", 80, addresses=("192.0.2.80",))
        found = self.connect(TargetsEndpoint(self.here, [hinting], resolver=self.slow))
        self.answer("a.example", None)
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        found = self.connect(TargetsEndpoint(self.here, [hinting], resolver=self.zone({})))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_hintsAreIgnoredWithKnownAddresses(self) -> None:
        """
        Address hints are ignored if the addresses of the host are known already.
        """
        self.listen("192.0.2.81")
        self.refuse("192.0.2.80")
        hinting = Target("a.example", 80, addresses=("192.0.2.80",))
        resolver = self.zone({("a.example", "A"): "192.0.2.81"})
        found = self.connect(TargetsEndpoint(self.here, [hinting], resolver=resolver))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.81 80")
        self.assertEqual(len(self.dials), 1)

    def test_noSearchListForTargets(self) -> None:
        """
        The search list does not apply to targets.
        """
        found = self.connect(self.endpoint("a", resolver=self.slow))
        self.assertFalse(any(context.relative for context in self.held.contexts))
        found.cancel()
        self.failureResultOf(found)


class LimitTests(ReachingTestCase):
    """
    Tests of the limits on records of other zones.
    """

    def deadAddresses(self, count: int) -> list[str]:
        """
        Return this many addresses without a host.
        """
        return [f"192.0.2.{90 + number}" for number in range(count)]

    def test_addressesPerTargetAreBounded(self) -> None:
        """
        The number of addresses tried for a target is bounded.
        """
        for limit, count in ((16, 16), (1000, 20)):
            self.patch(happyeyeballs, "TARGET_ADDRESSES", Limit(limit, 1, 1000))
            self.refuse(*(self.deadAddresses(20) if limit == 16 else ()))
            del self.dials[:]
            found = self.connect(self.endpoint("h.example", resolver=self.zone({("h.example", "A"): self.deadAddresses(20)})))
            self.network.advance(5)
            self.failureResultOf(found, TargetsFailed)
            self.assertEqual(len(self.dials), count)

    def test_attemptsPerCallAreBounded(self) -> None:
        """
        The number of attempts of one call is bounded.
        """
        self.patch(happyeyeballs, "ATTEMPTS", Limit(5, 1, 1000))
        self.refuse(*self.deadAddresses(20))
        found = self.connect(self.endpoint(*self.deadAddresses(20)))
        self.network.advance(5)
        self.failureResultOf(found, TargetsFailed)
        self.assertEqual(len(self.dials), 5)

    def test_concurrentAttemptsAreBounded(self) -> None:
        """
        The number of concurrent attempts is bounded; the next one starts when another has ended.
        """
        self.patch(happyeyeballs, "ATTEMPTS_AT_ONCE", Limit(3, 1, 100))
        found = self.connect(
            TargetsEndpoint(self.here, self.targets(*self.deadAddresses(5)), resolver=self.zone({}), timeout=10)
        )
        self.network.advance(9.9)
        self.assertEqual(len(self.dials), 3)
        self.network.advance(1)
        self.assertEqual(len(self.dials), 5)
        self.network.advance(20)
        self.failureResultOf(found, TargetsFailed)

    def test_sharedAddressIsTriedOnce(self) -> None:
        """
        An address that several targets share is tried once for each port.
        """
        self.refuse("192.0.2.70")
        resolver = self.zone({(f"{letter}.example", "A"): "192.0.2.70" for letter in "abc"})
        found = self.connect(self.endpoint("a.example", "b.example", "c.example", resolver=resolver))
        self.network.advance(1)
        self.failureResultOf(found, TargetsFailed)
        self.assertEqual(len(self.dials), 1)
        targets = [Target("a.example", 80), Target("b.example", 81), Target("c.example", 80)]
        found = self.connect(TargetsEndpoint(self.here, targets, resolver=resolver))
        self.network.advance(1)
        self.failureResultOf(found, TargetsFailed)
        self.assertEqual(len(self.dials), 3)
