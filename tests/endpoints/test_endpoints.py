"""
Tests of L{twisted_ext.endpoints.endpoints}: the addresses that each kind of endpoint connects to.
"""

from __future__ import annotations

from functools import partial
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionDone, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.testing import StringTransport

from tests.compat.discoveries import DENIED
from tests.endpoints.reaching import ReachingTestCase
from tests.typed import failureOf, newMemoryReactor, unchecked
from twisted_ext import endpoints
from twisted_ext.compat.conversion.errors import (
    DNSServerError,
    DomainError,
    NoAddressError,
    ServiceNotAvailable,
    UnusableService,
)
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints import happyeyeballs
from twisted_ext.endpoints.endpoints import HostEndpoint, HTTPSEndpoint, SRVEndpoint, TargetsEndpoint, TargetsFailed
from twisted_ext.errors import BadDescription, BadName, CallerFault, ServerFailed
from twisted_ext.testing.sources import CannedSource, Entry, HeldSource

__all__: list[str] = []

SRV = ("_x._tcp.example.org", "SRV")


class SRVTests(ReachingTestCase):
    """
    Tests of L{SRVEndpoint}.
    """

    def service(self, entry: Entry, defaultPort: int | None = None) -> SRVEndpoint:
        """
        Return an endpoint for a service with these records.
        """
        known: dict[tuple[str, str], Entry] = {
            SRV: entry,
            ("a.example", "A"): "192.0.2.80",
            ("b.example", "A"): "192.0.2.81",
            ("b.example", "AAAA"): "2001:db8::81",
            ("example.org", "A"): "192.0.2.80",
        }
        return SRVEndpoint(self.here, SRV[0], defaultPort, resolver=self.zone(known), rng=Random(1))

    def test_lowestPriorityFirst(self) -> None:
        """
        The target of the lowest priority is tried first, at its port, and the next one if it refuses.
        """
        self.refuse("192.0.2.80")
        self.listen("2001:db8::81", port=5222)
        found = self.connect(self.service(["20 0 5222 b.example.", "10 0 5223 a.example."]))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "2001:db8::81 5222")
        self.assertEqual([address for _, address in self.dials], ["192.0.2.80", "2001:db8::81"])

    def test_rootTargetIsNotConnectedTo(self) -> None:
        """
        A domain without the service is not connected to, with or without a default port.
        """
        self.failureResultOf(self.connect(self.service("0 0 0 .", 5222)), ServiceNotAvailable)
        self.failureResultOf(self.connect(self.service("0 0 0 a.example.", 5222)), UnusableService)
        self.assertEqual(self.dials, [])

    def test_noRecordsUseTheDefaultPort(self) -> None:
        """
        The domain itself is connected to at the default port without records. It is an error without a default port.
        """
        self.listen("192.0.2.80", port=5222)
        entries: tuple[Entry, ...] = (DENIED, [])
        for entry in entries:
            error = self.failureResultOf(self.connect(self.service(entry)), DomainError).value
            self.assertIsInstance(error, DNSLookupError)
            self.assertEqual(
                str(error), "_x._tcp.example.org: there are no SRV records, and no default port was given"
            )
            found = self.connect(self.service(entry, 5222))
            self.network.advance(1)
            self.assertEqual(self.reached(found), "192.0.2.80 5222")

    def test_failedLookupHasNoFallback(self) -> None:
        """
        A failed look-up is not taken for missing records.
        """
        self.failureResultOf(self.connect(self.service(ServerFailed("no"), 5222)), DNSServerError)
        self.assertEqual(self.dials, [])

    def test_cancelEndsTheLookup(self) -> None:
        """
        Canceling during the look-up of the records ends it.
        """
        held = HeldSource()
        found = self.connect(SRVEndpoint(self.here, SRV[0], resolver=NamesResolver(held, self.here), lookupTimeout=3))
        self.assertEqual(held.contexts[0].deadline, 3)
        found.cancel()
        error = self.failureResultOf(found, ConnectingCancelledError).value
        self.assertEqual(error.address.hostname, b"_x._tcp.example.org")
        self.assertEqual((held.held, self.here.pending()), ([], []))

    def test_invalidArgumentsAreRefused(self) -> None:
        """
        Invalid arguments are refused when the endpoint is created.
        """
        self.assertRaises(BadName, SRVEndpoint, self.here, "a..b")
        self.assertRaises(CallerFault, SRVEndpoint, self.here, "_x._tcp", 80)
        self.assertRaises(CallerFault, SRVEndpoint, self.here, "_x._tcp.example", 0)
        self.assertRaises(BadDescription, SRVEndpoint, self.here, "a", resolver="nosuch:")
        for owner in (None, 5, ["a"]):
            self.assertIn(repr(owner), str(self.assertRaises(BadName, SRVEndpoint, self.here, owner)))
        for port in ("80", 80.0, -1):
            self.assertIn(repr(port), str(self.assertRaises(CallerFault, SRVEndpoint, self.here, "_x._tcp.example", port)))
        self.assertIn("rng: 5", str(self.assertRaises(CallerFault, SRVEndpoint, self.here, "a", rng=5)))
        self.assertRaises(CallerFault, SRVEndpoint, self.here, "a", resolver=3)
        self.assertRaises(CallerFault, SRVEndpoint, self.here, "a", lookupTimeout=-1)
        with self.assertRaises(TypeError) as caught:
            unchecked(SRVEndpoint)(self.here, "a", tmeout=3)
        self.assertEqual(
            str(caught.exception),
            "there is no parameter 'tmeout'; there are resolver, timeout, bindAddress, attemptDelay, priorityDelay, lookupTimeout",
        )


