"""
Tests of names that are never sent to a server.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import Told, addresses
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.local.specialnames import SPECIAL_NAMES, Special, isSpecial
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import typeName

LOOPBACK6 = "1" + ".0" * 31 + ".ip6.arpa"


class SpecialTests(SynchronousTestCase):
    """
    Tests for L{Special}.
    """

    def setUp(self) -> None:
        self.special = Special()

    def ask(self, name: str, rrType: str = "A") -> Answer | None:
        """
        Return the answer at hand.
        """
        return atHand(self.special, question(name, rrType), wishes())

    def outcome(self, name: str, rrType: str = "A") -> Outcome | None:
        """
        Return the outcome of the answer at hand.
        """
        answer = self.ask(name, rrType)
        return None if answer is None else answer.outcome

    def test_providesIAnswerSource(self) -> None:
        """
        The source is an answer source without inner sources, and may be closed twice.
        """
        verifyObject(IAnswerSource, self.special)
        self.assertEqual(self.special.sources(), ())
        self.successResultOf(self.special.close())
        self.successResultOf(self.special.close())

    def test_localhostIsThisMachine(self) -> None:
        """
        C{localhost} and all names below it are this machine (RFC 6761, section 6.3).
        """
        for name in ("localhost", "LocalHost.", "www.app.localhost"):
            for rrType, address in (("A", "127.0.0.1"), ("AAAA", "::1")):
                answer = self.ask(name, rrType)
                assert answer is not None
                self.assertEqual(addresses(answer), [address])
                self.assertEqual(answer.answer[0].name, nameFromText(name))
            self.assertIs(self.outcome(name, "MX"), Outcome.NODATA)

    def test_anyPrefersIPv4(self) -> None:
        """
        ANY returns an IPv4 address if there is one, as C{getHostByName} of C{twisted.names} and C{connectTCP} need it, or a name.
        """
        for name, rrType, text in (
            ("localhost", "A", "127.0.0.1"),
            ("www.app.localhost", "A", "127.0.0.1"),
            ("192.0.2.1", "A", "192.0.2.1"),
            ("2001:db8::1", "AAAA", "2001:db8::1"),
            ("1.0.0.127.in-addr.arpa", "PTR", "localhost."),
        ):
            answer = self.ask(name, "ANY")
            assert answer is not None
            (rrset,) = answer.answer
            self.assertEqual((typeName(rrset.rrType), rdataToText(rrset.rrType, rrset.rdatas[0])), (rrType, text))
        self.assertIs(self.outcome("invalid", "ANY"), Outcome.NXDOMAIN)

    def test_reservedNamesAreDenied(self) -> None:
        """
        Names under C{invalid}, C{onion} and C{alt} do not exist in the DNS (RFC 6761, section 6.4; RFC 7686; RFC 9476).
        """
        for name in ("invalid", "x.invalid", "FaceBook.ONION", "onion", "a.b.alt"):
            answer = self.ask(name)
            assert answer is not None
            self.assertEqual((answer.outcome, answer.rcode), (Outcome.NXDOMAIN, 3))
            self.assertIs(self.outcome(name, "TXT"), Outcome.NXDOMAIN)

    def test_denialsCanBeCached(self) -> None:
        """
        A denial has an SOA record, so that it can be cached (RFC 2308, section 3).
        """
        for name, rrType, zone in (
            ("www.localhost", "MX", "localhost"),
            ("x.invalid", "A", "invalid"),
            ("printer.local", "A", "local"),
            ("1.0.0.127.in-addr.arpa", "A", "127.in-addr.arpa"),
            ("9.0.0.127.in-addr.arpa", "PTR", "127.in-addr.arpa"),
        ):
            answer = self.ask(name, rrType)
            assert answer is not None
            (soa,) = answer.authority
            self.assertEqual((soa.name, soa.rrType, soa.ttl), (nameFromText(zone), 6, 10800))
            self.assertEqual(int.from_bytes(soa.rdatas[0][-4:], "big"), 10800)
        for name in ("invalid", "www.invalid"):
            answer = self.ask(name)
            assert answer is not None
            self.assertNotIn(nameFromText(name), [rrset.name for rrset in answer.authority])

    def test_similarNamesAreOrdinary(self) -> None:
        """
        Names that only look similar are ordinary, and so are those that stub resolvers have to send.
        """
        for name in (
            ".",
            "com",
            "notlocalhost",
            "localhost.example",
            "xonion",
            "onion.example",
            "test",
            "www.test",
            "example.com",
            "home.arpa",
            "nas.home.arpa",
            "_dns.resolver.arpa",
            "1.168.192.in-addr.arpa",
            "128.in-addr.arpa",
            "xn--p1ai",
            "host1",
            "1.2.3",
            "a.1.2.3",
            "host:80",
            "total",
        ):
            self.assertIsNone(self.ask(name), name)
            self.failureResultOf(lookUp(self.special, question(name), wishes()), Unknown)

    def test_otherClassesAreNotAnswered(self) -> None:
        """
        Other classes are not answered.
        """
        self.assertIsNone(atHand(self.special, Question(nameFromText("localhost"), 1, 3), wishes()))

    def test_addressLiteralAnswersForItself(self) -> None:
        """
        An address in place of a name is its own answer and has no address of the other family.
        """
        for name, mine, other, address in (
            ("192.0.2.1", "A", "AAAA", "192.0.2.1"),
            ("255.255.255.255", "A", "AAAA", "255.255.255.255"),
            ("2001:db8::1", "AAAA", "A", "2001:db8::1"),
            ("2001:DB8:0:0:0:0:0:2", "AAAA", "A", "2001:db8::2"),
            ("::ffff:192.0.2.1", "AAAA", "A", "::ffff:192.0.2.1"),
            ("::", "AAAA", "A", "::"),
        ):
            answer = self.ask(name, mine)
            assert answer is not None
            self.assertEqual(addresses(answer), [address])
            for rrType in (other, "MX", "PTR"):
                self.assertIs(self.outcome(name, rrType), Outcome.NODATA)

    def test_scopeIsLeftOut(self) -> None:
        """
        The record for an address with a scope holds the address without it.
        """
        for name in ("fe80::1%eth0", "fe80::1%eth0.100"):
            answer = self.ask(name, "AAAA")
            assert answer is not None
            self.assertEqual(addresses(answer), ["fe80::1"])

    def test_invalidAddressesAreDenied(self) -> None:
        """
        Four numbers that are not a valid address are denied, because no name ends in a number.
        """
        for name in ("192.0.2.256", "192.0.2.01", "1.2.3.4444"):
            self.assertIs(self.outcome(name), Outcome.NXDOMAIN)

    def test_dotsInsideALabelAreNoAddress(self) -> None:
        """
        A single label that contains dots is not an address.
        """
        self.assertIsNone(atHand(self.special, Question(b"\x09192.0.2.1\x00", 1), wishes()))

    def test_loopbackReverseNames(self) -> None:
        """
        The loopback addresses resolve to C{localhost}, and other addresses of that network do not exist (RFC 6303, sections 4.2 and
        4.3).
        """
        for name in ("1.0.0.127.in-addr.arpa", LOOPBACK6.upper()):
            answer = self.ask(name, "PTR")
            assert answer is not None
            self.assertEqual(nameToText(answer.answer[0].rdatas[0]), "localhost.")
            self.assertEqual(answer.answer[0].ttl, 86400)
            self.assertIs(self.outcome(name, "A"), Outcome.NODATA)
        self.assertIs(self.outcome("2.0.0.127.in-addr.arpa", "PTR"), Outcome.NXDOMAIN)
        self.assertIs(self.outcome("1.1.0.0.127.in-addr.arpa", "PTR"), Outcome.NXDOMAIN)
        for name in ("127.in-addr.arpa", "0.127.in-addr.arpa", "0.0.127.in-addr.arpa"):
            self.assertIs(self.outcome(name, "PTR"), Outcome.NODATA)
        self.assertIsNone(self.ask("2" + LOOPBACK6[1:], "PTR"))

    def test_multicastNamesAreDenied(self) -> None:
        """
        Names of multicast DNS are denied. Deeper names below C{local} are not, because clusters and old networks use them.
        """
        for name in ("printer.local", "local"):
            self.assertIs(self.outcome(name), Outcome.NXDOMAIN)
        self.assertIsNone(self.ask("web.default.svc.cluster.local"))
        self.assertIsNone(atHand(Special(local=True), question("printer.local"), wishes()))

    def test_specialNamesNeverReachTheServer(self) -> None:
        """
        No special name reaches a server behind this source. All of them would without it.
        """
        leaky = ["localhost", "192.0.2.1", "2001:db8::1", "x.onion", "y.invalid", "printer.local", "192.0.2.256"]
        for sources, expected in (([Special()], 0), ([], len(leaky))):
            server = Told()
            chain = ChainSource([*sources, server])
            for name in leaky:
                self.successResultOf(lookUp(chain, question(name), wishes()))
            self.assertEqual(len(server.asked), expected)

    def test_traceCitesTheDocument(self) -> None:
        """
        The trace cites the document of the special name.
        """
        trace = Trace()
        atHand(self.special, question("x.onion"), QueryContext(1.0, trace=trace))
        self.assertEqual(trace.notes[0].details, {"reason": "RFC 7686, section 2"})

    def test_everySpecialNameIsAnswered(self) -> None:
        """
        Every special name of the table is answered and cites its document.
        """
        for name, _, reason in SPECIAL_NAMES:
            self.assertIsNotNone(self.ask(name), name)
            self.assertRegex(reason, r"^RFC \d+, section [\d.]+$")

    def test_isSpecialDomain(self) -> None:
        """
        A search domain in which nothing can exist is special. C{local} is not one.
        """
        for name, expected in (
            ("onion", True),
            ("x.Onion", True),
            ("local", False),
            ("corp.example", False),
            (".", False),
        ):
            self.assertEqual(isSpecial(nameFromText(name)), expected)

    def test_answerAtHandEqualsLookUp(self) -> None:
        """
        An answer at hand equals that of a look-up.
        """
        for name, rrType in (("localhost", "A"), ("x.onion", "A"), ("192.0.2.1", "AAAA")):
            now = self.ask(name, rrType)
            later = self.successResultOf(lookUp(self.special, question(name, rrType), wishes()))
            assert now is not None
            self.assertEqual((now.outcome, now.answer), (later.outcome, later.answer))
