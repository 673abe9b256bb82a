"""
Tests of names that never leave this machine.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import Told, addresses
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.policy.specialnames import SPECIAL_NAMES, Special, isSpecial
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
        return self.special.answerNow(question(name, rrType), wishes())

    def outcome(self, name: str, rrType: str = "A") -> Outcome | None:
        answer = self.ask(name, rrType)
        return None if answer is None else answer.outcome

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions.
        """
        verifyObject(IAnswerSource, self.special)
        self.assertEqual(self.special.sources(), ())
        self.successResultOf(self.special.close())
        self.successResultOf(self.special.close())

    def test_localhost(self) -> None:
        """
        localhost and everything below it is this machine, whatever a server would say (RFC 6761, section 6.3).
        """
        for name in ("localhost", "LocalHost.", "www.app.localhost"):
            for rrType, address in (("A", "127.0.0.1"), ("AAAA", "::1")):
                answer = self.ask(name, rrType)
                assert answer is not None
                self.assertEqual(addresses(answer), [address])
                self.assertEqual(answer.answer[0].name, nameFromText(name))
            self.assertIs(self.outcome(name, "MX"), Outcome.NODATA)

    def test_any(self) -> None:
        """
        ANY finds an address of IPv4 where there is one, which C{getHostByName} of twisted.names and C{connectTCP} need, and names too.
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

    def test_denied(self) -> None:
        """
        Names under invalid, onion and alt do not exist in the DNS (RFC 6761, section 6.4; RFC 7686; RFC 9476).
        """
        for name in ("invalid", "x.invalid", "FaceBook.ONION", "onion", "a.b.alt"):
            answer = self.ask(name)
            assert answer is not None
            self.assertEqual((answer.outcome, answer.rcode), (Outcome.NXDOMAIN, 3))
            self.assertIs(self.outcome(name, "TXT"), Outcome.NXDOMAIN)

    def test_remembered(self) -> None:
        """
        A denial says for how long it may be remembered, so that not everybody asks again and again (RFC 2308, section 3).
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

    def test_ordinary(self) -> None:
        """
        Names that only look alike are ordinary ones, and so are those that stub resolvers have to send.
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
            self.failureResultOf(self.special.answer(question(name), wishes()), Unknown)

    def test_otherClass(self) -> None:
        """
        Other classes have names of their own.
        """
        self.assertIsNone(self.special.answerNow(Question(nameFromText("localhost"), 1, 3), wishes()))

    def test_literals(self) -> None:
        """
        An address asked for as if it were a name answers for itself, and has nothing of the other family.
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

    def test_scopedLiteral(self) -> None:
        """
        Of an address with a scope the record holds what a record can hold.
        """
        for name in ("fe80::1%eth0", "fe80::1%eth0.100"):
            answer = self.ask(name, "AAAA")
            assert answer is not None
            self.assertEqual(addresses(answer), ["fe80::1"])

    def test_nearlyLiteral(self) -> None:
        """
        Four numbers that are no address are not sent to a server either: no name ends in a number.
        """
        for name in ("192.0.2.256", "192.0.2.01", "1.2.3.4444"):
            self.assertIs(self.outcome(name), Outcome.NXDOMAIN)

    def test_labelsWithDots(self) -> None:
        """
        One label with dots in it is not an address.
        """
        self.assertIsNone(self.special.answerNow(Question(b"\x09192.0.2.1\x00", 1), wishes()))

    def test_reverse(self) -> None:
        """
        The loopback addresses lead to localhost, other addresses of that network to nothing (RFC 6303, section 4.2 and 4.3).
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

    def test_local(self) -> None:
        """
        Hosts of multicast DNS are not asked of servers; deeper names are, as clusters and old networks have them there.
        """
        for name in ("printer.local", "local"):
            self.assertIs(self.outcome(name), Outcome.NXDOMAIN)
        self.assertIsNone(self.ask("web.default.svc.cluster.local"))
        self.assertIsNone(Special(local=True).answerNow(question("printer.local"), wishes()))

    def test_neverLeave(self) -> None:
        """
        In front of a server, nothing special reaches it; without this source, all of it would.
        """
        leaky = ["localhost", "192.0.2.1", "2001:db8::1", "x.onion", "y.invalid", "printer.local", "192.0.2.256"]
        for sources, expected in (([Special()], 0), ([], len(leaky))):
            server = Told()
            chain = ChainSource([*sources, server])
            for name in leaky:
                self.successResultOf(chain.answer(question(name), wishes()))
            self.assertEqual(len(server.asked), expected)

    def test_reason(self) -> None:
        """
        Explaining tells which document says so.
        """
        trace = Trace()
        self.special.answerNow(question("x.onion"), QueryContext(1.0, trace=trace))
        self.assertEqual(trace.notes[0].details, {"reason": "RFC 7686, section 2"})

    def test_table(self) -> None:
        """
        Every line of the table is in force, and cites its document.
        """
        for name, _, reason in SPECIAL_NAMES:
            self.assertIsNotNone(self.ask(name), name)
            self.assertRegex(reason, r"^RFC \d+, section [\d.]+$")

    def test_isSpecial(self) -> None:
        """
        Domains in which no search can succeed are known, and local is not one of them.
        """
        for name, expected in (
            ("onion", True),
            ("x.Onion", True),
            ("local", False),
            ("corp.example", False),
            (".", False),
        ):
            self.assertEqual(isSpecial(nameFromText(name)), expected)

    def test_agrees(self) -> None:
        """
        What is at hand is what one gets.
        """
        for name, rrType in (("localhost", "A"), ("x.onion", "A"), ("192.0.2.1", "AAAA")):
            now = self.ask(name, rrType)
            later = self.successResultOf(self.special.answer(question(name, rrType), wishes()))
            assert now is not None
            self.assertEqual((now.outcome, now.answer), (later.outcome, later.answer))
