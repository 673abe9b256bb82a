"""
Tests of L{twisted_ext.resolver.lookup.domainlimit}. The attack that it stops is tested in C{tests/attacks}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import BudgetSpent, ServerFailed
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.lookup.domainlimit import DomainLimit, domainOf
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, atHand, questionOf, rrsetOf
from twisted_ext.wire.names import nameFromText, nameToText

ANSWER: Answer = answerOf(questionOf("x.test.example"), "192.0.2.1")


class DomainLimitTests(SynchronousTestCase):
    """
    Tests for L{DomainLimit}.
    """

    def test_domainOfName(self) -> None:
        """
        A name is counted under its registrable domain, an address under its network. A registrable domain itself and a public
        suffix are not counted.
        """
        for name, domain in (
            ("x1.dead.test", "dead.test"),
            ("a.b.c.dead.test", "dead.test"),
            ("dead.test", None),
            ("test", None),
            (".", None),
            ("9.2.0.192.in-addr.arpa", "0.192.in-addr.arpa"),
            ("2.0.192.in-addr.arpa", "0.192.in-addr.arpa"),
            ("192.in-addr.arpa", None),
            ("9." * 24 + "8.b.d.0.1.0.0.2.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"),
            ("x.y.z.home.arpa", "z.home.arpa"),
            ("x1.evil.co.uk", "evil.co.uk"),
            ("evil.co.uk", None),
            ("co.uk", None),
            ("a.b.evil.com", "evil.com"),
            ("a.b.evil.co.no-such-top", "co.no-such-top"),
            ("a.b.xn--55qx5d.xn--j6w193g", "b.xn--55qx5d.xn--j6w193g"),
            (r"y.x.a.kobe\.jp", r"x.a.kobe\.jp"),
            ("a.b.city.kobe.jp", "city.kobe.jp"),
            ("a.b.c.kobe.jp", "b.c.kobe.jp"),
            ("x.evil.github.io", "github.io"),
            ("l." * 100 + "evil.com.au", "evil.com.au"),
            (r"a\.b.evil\255.com.au", r"evil\255.com.au"),
        ):
            self.assertEqual(domainOf(nameFromText(name)), None if domain is None else nameFromText(domain), name)

    def test_finishedLookupsMakeRoom(self) -> None:
        """
        A look-up that ends makes room, whether it was answered, failed or was cancelled. Other domains are not affected.
        """
        held = HeldSource()
        source = DomainLimit(held, 2)
        first, second = [lookUp(source, questionOf(f"x{number}.test.example"), QueryContext(5)) for number in range(2)]
        fault = self.failureResultOf(lookUp(source, questionOf("x2.test.example"), QueryContext(5)), BudgetSpent).value
        self.assertEqual((fault.rcode, fault.ede[0][0]), (2, 22))
        self.assertIn("below test.example.", str(fault))
        other = lookUp(source, questionOf("x.other.test"), QueryContext(5))
        short = lookUp(source, questionOf("test.example"), QueryContext(5))
        held.release(ANSWER, questionOf("x0.test.example"))
        self.successResultOf(first)
        third = lookUp(source, questionOf("x3.test.example"), QueryContext(5))
        self.assertNoResult(third)
        second.cancel()
        self.failureResultOf(second)
        self.assertNoResult(lookUp(source, questionOf("x4.test.example"), QueryContext(5)).addErrback(lambda failure: None))
        held.release(ServerFailed("no", rcode=2))
        for each in (third, other, short):
            self.failureResultOf(each, ServerFailed)
        self.assertEqual(source._live, {})

    def showZone(self, source: DomainLimit, held: HeldSource, name: str, apex: str, rrType: str = "SOA") -> None:
        """
        End a look-up with a denial that names a zone.
        """
        question = questionOf(name)
        rdata = "ns.invalid. mail.invalid. 1 3600 600 86400 60" if rrType == "SOA" else "ns.invalid."
        authority = (rrsetOf(questionOf(apex).name, questionOf(apex, rrType).rrType, [rdata]),)
        asked = lookUp(source, question, QueryContext(5))
        held.release(Answer(Outcome.NXDOMAIN, (), authority, rcode=3), question)
        self.successResultOf(asked)

    def isBegun(self, source: DomainLimit, name: str) -> bool:
        """
        Return whether a look-up begins. It stays open.
        """
        asked = lookUp(source, questionOf(name), QueryContext(5))
        refused: list[object] = []
        asked.addErrback(refused.append)
        return not refused

    def test_domainsBelowSuffixAreIndependent(self) -> None:
        """
        A broken domain below a public suffix does not use up the limit of another one.
        """
        source = DomainLimit(HeldSource(), 2)
        self.assertEqual([self.isBegun(source, f"x{number}.evil.co.uk") for number in range(3)], [True, True, False])
        self.assertTrue(self.isBegun(source, "www.a.co.uk"))

    def test_knownZoneHasItsOwnLimit(self) -> None:
        """
        A zone that replies have shown by an SOA or NS record has its own limit, in any letter case.
        """
        for rrType in ("SOA", "NS"):
            held = HeldSource()
            source = DomainLimit(held, 2)
            self.showZone(source, held, "x.dead.test.example", "DEAD.test.example", rrType)
            self.assertEqual([self.isBegun(source, f"x{number}.y.dead.test.example") for number in range(3)], [True, True, False])
            self.assertTrue(self.isBegun(source, "www.test.example"))

    def test_foreignZoneCutsAreIgnored(self) -> None:
        """
        A reply cannot make a zone of a public suffix or of a domain that does not contain the name.
        """
        held = HeldSource()
        source = DomainLimit(held, 2)
        for apex in ("co.uk", "uk", ".", "a.co.uk", "www.a.co.uk", "evil.co.uk"):
            self.showZone(source, held, "x.evil.co.uk", apex)
        self.assertEqual(list(source._cuts), [])
        self.assertEqual([self.isBegun(source, f"x{number}.evil.co.uk") for number in range(3)], [True, True, False])
        self.assertTrue(self.isBegun(source, "www.a.co.uk"))

    def test_domainsAreCachedInBoundedSpace(self) -> None:
        """
        The domains of names are cached in bounded space and stay the same.
        """
        source = DomainLimit(HeldSource(), 1)
        for name in ("x.evil.co.uk", "x.a.b.city.kobe.jp", "9.2.0.192.in-addr.arpa"):
            begun = [self.isBegun(source, text) for text in (name, f"y{name[1:]}", f"z{name[1:]}")]
            self.assertEqual(begun, [True, False, False], name)
        for number in range(5000):
            self.isBegun(source, f"www.n{number}.test")
        self.assertLessEqual(len(source._domains), 4096)

    def test_unknownZoneCutsShareALimit(self) -> None:
        """
        Zones without a known cut share one limit below their domain and leave the rest of the domain another one.
        """
        held = HeldSource()
        source = DomainLimit(held, 4)
        self.assertEqual([self.isBegun(source, f"x{number}.dead.test.example") for number in range(5)], [True] * 4 + [False])
        others = ["www.test.example", "mail.test.example", "a.b.test.example", "x.gone.test.example", "y.gone.test.example"]
        self.assertEqual([self.isBegun(source, name) for name in others], [True] * 4 + [False])
        held.release(ServerFailed("no", rcode=2))
        self.assertEqual((source._live, source._children, source._largest), ({}, {}, {}))
        self.assertEqual([self.isBegun(source, f"x{number}.test.example") for number in range(5)], [True] * 4 + [False])

    def test_manyZonesShareTheDomainsLimit(self) -> None:
        """
        An attacker who divides a domain into many zones gets a few limits. The cache of zone cuts is bounded, and the oldest cut is
        dropped first.
        """
        held = HeldSource()
        source = DomainLimit(held, 2, 5, 16)
        for number in range(20):
            self.showZone(source, held, f"x.z{number}.test.example", f"z{number}.test.example")
        self.assertEqual(len(source._cuts), 16)
        self.assertEqual(nameToText(next(iter(source._cuts))), "z4.test.example.")
        begun = [self.isBegun(source, f"y{each}.z{10 + number}.test.example") for number in range(4) for each in range(2)]
        self.assertEqual(begun.count(True), 5)
        self.assertTrue(self.isBegun(source, "www.other.test"))
        held.release(ServerFailed("no", rcode=2))
        self.assertEqual((source._live, source._below, source._children, source._largest), ({}, {}, {}, {}))

    def test_restIsPassedToInnerSource(self) -> None:
        """
        Everything else is passed to the inner source.
        """
        inner = CannedSource({("x.test.example", "A"): ANSWER}, now=True)
        source = DomainLimit(inner)
        self.assertIs(atHand(source, questionOf("x.test.example"), QueryContext(5)), ANSWER)
        self.assertEqual(source.sources(), (inner,))
        self.successResultOf(source.close())
        self.assertTrue(inner.closed)
