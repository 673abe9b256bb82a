"""
Tests of local zones in a client's chain of sources.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from twisted_ext.answers import Answer, Outcome, Trace
from twisted_ext.client import resolverFromString
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.chain import ChainSource, chained
from twisted_ext.resolver.local.localzones import ZonesSource, zoneFromFile
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.zone import Zone

FILE = """\
$TTL 300
@      SOA   ns hostmaster 1 7200 3600 1209600 300
@      NS    ns
ns     A     192.0.2.53
www    A     192.0.2.80
www    AAAA  2001:db8::80
*.wild A     192.0.2.90
near   CNAME www
far    CNAME www.example.net.
other  CNAME host.example.org.
gone   CNAME nosuch.example.net.
late   CNAME silent.example.net.
cut    NS    ns.example.net.
"""

OTHER = "@ 300 SOA ns.example.net. h 1 2 3 4 5\n@ 300 NS ns.example.net.\nhost 300 A 192.0.2.7\n"


def lines(answer: Answer) -> list[str]:
    """
    Return the records of an answer as name, type and data.
    """
    return [" ".join(line.split("\t")[:1] + line.split("\t")[3:]) for rrset in answer.answer for line in recordToText(rrset)]


class ZonesTests(SynchronousTestCase):
    """
    Tests of L{ZonesSource}.
    """

    def setUp(self) -> None:
        self.zones = ZonesSource([Zone.fromText(FILE, "example.com"), Zone.fromText(OTHER, "example.org")])

    def ask(self, name: str, rrType: str = "A") -> Answer | None:
        """
        Return the answer at hand.
        """
        return atHand(self.zones, question(name, rrType), wishes())

    def test_providesIAnswerSource(self) -> None:
        """
        Zones are an answer source without inner sources.
        """
        verifyObject(IAnswerSource, self.zones)
        self.assertEqual(self.zones.sources(), ())
        self.assertIn("example.com.", repr(self.zones))
        self.successResultOf(self.zones.close())
        self.failureResultOf(lookUp(self.zones, question("example.net"), wishes()), Unknown)

    def test_zonesAnswerWithAuthority(self) -> None:
        """
        Names, wildcards and aliases are answered with authority, across zones, and missing names are denied.
        """
        for name, rrType, expected in (
            ("www.example.com", "A", ["www.example.com. A 192.0.2.80"]),
            ("WWW.example.COM", "AAAA", ["WWW.example.COM. AAAA 2001:db8::80"]),
            ("a.wild.example.com", "A", ["a.wild.example.com. A 192.0.2.90"]),
            ("near.example.com", "A", ["near.example.com. CNAME www.example.com.", "www.example.com. A 192.0.2.80"]),
            ("other.example.com", "A", ["other.example.com. CNAME host.example.org.", "host.example.org. A 192.0.2.7"]),
            ("www.example.com", "MX", []),
            ("far.example.com", "A", ["far.example.com. CNAME www.example.net."]),
        ):
            answer = self.ask(name, rrType)
            assert answer is not None
            self.assertEqual([line.lower() for line in lines(answer)], [line.lower() for line in expected])
            self.assertTrue(answer.authoritative)
        answer = self.ask("nosuch.example.com")
        assert answer is not None
        self.assertEqual((answer.outcome, answer.rcode, len(answer.authority)), (Outcome.NXDOMAIN, 3, 1))

    def test_anyReturnsAllRecords(self) -> None:
        """
        ANY returns all records of a name, including those of a wildcard.
        """
        answer = self.ask("www.example.com", "ANY")
        assert answer is not None
        self.assertEqual(sorted(lines(answer)), ["www.example.com. A 192.0.2.80", "www.example.com. AAAA 2001:db8::80"])
        answer = self.ask("a.wild.example.com", "ANY")
        assert answer is not None
        self.assertEqual(lines(answer), ["a.wild.example.com. A 192.0.2.90"])
        answer = self.ask("nosuch.example.com", "ANY")
        assert answer is not None
        self.assertIs(answer.outcome, Outcome.NXDOMAIN)

    def test_otherNamesAreNotAnswered(self) -> None:
        """
        Names outside the zones, names below a delegation and other classes are not answered.
        """
        for name in ("example.net", "com", ".", "a.cut.example.com", "cut.example.com"):
            self.assertIsNone(self.ask(name))
        self.assertIsNone(atHand(self.zones, Question(nameFromText("www.example.com"), 1, 3), wishes()))

    def test_traceNamesTheZone(self) -> None:
        """
        The trace names the zone.
        """
        context = wishes()
        context.trace = Trace()
        atHand(self.zones, question("www.example.com"), context)
        (note,) = context.trace.notes
        self.assertEqual((note.source, note.event, note.details), ("zone", "data", {"zone": "example.com."}))


class ChainedTests(SynchronousTestCase):
    """
    Tests of chains with zones that are built from descriptions.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.server = CannedServer({("www.example.net", "A"): "192.0.2.33", ("a.cut.example.com", "A"): "192.0.2.44"})
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.path = Path(self.mktemp())
        self.path.write_text(FILE)
        self.resolver = resolverFromString(self.here, f"chain:(zone:example.com={self.path}):cache:udp:192.0.2.53")

    def lookUpAddress(self, name: str) -> list[str]:
        """
        Return the types and data of an address look-up.
        """
        looking = self.resolver.lookupAddress(name)
        self.network.advance(1)
        return lines(self.successResultOf(looking).answer)

    def test_aliasLeavesTheZone(self) -> None:
        """
        An alias out of the zone is followed by the next source, and so are names below a delegation.
        """
        expected = ["far.example.com. CNAME www.example.net.", "www.example.net. A 192.0.2.33"]
        for _ in range(2):
            self.assertEqual(self.lookUpAddress("far.example.com"), expected)
        self.assertEqual(len(self.server.asked), 1)
        self.assertEqual(self.lookUpAddress("a.cut.example.com"), ["a.cut.example.com. A 192.0.2.44"])
        self.assertEqual(self.lookUpAddress("near.example.com")[-1], "www.example.com. A 192.0.2.80")
        self.assertEqual(len(self.server.asked), 2)

    def test_addressLookupsUseTheZone(self) -> None:
        """
        C{getHostByName}, C{getaddrinfo} and wildcards use the zone.
        """
        for name, address in (("far.example.com", "192.0.2.33"), ("x.wild.example.com", "192.0.2.90")):
            looking = self.resolver.getHostByName(name)
            rows = self.resolver.getaddrinfo(name, 80, family=2, type=1)
            self.network.advance(1)
            self.assertEqual(self.successResultOf(looking), address)
            self.assertEqual([row[4] for row in self.successResultOf(rows)], [(address, 80)])

    def test_failingTargetsOfAliases(self) -> None:
        """
        A target that does not exist, times out or is unknown leads to the corresponding result.
        """
        looking = self.resolver.lookUp(question("gone.example.com"), wishes(self.here.seconds() + 5))
        self.network.advance(1)
        answer = self.successResultOf(looking)
        self.assertEqual((answer.outcome, answer.rcode, len(answer.answer)), (Outcome.NXDOMAIN, 3, 1))
        self.server.silent = True
        failing = self.resolver.lookUp(question("late.example.com"), wishes(self.here.seconds() + 5))
        self.network.advance(6)
        self.failureResultOf(failing, TimedOut)
        alone = resolverFromString(self.here, f"chain:(zone:example.com={self.path}):special")
        partial: Deferred[Answer] = alone.lookUp(question("far.example.com"), wishes(self.here.seconds() + 5))
        self.assertEqual(lines(self.successResultOf(partial)), ["far.example.com. CNAME www.example.net."])

    def test_chainWithoutZonesIsPlain(self) -> None:
        """
        A chain without zones is an ordinary chain.
        """
        zones = ZonesSource([zoneFromFile(nameFromText("example.com"), str(self.path))])
        self.assertNotIsInstance(chained([zones]), ChainSource)
        self.assertIsInstance(chained([sourceFromString(self.here, "special")]), ChainSource)
        self.assertEqual(NamesResolver(chained([zones]), Clock()).source.sources()[0].sources(), (zones,))

    def test_invalidZoneFileIsRefused(self) -> None:
        """
        A missing file or one that does not hold the zone is refused with an error that names the file.
        """
        broken = Path(self.mktemp())
        broken.write_text("www 300 A 192.0.2.x\n")
        for description, words in (
            ("zone", "needs its name and its file"),
            ("zone:example.com=/nowhere/zone", "/nowhere/zone: No such file"),
            (f"zone:example.com={broken}", "192.0.2.x"),
            (f"zone:a..b={self.path}", "a..b"),
        ):
            with self.assertRaises(BadDescription) as raised:
                sourceFromString(self.here, description)
            self.assertIn(words, str(raised.exception))