class HostTests(ReachingTestCase):
    """
    Tests of L{HostEndpoint}.
    """

    def test_ipv4AfterSilentIPv6(self) -> None:
        """
        A host with both families is reached over IPv4 after a quarter of a second if IPv6 is silent.
        """
        self.listen("192.0.2.80")
        resolver = self.zone({("h.example", "A"): "192.0.2.80", ("h.example", "AAAA"): "2001:db8::90"})
        found = self.connect(HostEndpoint(self.here, "h.example", 80, resolver=resolver))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "2001:db8::90"), (0.25, "192.0.2.80")])

    def test_searchListAppliesToHosts(self) -> None:
        """
        The search list applies to a host name without a final dot.
        """
        for name, relative in (("h", True), ("h.", False)):
            held = HeldSource()
            found = self.connect(HostEndpoint(self.here, name, 80, resolver=NamesResolver(held, self.here)))
            self.assertEqual([context.relative for context in held.contexts], [relative] * 2)
            found.cancel()
            self.failureResultOf(found)

    def test_literalIsNotLookedUp(self) -> None:
        """
        An address literal is connected to without a query.
        """
        self.listen("2001:db8::80", port=80)
        for host in ("2001:db8::80", "[2001:db8::80]"):
            endpoint = HostEndpoint(self.here, host, 80, resolver=self.zone({}))
            self.assertEqual(repr(endpoint), "<HostEndpoint [2001:db8::80]:80>")
            found = self.connect(endpoint)
            self.network.advance(1)
            self.assertEqual(self.reached(found), "2001:db8::80 80")
            self.assertEqual(self.source.questions, [])

    def test_lookupAndConnectErrorsDiffer(self) -> None:
        """
        A name without an address is a look-up error; addresses that refuse are a connection error.
        """
        missing = HostEndpoint(self.here, "h.example", 80, resolver=self.zone({}))
        self.assertIsInstance(self.failureResultOf(self.connect(missing), NoAddressError).value, DNSLookupError)
        self.refuse("192.0.2.80")
        endpoint = HostEndpoint(self.here, "h.example", 80, resolver=self.zone({("h.example", "A"): "192.0.2.80"}))
        found = self.connect(endpoint)
        self.network.advance(1)
        error = self.failureResultOf(found, TargetsFailed).value
        self.assertIsInstance(error, ConnectError)
        self.assertEqual(
            str(error), "h.example:80: h.example:80 at 192.0.2.80: Connection was refused by other side"
        )

    def test_worksOnMemoryReactor(self) -> None:
        """
        The endpoint leaves on Twisted's memory reactor what Twisted's own endpoints leave.
        """
        reactor = newMemoryReactor()
        resolver = NamesResolver(CannedSource(), reactor)
        endpoint = HostEndpoint(reactor, "192.0.2.80", 80, resolver=resolver, timeout=3, bindAddress="192.0.2.7")
        found = self.connect(endpoint)
        host, port, factory, timeout, bindAddress = reactor.tcpClients[0]
        self.assertEqual((host, port, timeout, bindAddress), ("192.0.2.80", 80, 3, ("192.0.2.7", 0)))
        line = factory.buildProtocol(None)
        assert line is not None
        line.makeConnection(unchecked(StringTransport)())
        connected = self.successResultOf(found)
        self.assertIs(connected, self.client.built[0])
        line.dataReceived(b"hello")
        line.connectionLost(failureOf(ConnectionDone()))
        self.assertIsNotNone(self.client.built[0].lost)
        found = self.connect(endpoint)
        found.cancel()
        self.failureResultOf(found, ConnectingCancelledError)
        self.assertTrue(reactor.connectors[1].stoppedConnecting)

    def test_installedResolverIsUsed(self) -> None:
        """
        The endpoint uses the installed resolver at the time of the connection unless it has its own.
        """
        self.listen("192.0.2.80")
        endpoint = HostEndpoint(self.here, "h.example", 80)
        undo = self.zone({("h.example", "A"): "192.0.2.80"}).install(self.here)
        found = self.connect(endpoint)
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        undo()

    def test_resolverInstalledByTwisted(self) -> None:
        """
        A resolver of this package that was given to Twisted's C{installResolver} is used as well.
        """
        self.listen("192.0.2.80")
        self.here.installResolver(self.zone({("h.example", "A"): "192.0.2.80"}))
        found = self.connect(HostEndpoint(self.here, "h.example", 80))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_ownResolverIsCreatedOnce(self) -> None:
        """
        An endpoint on another reactor without an installed resolver creates its own once.
        """
        asked: list[object] = []
        known = self.zone({("h.example", "A"): "192.0.2.80"})
        self.listen("192.0.2.80")

        def resolverOf(resolver: object, reactor: IReactorTime | None = None) -> NamesResolver:
            asked.append(reactor)
            return known

        self.patch(happyeyeballs, "resolverOf", resolverOf)
        endpoint = HostEndpoint(self.here, "h.example", 80)
        for _ in range(2):
            found = self.connect(endpoint)
            self.network.advance(1)
            self.reached(found)
        self.assertEqual(asked, [self.here])

    def test_invalidHostOrPortIsRefused(self) -> None:
        """
        An invalid host or port is refused when the endpoint is created.
        """
        for host in ("a..b", "", ".", "a b", "192.0.2.1:80", "https://a", "[a]", r"a\.b", None, b"a", 5):
            self.assertRaises(BadName, HostEndpoint, self.here, host, 80)
        for port in (0, 65536, -1, None, "80", 80.0, True):
            self.assertRaises(CallerFault, HostEndpoint, self.here, "a", port)

    def test_invalidOptionNamesItself(self) -> None:
        """
        An invalid option value is refused when the endpoint is created, with the option, the value and a valid one.
        """
        for name in ("timeout", "attemptDelay", "priorityDelay", "lookupTimeout"):
            for wrong in (-1, -0.5, float("nan"), "3", b"3", object()):
                message = str(self.assertRaises(CallerFault, HostEndpoint, self.here, "a", 80, **{name: wrong}))
                self.assertTrue(message.startswith(f"{name}: ") and repr(wrong) in message, message)
        for binding in ("eth0", "", b"192.0.2.7", 3, ("192.0.2.7",), ("192.0.2.7", "x"), ("192.0.2.7", 65536), ("localhost", 0), (None, 1)):
            message = str(self.assertRaises(CallerFault, HostEndpoint, self.here, "a", 80, bindAddress=binding))
            self.assertTrue(message.startswith(f"bindAddress: {binding!r} is not an address"), message)
        for reactor in (None, "a", 80):
            message = str(self.assertRaises(CallerFault, HostEndpoint, reactor, "a", 80))
            self.assertEqual(message, f"{reactor!r} is not a reactor; give one such as twisted.internet.reactor, or a Clock in tests")

    def test_outOfRangeNumbersAreClamped(self) -> None:
        """
        Numbers that are only too large or too small are clamped.
        """
        self.listen("192.0.2.80")
        resolver = self.zone({("h.example", "A"): "192.0.2.80", ("h.example", "AAAA"): "2001:db8::90"})
        endpoint = HostEndpoint(
            self.here, "h.example", 80, resolver=resolver, attemptDelay=0, timeout=float("inf"), bindAddress=("", 4000)
        )
        found = self.connect(endpoint)
        self.network.advance(0.05)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "2001:db8::90"), (0.01, "192.0.2.80")])


