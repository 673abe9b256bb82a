"""
Tests of what Twisted's mail delivery asks.
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


class _Calculating(Protocol):
    """
    What delivers mail.
    """

    fallbackToDomain: bool

    def getMX(self, domain: str) -> Deferred[dns.Record_MX]:
        """
        @return: fires with where to deliver it.
        """

    def markBad(self, mx: str) -> None:
        """
        Deliver nothing there for a while.
        """


_calculator: Callable[..., _Calculating] = MXCalculator


class MailResolverTests(SynchronousTestCase):
    """
    A server that knows where mail goes, and Twisted's delivery.
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
        @return: where its mail goes.
        """
        exchange = self.calculator.getMX(domain)
        self.network.advance(6)
        return str(self.successResultOf(exchange).name)

    def fails(self, domain: str, *kinds: type[Exception]) -> None:
        """
        See that there is nowhere to deliver.
        """
        exchange = self.calculator.getMX(domain)
        self.network.advance(6)
        self.failureResultOf(exchange, *kinds)

    def lookUp(self, domain: str | bytes) -> Result:
        """
        @return: what the calculator is told.
        """
        looking = self.resolver.lookupMailExchange(domain)
        self.network.advance(1)
        return self.successResultOf(looking)

    def test_best(self) -> None:
        """
        The best exchange is found, the next one when that is down, and the host itself, of either family, where there is none.
        """
        self.assertEqual(self.host("example.com"), "first.example")
        self.calculator.markBad("first.example")
        self.assertEqual(self.host("example.com"), "second.example")
        self.assertEqual(self.host("bare.example"), "192.0.2.2")
        self.assertEqual(self.host("six.example"), "2001:db8::2")
        self.fails("nothing.example", DNSLookupError)

    def test_equal(self) -> None:
        """
        Exchanges of the same preference all get their share, by way of an alias as well. With records of Twisted's own there is none to
        be had.
        """
        found = {self.host(domain) for domain in ("equal.example", "alias.example") for _ in range(100)}
        self.assertEqual(found, set(EQUAL))
        self.calculator = _calculator(self.plain, self.here)
        self.fails("equal.example", TypeError)

    def test_noMail(self) -> None:
        """
        A domain that takes no mail gets none, though it has an address. Asked without our help, Twisted would deliver to a host
        without name.
        """
        self.fails("void.example", ServiceNotAvailable)
        self.calculator = _calculator(self.plain, self.here)
        self.assertEqual(self.host("void.example"), "")

    def test_case(self) -> None:
        """
        Domains are found as they are written, whatever is in the cache. Otherwise Twisted would take what has another case for
        somebody else's.
        """
        for domain in ("example.com", "Example.COM", "EXAMPLE.com."):
            self.assertEqual(self.host(domain), "first.example")
        self.calculator = _calculator(self.plain, self.here)
        self.fails("Example.COM", DNSLookupError)

    def test_failing(self) -> None:
        """
        Where nothing is known, nothing is delivered anywhere: mail is not sent to the host because its domain's server is ill.
        """
        self.fails("failing.example", error.DNSServerError)

    def test_records(self) -> None:
        """
        Its records are Twisted's in all but their order.
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
