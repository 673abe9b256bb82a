"""
Tests of L{twisted_ext.resolver.recursive.validating}: validation while the clock of this machine is wrong.
"""

from __future__ import annotations

from typing import cast

from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.dnssec.clockcheck import clockComplaint
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.verdicts import BOGUS, EXPIRED, NOT_YET_VALID
from twisted_ext.errors import DNSFault, TrustFault
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.configured import Trust
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.resolver.recursive.validating import ClockWatch
from twisted_ext.testing.internet import DAY, Fault, Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import RRSIG

YEAR = 365 * DAY


class WrongClockTests(SynchronousTestCase):
    """
    Tests of a validating resolver.
    """

    def setUp(self) -> None:
        self.internet = internet = Internet(seed=8, rootServers=["a.root-servers.net"])
        for name in ("one.example", "two.example", "three.example"):
            internet.zone(name, "www 300 A 192.0.2.80")
        internet.zone("plain.example", "www 300 A 192.0.2.81", signed=False)
        self.ahead = 0.0
        reactor = internet.reactor()
        anchors = anchorsFromFile(internet.anchors, "anchors", int(internet.time())).anchors
        root = rootFromText(internet.hints, "hints")
        self.source = recursiveStack(reactor, root, validator=Validator(Trust(anchors).at), today=self.today)
        self.addCleanup(lambda: self.successResultOf(self.source.close()))
        self.lines: list[str] = []
        observer = cast(ILogObserver, lambda event: self.lines.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def today(self) -> float:
        return self.internet.time() + self.ahead

    def look(self, name: str) -> Security | TrustFault:
        context = QueryContext(self.internet.network.clock.seconds() + 30)
        try:
            return self.internet.wait(lookUp(self.source, questionOf(name, "A"), context), 35).security
        except TrustFault as fault:
            return fault

    def reasonsFor(self, name: str) -> tuple[tuple[int, str], ...]:
        """
        Return the extended errors of a name that is bogus.
        """
        found = self.look(name)
        assert isinstance(found, TrustFault), found
        return found.ede

    def test_noClock(self) -> None:
        """
        In 1970 all names are bogus, the first extended error of each says that the clock is the reason, and the log says so once.
        """
        self.ahead = -self.internet.time()
        for name in ("www.one.example", "www.plain.example", "nope.two.example", "www.three.example"):
            code, text = self.reasonsFor(name)[0]
            self.assertEqual(code, NOT_YET_VALID)
            self.assertRegex(text, r"^the clock is at 1970-01-01T.*, before this program was written; set the clock")
            self.assertLess(len(text), 200)
        self.assertEqual(len([line for line in self.lines if "set the clock" in line]), 1)

    def test_clockIsYearsAhead(self) -> None:
        """
        With a clock that is years ahead or behind, the same is found from the root's signatures and another zone's.
        """
        for years, code, words in ((5, EXPIRED, "ended by 2026-"), (-4, NOT_YET_VALID, "begin at 2025-"), (60, EXPIRED, "ended by 2026-")):
            self.lines.clear()
            self.ahead = years * YEAR
            self.internet.advance(7200)
            self.assertEqual(self.reasonsFor("www.one.example")[0][0], code)
            found = self.reasonsFor("www.two.example")[0]
            self.assertEqual(found[0], code)
            self.assertIn(words, found[1])
            self.assertIn("set the clock", self.reasonsFor("www.plain.example")[0][1])
            self.assertEqual(len([line for line in self.lines if "set the clock" in line]), 1, years)

    def test_fewerPackets(self) -> None:
        """
        Other servers are not asked for better signatures if the clock is wrong.
        """
        self.look("www.one.example")
        self.look("www.two.example")
        cold = len(self.internet.exchanges)
        self.ahead = 5 * YEAR
        self.internet.advance(DAY)
        self.look("www.three.example")
        self.assertLessEqual(len(self.internet.exchanges) - cold, 6)

    def test_otherReasons(self) -> None:
        """
        A name that is bogus for another reason says nothing of the clock, nor does one whose keys cannot be fetched.
        """
        self.internet.inject(Fault.CORRUPT_SIGNATURE, "one.example")
        self.assertEqual(self.reasonsFor("www.one.example")[0][0], BOGUS)
        self.ahead = -self.internet.time()
        self.internet.inject(Fault.DEAD, "a.root-servers.net")
        self.internet.advance(3 * DAY)
        for _ in range(2):
            with self.assertRaises(DNSFault):
                context = QueryContext(self.internet.network.clock.seconds() + 30)
                self.internet.wait(lookUp(self.source, questionOf("www.two.example", "A"), context), 35)
        self.assertEqual([line for line in self.lines if "set the clock" in line], [])

    def test_clockIsSet(self) -> None:
        """
        Once the clock is right, names validate, although what was learned while it was ahead seems to hold for years.
        """
        for years in (10, -30):
            self.ahead = years * YEAR
            for name in ("www.one.example", "www.plain.example"):
                self.assertIsInstance(self.look(name), TrustFault)
            self.ahead = 0.0
            self.internet.advance(600)
            self.assertIs(self.look("www.one.example"), Security.SECURE)
            self.assertIs(self.look("www.plain.example"), Security.INSECURE)
            self.internet.advance(3 * DAY)

    def test_oldSignaturesAreNoWrongClock(self) -> None:
        """
        Zones whose operators have not signed them for two years are bogus, and the clock is not suspected while the root validates: their
        signatures alone would be reason enough.
        """
        for name in ("one.example", "two.example"):
            self.internet.inject(Fault.NOT_RESIGNED, name)
        self.internet.advance(2 * YEAR)
        for name in ("www.one.example", "www.two.example", "www.one.example"):
            self.assertNotIn("set the clock", self.reasonsFor(name)[0][1])
        self.assertIs(self.look("www.three.example"), Security.SECURE)
        self.assertEqual([line for line in self.lines if "set the clock" in line], [])
        old = (int(self.internet.start), int(self.internet.start) + 14 * DAY)
        self.assertIn("set the clock", clockComplaint(int(self.internet.time()), [old, old]) or "")


class ClockWatchTests(SynchronousTestCase):
    """
    Tests for L{ClockWatch}.
    """

    def signed(self, name: str, begins: int, ends: int) -> Answer:
        rdata = bytes(8) + ends.to_bytes(4, "big") + begins.to_bytes(4, "big") + bytes(40)
        return Answer(Outcome.DATA, (RRSet(nameFromText(name), RRSIG, 1, 300, (rdata,)),))

    def test_shortRecords(self) -> None:
        """
        Signatures that are too short for their times raise no exception and no complaint.
        """
        watch = ClockWatch(lambda: 0.0)
        for length in range(30):
            answer = Answer(Outcome.DATA, (RRSet(nameFromText("a"), RRSIG, 1, 300, (bytes(length),)),))
            complaint = watch.complaint(answer, answer, 1_800_000_000)
            if length < 16:
                self.assertIsNone(complaint)

    def test_validKeysClearTheClock(self) -> None:
        """
        While the keys with the trust anchor are valid, the clock is right, even in a year before this program was written.
        """
        watch = ClockWatch(lambda: 0.0)
        old = self.signed("a", 1, 2)
        for now in (1_000_000_000, 1_800_000_000):
            self.assertIsNotNone(watch.complaint(old, self.signed("b", 1, 2), now))
            self.assertIsNone(watch.complaint(old, self.signed("b", now - 1, now + 1), now))

    def test_memoryIsBounded(self) -> None:
        """
        However many zones fail, a few signatures are remembered.
        """
        watch = ClockWatch(lambda: 0.0)
        for number in range(100):
            watch.complaint(self.signed(f"z{number}", 1, 2), self.signed("b", 1, 2), 1_800_000_000)
        self.assertLessEqual(len(watch._windows), 8)

    def test_loggedAgainAfterAnHour(self) -> None:
        """
        A clock that stays wrong is logged once an hour at most.
        """
        lines: list[str] = []
        observer = cast(ILogObserver, lambda event: lines.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        now = 0.0
        watch = ClockWatch(lambda: now)
        for minute in range(0, 130, 10):
            now = minute * 60.0
            watch.complaint(self.signed("a", 1, 2), None, 100)
        self.assertEqual(len(lines), 3)
