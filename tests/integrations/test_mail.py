"""
Tests of the resolver for Twisted's mail delivery.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from random import Random
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.mail.relaymanager import MXCalculator
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import newMX
from twisted_ext.compat.conversion.errors import ServiceNotAvailable
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.names import NamesResolver
from twisted_ext.integrations.mail import MailExchange, MailResolver
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

EQUAL = [f"host{number}.example" for number in range(4)]


class _MXCalculator(Protocol):
    """
    The part of Twisted's mail delivery that is used here.
    """

    fallbackToDomain: bool

    def getMX(self, domain: str) -> Deferred[dns.Record_MX]:
        """
        Fire with the mail exchange of a domain.
        """

    def markBad(self, mx: str) -> None:
        """
        Skip this exchange for a while.
        """


_calculator: Callable[..., _MXCalculator] = MXCalculator


class MailResolverTests(SynchronousTestCase):
    """
    Tests with a server and Twisted's mail delivery.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.server = CannedServer(
            {
                ("example.com", "MX"): ["20 second.example.", "10 first.example."],
                ("equal.example", "MX"): [f"10 {host}." for host in EQUAL],
                ("alias.example", "CNAME"): "equal.example.",
                ("void.example", "MX"): "0 .",
                ("void.example", "A"): "192.0.2.1",
                ("bare.example", "A"): "192.0.2.2",
                ("six.example", "AAAA"): "2001:db8::2",
                ("failing.example", "MX"): 2,
            }
        )
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.here = self.network.reactor("192.0.2.7")
        self.plain = NamesResolver(sourceFromString(self.here, "cache:udp:192.0.2.53"), self.here)
        self.resolver = MailResolver(self.plain)
        self.calculator = _calculator(self.resolver, self.here)

    def tearDown(self) -> None:
        self.successResultOf(self.plain.close())
        self.assertEqual(self.here.pending(), [])

    def host(self, domain: str) -> str:
        """
        Return the mail exchange of a domain.
        """
        exchange = self.calculator.getMX(domain)
        self.network.advance(6)
        return str(self.successResultOf(exchange).name)

    def assertFails(self, domain: str, *kinds: type[Exception]) -> None:
        """
        Check that there is no mail exchange.
        """
        exchange = self.calculator.getMX(domain)
        self.network.advance(6)
        self.failureResultOf(exchange, *kinds)

    def lookUp(self, domain: str | bytes) -> Result:
        """
        Return the result that the calculator gets.
        """
        looking = self.resolver.lookupMailExchange(domain)
        self.network.advance(1)
        return self.successResultOf(looking)

    def test_bestExchangeIsUsed(self) -> None:
        """
        The best exchange is used, the next one if that is down, and the host itself, of either family, without MX records.
        """
        self.assertEqual(self.host("example.com"), "first.example")
        self.calculator.markBad("first.example")
        self.assertEqual(self.host("example.com"), "second.example")
        self.assertEqual(self.host("bare.example"), "192.0.2.2")
        self.assertEqual(self.host("six.example"), "2001:db8::2")
        self.assertFails("nothing.example", DNSLookupError)

    def test_equalExchangesShareTheLoad(self) -> None:
        """
        Exchanges of the same preference share the load, also behind an alias. Twisted's own records cannot be sorted then.
        """
        found = {self.host(domain) for domain in ("equal.example", "alias.example") for _ in range(100)}
        self.assertEqual(found, set(EQUAL))
        self.calculator = _calculator(self.plain, self.here)
        self.assertFails("equal.example", TypeError)

    def test_nullMXIsHonored(self) -> None:
        """
        A domain with a null MX gets no mail even if it has an address. Twisted alone would deliver to a host with an empty name.
        """
        self.assertFails("void.example", ServiceNotAvailable)
        self.calculator = _calculator(self.plain, self.here)
        self.assertEqual(self.host("void.example"), "")

    def test_caseDoesNotMatter(self) -> None:
        """
        Domains are found in any letter case, whatever the cache holds. Twisted alone would take another case for another domain.
        """
        for domain in ("example.com", "Example.COM", "EXAMPLE.com."):
            self.assertEqual(self.host(domain), "first.example")
        self.calculator = _calculator(self.plain, self.here)
        self.assertFails("Example.COM", DNSLookupError)

    def test_failureHasNoHostFallback(self) -> None:
        """
        A failed look-up does not fall back to the host.
        """
        self.assertFails("failing.example", error.DNSServerError)

    def test_recordsBehaveLikeTwisteds(self) -> None:
        """
        The records behave like Twisted's except for their order.
        """
        self.resolver = MailResolver(self.plain, Random(1))
        for header in self.lookUp("example.com")[0]:
            ours: object = header.payload
            assert isinstance(ours, MailExchange)
            theirs = newMX(ours.preference, ours.name.name, ttl=ours.ttl)
            self.assertTrue(ours == theirs and theirs == ours)
            self.assertEqual((str(ours), hash(ours)), (str(theirs), hash(theirs)))
            self.assertEqual(pickle.loads(pickle.dumps(ours)), ours)
            self.assertRaises(TypeError, lambda record=ours: record < 1)
        self.assertEqual(len(self.lookUp(b"equal.example")[0]), len(EQUAL))
        self.assertEqual(self.lookUp("bare.example")[0], [])
