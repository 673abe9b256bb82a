"""
Tests of L{twisted_ext.endpoints.happyeyeballs}: which addresses are looked up and tried, and how many.
"""

from __future__ import annotations

from random import Random

from twisted.internet.error import ConnectingCancelledError

from tests.endpoints.reaching import ReachingTestCase
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints import happyeyeballs
from twisted_ext.endpoints.attempts import TargetsFailed
from twisted_ext.endpoints.endpoints import TargetsEndpoint
from twisted_ext.limits import Limit
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf

__all__: list[str] = []

#: Nobody is there, and nobody says so.
DEAD, DEAD_TOO = "192.0.2.90", "192.0.2.91"


class LookupTests(ReachingTestCase):
    """
    What is looked up, and when.
    """

    def setUp(self) -> None:
        super().setUp()
        self.held = HeldSource()
        self.slow = NamesResolver(self.held, self.here)

    def asked(self) -> list[str]:
        """
        @return: what has been asked for, without those that ask for IPv6.
        """
        return [question.name.split(b"\x07")[0][1:].decode() for question in self.held.questions if question.rrType == 1]

    def answer(self, name: str, address: str | None) -> None:
        """
        Answer what is asked of a host: with one address of IPv4, or with nothing.
        """
        for rrType in ("AAAA", "A"):
            question = questionOf(name, rrType)
            texts = address if rrType == "A" and address is not None else ()
            self.held.release(answerOf(question, texts), question)

    def test_whenNeeded(self) -> None:
        """
        The addresses of a target are asked for when its turn has come.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("a.example", "b.example", resolver=self.slow))
        self.assertEqual(self.asked(), ["a"])
        self.network.advance(0.2)
        self.answer("a.example", "192.0.2.80")
        self.network.advance(0.2)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.asked(), ["a"])

    def test_slowLookup(self) -> None:
        """
        A look-up that takes its time holds up the next target no longer than an attempt would; when it is done, its target is the next.
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

    def test_anyMoment(self) -> None:
        """
        Whenever another address arrives, the next attempt begins when it is due, and time goes on.
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

    def test_noAddress(self) -> None:
        """
        Where a name has no address, the next target's turn is at once.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("a.example", "192.0.2.80", resolver=self.slow))
        self.answer("a.example", None)
        self.network.advance(0.1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_hints(self) -> None:
        """
        Addresses that a record hints at are tried until those of the host are there, and not again after that (RFC 9460, section 7.3).
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

    def test_hintsAreEnough(self) -> None:
        """
        Where the look-up fails, the hints are all there is, be it that this is known already.
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

    def test_hintsAtHand(self) -> None:
        """
        Where the addresses of the host are known already, hints do not count.
        """
        self.listen("192.0.2.81")
        self.refuse("192.0.2.80")
        hinting = Target("a.example", 80, addresses=("192.0.2.80",))
        resolver = self.zone({("a.example", "A"): "192.0.2.81"})
        found = self.connect(TargetsEndpoint(self.here, [hinting], resolver=resolver))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.81 80")
        self.assertEqual(len(self.dials), 1)

    def test_searchless(self) -> None:
        """
        Hosts of targets are whole as they are.
        """
        found = self.connect(self.endpoint("a", resolver=self.slow))
        self.assertFalse(any(context.relative for context in self.held.contexts))
        found.cancel()
        self.failureResultOf(found)


class BoundTests(ReachingTestCase):
    """
    What strangers' records can cause.
    """

    def everything(self, count: int) -> list[str]:
        """
        @return: as many addresses where nobody is.
        """
        return [f"192.0.2.{90 + number}" for number in range(count)]

    def test_addresses(self) -> None:
        """
        Of a host's addresses a few are tried.
        """
        for most, count in ((16, 16), (1000, 20)):
            self.patch(happyeyeballs, "TARGET_ADDRESSES", Limit(most, 1, 1000))
            self.refuse(*(self.everything(20) if most == 16 else ()))
            del self.dials[:]
            found = self.connect(self.endpoint("h.example", resolver=self.zone({("h.example", "A"): self.everything(20)})))
            self.network.advance(5)
            self.failureResultOf(found, TargetsFailed)
            self.assertEqual(len(self.dials), count)

    def test_attempts(self) -> None:
        """
        One call makes so many attempts and no more.
        """
        self.patch(happyeyeballs, "ATTEMPTS", Limit(5, 1, 1000))
        self.refuse(*self.everything(20))
        found = self.connect(self.endpoint(*self.everything(20)))
        self.network.advance(5)
        self.failureResultOf(found, TargetsFailed)
        self.assertEqual(len(self.dials), 5)

    def test_atOnce(self) -> None:
        """
        Of these, so many are under way at once; the next begins when one of them has ended.
        """
        self.patch(happyeyeballs, "ATTEMPTS_AT_ONCE", Limit(3, 1, 100))
        found = self.connect(
            TargetsEndpoint(self.here, self.targets(*self.everything(5)), resolver=self.zone({}), timeout=10)
        )
        self.network.advance(9.9)
        self.assertEqual(len(self.dials), 3)
        self.network.advance(1)
        self.assertEqual(len(self.dials), 5)
        self.network.advance(20)
        self.failureResultOf(found, TargetsFailed)

    def test_twice(self) -> None:
        """
        An address that several targets have is tried once at each port.
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