class TargetsTests(ReachingTestCase):
    """
    Tests of L{TargetsEndpoint}.
    """

    def test_targetsAreFoundEachTime(self) -> None:
        """
        A function for the targets is called for each connection.
        """
        self.listen("192.0.2.80")
        asked: list[int] = []

        async def later() -> list[Target]:
            asked.append(1)
            return [Target("192.0.2.80", 80)]

        endpoint = TargetsEndpoint(self.here, lambda: Deferred.fromCoroutine(later()), "mail", resolver=self.zone({}))
        self.assertEqual(repr(endpoint), "<TargetsEndpoint mail>")
        for _ in range(2):
            found = self.connect(endpoint)
            self.network.advance(1)
            self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(len(asked), 2)

    def test_invalidTargetsAreRefused(self) -> None:
        """
        Invalid targets are refused when the endpoint is created, or when they are found.
        """
        for wrong in (None, 5, "a", [("a", 80)], [5], [unchecked(Target)("a", "80")]):
            self.assertRaises(CallerFault, TargetsEndpoint, self.here, wrong)
            endpoint = unchecked(TargetsEndpoint)(self.here, partial(_return, wrong), resolver=self.zone({}))
            self.failureResultOf(self.connect(endpoint), CallerFault)
        self.assertRaises(CallerFault, TargetsEndpoint, self.here, [], 5)

    def test_endpointsProvideTwistedInterface(self) -> None:
        """
        All endpoints provide Twisted's interface and come from one public module.
        """
        for endpoint in (
            TargetsEndpoint(self.here, []),
            HostEndpoint(self.here, "a", 1),
            SRVEndpoint(self.here, "a"),
            HTTPSEndpoint(self.here, "a"),
        ):
            self.assertTrue(IStreamClientEndpoint.providedBy(endpoint))
            self.assertIs(getattr(endpoints, type(endpoint).__name__), type(endpoint))


def _return(targets: object) -> object:
    return targets
