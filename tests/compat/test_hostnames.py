"""
Tests of L{twisted_ext.compat.hostnames}.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IAddress, IHostResolution
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.addrinfo.routes import reachFrom
from tests.compat.fakes import Addresses, Fake, denied, nodata, question
from twisted_ext.addrinfo.order import Order
from twisted_ext.compat import hostnames
from twisted_ext.compat.conversion.errors import (
    DNSNameError,
    DNSQueryTimeoutError,
    DNSServerError,
    NoAddressError,
    errorFromFault,
)
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadName, Refused, ServerFailed, TimedOut
from twisted_ext.limits import FAMILY_GRACE, RESOLUTION_DELAY
from twisted_ext.testing.network import MemoryNetwork


def _bothFamilies(address: str) -> str | None:
    """
    Return the source address on a machine with global addresses of both families.
    """
    return "2001:db8::7" if ":" in address else "192.0.2.7"


def _ipv4Only(address: str) -> str | None:
    """
    Return the source address on a machine without IPv6.
    """
    return None if ":" in address else "192.0.2.7"


class HostResolutionTests(SynchronousTestCase):
    """
    Tests of L{HostResolution<hostnames.HostResolution>}, as C{resolveHostName} creates it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.source = Fake(held=True)
        self.resolver = NamesResolver(self.source, self.clock)
        self.receiver = Addresses()
        reachFrom(self, _bothFamilies)

    def resolve(self, name: str, addressTypes: Sequence[type[IAddress]] | None = None) -> IHostResolution:
        """
        Look up a host with C{resolveHostName}.
        """
        return self.resolver.resolveHostName(self.receiver, name, 80, addressTypes)

    def test_receiverGetsTheResolution(self) -> None:
        """
        The receiver gets the same resolution object as the caller, before anything else.
        """
        resolution = self.resolve("a.example")
        self.assertTrue(verifyObject(IHostResolution, resolution))
        self.assertIs(self.receiver.resolution, resolution)
        self.assertEqual((resolution.name, self.receiver.events), ("a.example", ["began"]))
        resolution.cancel()

    def test_familiesAreQueriedInParallel(self) -> None:
        """
        Both families are queried at the same time.
        """
        self.resolve("a.example").cancel()
        self.assertEqual(self.source.asked, [question("a.example.", "AAAA"), question("a.example.", "A")])

    def test_closeAnswersAreSortedTogether(self) -> None:
        """
        Addresses that arrive within 50 ms of each other are sorted together: IPv6 comes first on a machine with both families, whichever
        answer arrived first.
        """
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        for first, second in (("A", "AAAA"), ("AAAA", "A")):
            self.receiver = Addresses()
            self.resolve("a.example")
            self.source.release(first)
            self.clock.advance(RESOLUTION_DELAY.default / 2)
            self.source.release(second)
            self.assertEqual(self.receiver.events, ["began", "2001:db8::1", "192.0.2.1", "complete"])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ipv4FirstWithoutIPv6(self) -> None:
        """
        IPv4 comes first on a machine without IPv6, even if the IPv6 addresses arrived first.
        """
        reachFrom(self, _ipv4Only)
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began"])
        self.source.release("A")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "2001:db8::1", "complete"])

    def test_gaiConfDecidesTheOrder(self) -> None:
        """
        C{gai.conf} decides the order, as for C{getaddrinfo} of the same resolver.
        """
        path = Path(self.mktemp())
        path.write_text("precedence ::ffff:0:0/96 100\n")
        self.resolver.order = Order(self.clock.seconds, str(path), source=_bothFamilies, own=dict)
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began"])
        self.source.release("A")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "2001:db8::1", "complete"])
        found = self.resolver.getaddrinfo("a.example", None, type=socket.SOCK_STREAM)
        self.source.release("AAAA")
        self.source.release("A")
        self.assertEqual([row[4][0] for row in self.successResultOf(found)], ["192.0.2.1", "2001:db8::1"])

    def test_preferredIPv6ComesAtOnce(self) -> None:
        """
        IPv6 addresses that come first anyway are given at once (RFC 8305, section 3).
        """
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1"])
        self.source.release("A")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1", "192.0.2.1", "complete"])

    def test_ipv4WaitsForIPv6Briefly(self) -> None:
        """
        IPv4 addresses wait 50 ms for IPv6 and no longer.
        """
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("A")
        self.clock.advance(RESOLUTION_DELAY.default * 0.99)
        self.assertEqual(self.receiver.events, ["began"])
        self.clock.advance(RESOLUTION_DELAY.default * 0.02)
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1"])
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "2001:db8::1", "complete"])

    def test_unansweredFamilyIsGivenUp(self) -> None:
        """
        The look-up completes a second after the addresses of one family if the other family's questions are dropped, and cancels these.
        """
        self.source.addresses("a.example.", "192.0.2.1")
        self.resolve("a.example")
        self.source.release("A")
        self.clock.advance(RESOLUTION_DELAY.default)
        self.clock.advance(FAMILY_GRACE.default)
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])
        self.assertEqual(self.source.cancelled, [question("a.example.", "AAAA")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slowFamilyGetsTimeWithoutAddresses(self) -> None:
        """
        The slower family is waited for as long as there is no address.
        """
        self.source.addresses("a.example.", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("A")
        # The deadline of the other look-up alone.
        self.assertEqual([each.getTime() for each in self.clock.getDelayedCalls()], [5.0])
        self.clock.advance(4)
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1", "complete"])

    def test_oneFailedFamily(self) -> None:
        """
        A family that fails does not affect the other one.
        """
        self.source.addresses("a.example.", "192.0.2.1")
        self.source.knows("a.example.", "AAAA", ServerFailed("no", rcode=2))
        self.resolve("a.example")
        self.source.release("AAAA")
        self.source.release("A")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])

    def test_bothFailedFamilies(self) -> None:
        """
        The receiver gets no address if both families fail. The resolution has the failures.
        """
        for outcome in (TimedOut("late"), denied()):
            for mnemonic in ("A", "AAAA"):
                self.source.knows("a.example.", mnemonic, outcome)
            self.receiver = Addresses()
            resolution = self.resolve("a.example")
            self.source.release("A")
            self.source.release("AAAA")
            self.assertEqual(self.receiver.events, ["began", "complete"])
            assert isinstance(resolution, hostnames.HostResolution)
            self.assertEqual(len(resolution.failures), 2)

    def test_endpointFailsWithTheReason(self) -> None:
        """
        A Twisted endpoint fails with the reason for the missing address, with a class and a text for each.
        """
        reactor = MemoryNetwork().reactor("192.0.2.7")
        reactor.installNameResolver(self.resolver)
        texts: set[str] = set()
        for outcome, kind in (
            (TimedOut("nobody answered within 5 seconds"), DNSQueryTimeoutError),
            (denied(), DNSNameError),
            (ServerFailed("broken", rcode=2), DNSServerError),
            (nodata(), NoAddressError),
        ):
            for mnemonic in ("A", "AAAA"):
                self.source.knows("a.example.", mnemonic, outcome)
            connecting = HostnameEndpoint(reactor, b"a.example", 80).connect(Factory())
            self.source.release("A")
            self.source.release("AAAA")
            error = self.failureResultOf(connecting, kind).value
            self.assertIs(type(error), kind)
            self.assertIsInstance(error, DNSLookupError)
            self.assertTrue(str(error).startswith("a.example: "), str(error))
            texts.add(str(error))
        self.assertEqual(len(texts), 4)

    def test_denialComesBeforeTimeout(self) -> None:
        """
        A denial for one family outweighs a time-out of the other: it is for both.
        """
        failures = [errorFromFault(TimedOut("late")), DNSNameError("no such name"), None]
        self.assertIs(hostnames.whyNoAddress("a.example", failures), failures[1])
        self.assertIs(hostnames.whyNoAddress("a.example", failures[:1]), failures[0])
        self.assertIsInstance(hostnames.whyNoAddress("a.example", [TimedOut("late")]), DNSQueryTimeoutError)

    def test_refusalHereOutweighsFailures(self) -> None:
        """
        A look-up that this package refused, as of a private address, outweighs a server's failure for the other family, but no denial.
        """
        failures = [ServerFailed("it answered REFUSED", rcode=5), Refused("private"), DNSNameError("no such name")]
        self.assertEqual(str(hostnames.whyNoAddress("a.example", failures[:2])), "private")
        self.assertIs(hostnames.whyNoAddress("a.example", failures), failures[2])

    def test_cancelEndsTheResolution(self) -> None:
        """
        Canceling ends all work, and the receiver gets nothing more.
        """
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        resolution = self.resolve("a.example")
        self.source.release("A")
        resolution.cancel()
        self.clock.advance(10)
        self.source.release("AAAA")
        resolution.cancel()
        self.assertEqual(self.receiver.events, ["began"])
        self.assertEqual(self.source.cancelled, [question("a.example.", "AAAA")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_receiverCanCancel(self) -> None:
        """
        A receiver can cancel from within C{addressResolved}.
        """
        receiver = self.receiver

        class Impatient(Addresses):
            def addressResolved(self, address: IAddress) -> None:
                receiver.addressResolved(address)
                assert self.resolution is not None
                self.resolution.cancel()

        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "192.0.2.2")
        impatient = Impatient()
        self.resolver.resolveHostName(impatient, "a.example")
        self.assertEqual((receiver.events, impatient.events), (["192.0.2.1"], ["began"]))

    def test_immediateAnswers(self) -> None:
        """
        Immediate answers are given before the call returns.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example.")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1", "192.0.2.1", "complete"])
        self.assertFalse(self.source.contexts[0].relative)

    def test_onlyRequestedFamiliesAreQueried(self) -> None:
        """
        Only the requested families are queried.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        for types, expected in (
            ([IPv4Address], ["192.0.2.1"]),
            ([IPv6Address], ["2001:db8::1"]),
            ([IPv4Address, IPv6Address], ["2001:db8::1", "192.0.2.1"]),
            ([UNIXAddress], []),
            ([], []),
        ):
            self.receiver = Addresses()
            self.source.asked.clear()
            self.resolve("a.example", types)
            self.assertEqual(self.receiver.events, ["began", *expected, "complete"])
            self.assertEqual(len(self.source.asked), len(expected))

    def test_addressesHavePortAndTransport(self) -> None:
        """
        Addresses have the requested port and transport.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolver.resolveHostName(self.receiver, "a.example", 443, transportSemantics="UDP")
        self.assertEqual(
            self.receiver.addresses, [IPv6Address("UDP", "2001:db8::1", 443), IPv4Address("UDP", "192.0.2.1", 443)]
        )

    def test_literalsAreNotLookedUp(self) -> None:
        """
        Address literals are not looked up and keep their scopes.
        """
        index = socket.if_nametoindex("lo")
        for name, address in (
            ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 80)),
            ("2001:db8::1", IPv6Address("TCP", "2001:db8::1", 80)),
            ("fe80::1%lo", IPv6Address("TCP", "fe80::1%lo", 80, 0, index)),
            ("fe80::1%7", IPv6Address("TCP", "fe80::1%7", 80, 0, 7)),
            ("fe80::1%nosuch", IPv6Address("TCP", "fe80::1%nosuch", 80, 0, 0)),
            ("fe80::1%\u00b2", IPv6Address("TCP", "fe80::1%\u00b2", 80, 0, 0)),
        ):
            self.receiver = Addresses()
            self.resolve(name)
            self.assertEqual(self.receiver.addresses, [address])
            self.assertEqual(self.receiver.events[-1], "complete")
        self.receiver = Addresses()
        self.resolve("2001:db8::1", [IPv4Address])
        self.assertEqual(self.receiver.events, ["began", "complete"])
        self.assertEqual(self.source.asked, [])

    def test_nameAsOctets(self) -> None:
        """
        A host name can be octets, as for Twisted's resolver, and C{name} returns it unchanged.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1")
        for name, relative in ((b"a.example", True), (b"a.example.", False)):
            self.receiver = Addresses()
            resolution = self.resolve(cast(str, name))
            self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])
            self.assertEqual((resolution.name, self.source.contexts[-1].relative), (name, relative))

    def test_invalidNameHasNoAddresses(self) -> None:
        """
        A name that is not text has no addresses, and the resolution completes.
        """
        for wrong in (5, bytearray(b"a.example"), b"a..", ["a.example"]):
            self.receiver = Addresses()
            resolution = self.resolve(cast(str, wrong))
            self.assertEqual(self.receiver.events, ["began", "complete"])
            self.assertIsInstance(cast(hostnames.HostResolution, resolution).failures[0], BadName)
        self.assertEqual(self.source.asked, [])

    def test_unknownTransportIsRefused(self) -> None:
        """
        A transport without address classes in Twisted is refused before the resolution begins.
        """
        with self.assertRaises(ValueError) as raised:
            self.resolver.resolveHostName(self.receiver, "a.example", transportSemantics="SCTP")
        self.assertIn("'TCP' or 'UDP'", str(raised.exception))
        self.assertEqual(self.receiver.events, [])

    def test_internationalizedNames(self) -> None:
        """
        Internationalized names are looked up in their IDNA form. A name that cannot be looked up has no addresses.
        """
        self.resolve("b\u00fccher.example").cancel()
        self.assertEqual(self.source.asked[0], question("xn--bcher-kva.example.", "AAAA"))
        self.receiver = Addresses()
        self.resolve("a..b")
        self.assertEqual(self.receiver.events, ["began", "complete"])

    def test_duplicateAddressIsGivenOnce(self) -> None:
        """
        A duplicate address is given once.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "192.0.2.1")
        self.resolve("a.example")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])

    def test_receiverErrorIsLogged(self) -> None:
        """
        An exception from a receiver is logged and leaves no timer.
        """

        class Broken(Addresses):
            def addressResolved(self, address: IAddress) -> None:
                raise KeyError("bug")

        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1")
        self.resolver.resolveHostName(Broken(), "a.example")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
