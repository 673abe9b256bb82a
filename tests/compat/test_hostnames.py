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
from twisted_ext.errors import BadName, ServerFailed, TimedOut
from twisted_ext.limits import FAMILY_GRACE, RESOLUTION_DELAY
from twisted_ext.testing.network import MemoryNetwork


def _everywhere(address: str) -> str | None:
    """
    A machine with both families, globally.
    """
    return "2001:db8::7" if ":" in address else "192.0.2.7"


def _fourOnly(address: str) -> str | None:
    """
    A machine without IPv6.
    """
    return None if ":" in address else "192.0.2.7"


class HostResolutionTests(SynchronousTestCase):
    """
    Tests of L{HostResolution<hostnames.HostResolution>}, as C{resolveHostName} makes it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.source = Fake(held=True)
        self.resolver = NamesResolver(self.source, self.clock)
        self.receiver = Addresses()
        reachFrom(self, _everywhere)

    def resolve(self, name: str, addressTypes: Sequence[type[IAddress]] | None = None) -> IHostResolution:
        """
        Look a host up.
        """
        return self.resolver.resolveHostName(self.receiver, name, 80, addressTypes)

    def test_resolution(self) -> None:
        """
        The resolution that callers get is the one that the receiver is told of, before anything else.
        """
        resolution = self.resolve("a.example")
        self.assertTrue(verifyObject(IHostResolution, resolution))
        self.assertIs(self.receiver.resolution, resolution)
        self.assertEqual((resolution.name, self.receiver.events), ("a.example", ["began"]))
        resolution.cancel()

    def test_parallel(self) -> None:
        """
        Both families are asked for at once.
        """
        self.resolve("a.example").cancel()
        self.assertEqual(self.source.asked, [question("a.example.", "AAAA"), question("a.example.", "A")])

    def test_together(self) -> None:
        """
        Addresses that come within 50 ms of each other are put in order together: a machine with both families is sent to IPv6
        first, whichever answer came first.
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

    def test_withoutIPv6(self) -> None:
        """
        A machine without IPv6 is sent to IPv4 first, even if the addresses of IPv6 came first.
        """
        reachFrom(self, _fourOnly)
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began"])
        self.source.release("A")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "2001:db8::1", "complete"])

    def test_configured(self) -> None:
        """
        Where the machine's C{gai.conf} has IPv4 first, so it is here, as from C{getaddrinfo} of the same resolver.
        """
        path = Path(self.mktemp())
        path.write_text("precedence ::ffff:0:0/96 100\n")
        self.resolver.order = Order(self.clock.seconds, str(path), source=_everywhere, own=dict)
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

    def test_sixAtOnce(self) -> None:
        """
        Addresses of IPv6 that come first anyway are given at once (RFC 8305, section 3).
        """
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1"])
        self.source.release("A")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1", "192.0.2.1", "complete"])

    def test_slowIPv6(self) -> None:
        """
        Addresses of IPv4 wait 50 ms for those of IPv6, not longer.
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

    def test_droppedIPv6(self) -> None:
        """
        Where the questions for one family are dropped, addresses of the other one can be connected to after a second, not only
        when the deadline has passed; and what is still asked for is given up.
        """
        self.source.addresses("a.example.", "192.0.2.1")
        self.resolve("a.example")
        self.source.release("A")
        self.clock.advance(RESOLUTION_DELAY.default)
        self.clock.advance(FAMILY_GRACE.default)
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])
        self.assertEqual(self.source.cancelled, [question("a.example.", "AAAA")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noHurryWithoutAddresses(self) -> None:
        """
        As long as there is no address at all, the slower family is waited for.
        """
        self.source.addresses("a.example.", "2001:db8::1")
        self.resolve("a.example")
        self.source.release("A")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(4)
        self.source.release("AAAA")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1", "complete"])

    def test_oneFails(self) -> None:
        """
        A family that fails takes nothing from the other one.
        """
        self.source.addresses("a.example.", "192.0.2.1")
        self.source.knows("a.example.", "AAAA", ServerFailed("no", rcode=2))
        self.resolve("a.example")
        self.source.release("AAAA")
        self.source.release("A")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])

    def test_bothFail(self) -> None:
        """
        Without addresses the receiver hears that this is all; why is with the resolution.
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

    def test_endpoint(self) -> None:
        """
        An endpoint of Twisted's fails with the reason why there is no address, each with a text and a class of its own.
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

    def test_oneDenied(self) -> None:
        """
        Where one family is denied and the other one gets no answer, the denial counts: it is for both.
        """
        failures = [errorFromFault(TimedOut("late")), DNSNameError("no such name"), None]
        self.assertIs(hostnames.whyNoAddress("a.example", failures), failures[1])
        self.assertIs(hostnames.whyNoAddress("a.example", failures[:1]), failures[0])
        self.assertIsInstance(hostnames.whyNoAddress("a.example", [TimedOut("late")]), DNSQueryTimeoutError)

    def test_cancel(self) -> None:
        """
        Cancelling ends all work, and the receiver hears nothing more.
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

    def test_cancelledByReceiver(self) -> None:
        """
        A receiver that has enough can cancel from within what it is told.
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

    def test_atOnce(self) -> None:
        """
        What is at hand is given before the call returns.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolve("a.example.")
        self.assertEqual(self.receiver.events, ["began", "2001:db8::1", "192.0.2.1", "complete"])
        self.assertFalse(self.source.contexts[0].relative)

    def test_addressTypes(self) -> None:
        """
        Only the families that are wanted are asked for.
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

    def test_addresses(self) -> None:
        """
        Addresses are of the kind, the port and the transport that were asked for.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "2001:db8::1")
        self.resolver.resolveHostName(self.receiver, "a.example", 443, transportSemantics="UDP")
        self.assertEqual(
            self.receiver.addresses, [IPv6Address("UDP", "2001:db8::1", 443), IPv4Address("UDP", "192.0.2.1", 443)]
        )

    def test_literals(self) -> None:
        """
        Addresses are not looked up, nor their scopes lost.
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

    def test_octets(self) -> None:
        """
        A host may be octets, as for Twisted's own resolver; its name is given back as it came.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1")
        for name, relative in ((b"a.example", True), (b"a.example.", False)):
            self.receiver = Addresses()
            resolution = self.resolve(cast(str, name))
            self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])
            self.assertEqual((resolution.name, self.source.contexts[-1].relative), (name, relative))

    def test_noText(self) -> None:
        """
        What is not text has no addresses, and the receiver is told so.
        """
        for wrong in (5, bytearray(b"a.example"), b"a..", ["a.example"]):
            self.receiver = Addresses()
            resolution = self.resolve(cast(str, wrong))
            self.assertEqual(self.receiver.events, ["began", "complete"])
            self.assertIsInstance(cast(hostnames.HostResolution, resolution).failures[0], BadName)
        self.assertEqual(self.source.asked, [])

    def test_transport(self) -> None:
        """
        A transport that Twisted has no addresses for is refused before anything begins.
        """
        with self.assertRaises(ValueError) as raised:
            self.resolver.resolveHostName(self.receiver, "a.example", transportSemantics="SCTP")
        self.assertIn("'TCP' or 'UDP'", str(raised.exception))
        self.assertEqual(self.receiver.events, [])

    def test_otherScripts(self) -> None:
        """
        Names in other scripts are asked for as IDNA has them; what cannot be asked for has no addresses.
        """
        self.resolve("b\u00fccher.example").cancel()
        self.assertEqual(self.source.asked[0], question("xn--bcher-kva.example.", "AAAA"))
        self.receiver = Addresses()
        self.resolve("a..b")
        self.assertEqual(self.receiver.events, ["began", "complete"])

    def test_twice(self) -> None:
        """
        An address that is there twice is given once.
        """
        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1", "192.0.2.1")
        self.resolve("a.example")
        self.assertEqual(self.receiver.events, ["began", "192.0.2.1", "complete"])

    def test_receiverFails(self) -> None:
        """
        A receiver that raises is logged, and harms nothing else.
        """

        class Broken(Addresses):
            def addressResolved(self, address: IAddress) -> None:
                raise KeyError("bug")

        self.source.held = False
        self.source.addresses("a.example.", "192.0.2.1")
        self.resolver.resolveHostName(Broken(), "a.example")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
