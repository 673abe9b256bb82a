"""
Tests of L{twisted_ext.endpoints.endpoints}: where each kind of endpoint connects to.
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
from twisted_ext.endpoints import endpoints as made
from twisted_ext.endpoints.endpoints import (
    HostEndpoint,
    HTTPSEndpoint,
    SRVEndpoint,
    TargetsEndpoint,
    TargetsFailed,
)
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
        @return: an endpoint for a service with these records.
        """
        known: dict[tuple[str, str], Entry] = {
            SRV: entry,
            ("a.example", "A"): "192.0.2.80",
            ("b.example", "A"): "192.0.2.81",
            ("b.example", "AAAA"): "2001:db8::81",
            ("example.org", "A"): "192.0.2.80",
        }
        return SRVEndpoint(self.here, SRV[0], defaultPort, resolver=self.zone(known), rng=Random(1))

    def test_order(self) -> None:
        """
        The target of the lowest priority is connected to, at its port; if it refuses, the next.
        """
        self.refuse("192.0.2.80")
        self.listen("2001:db8::81", port=5222)
        found = self.connect(self.service(["20 0 5222 b.example.", "10 0 5223 a.example."]))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "2001:db8::81 5222")
        self.assertEqual([address for _, address in self.dials], ["192.0.2.80", "2001:db8::81"])

    def test_notOffered(self) -> None:
        """
        A domain that says that it has no such service is not connected to, default port or not.
        """
        self.failureResultOf(self.connect(self.service("0 0 0 .", 5222)), ServiceNotAvailable)
        self.failureResultOf(self.connect(self.service("0 0 0 a.example.", 5222)), UnusableService)
        self.assertEqual(self.dials, [])

    def test_noRecords(self) -> None:
        """
        Without records the domain itself is connected to at the default port, if there is one.
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

    def test_unknown(self) -> None:
        """
        That the look-up fails is not taken for that there are no records.
        """
        self.failureResultOf(self.connect(self.service(ServerFailed("no"), 5222)), DNSServerError)
        self.assertEqual(self.dials, [])

    def test_cancelLookup(self) -> None:
        """
        Cancelling while the records are being looked up ends that.
        """
        held = HeldSource()
        found = self.connect(SRVEndpoint(self.here, SRV[0], resolver=NamesResolver(held, self.here), lookupTimeout=3))
        self.assertEqual(held.contexts[0].deadline, 3)
        found.cancel()
        error = self.failureResultOf(found, ConnectingCancelledError).value
        self.assertEqual(error.address.hostname, b"_x._tcp.example.org")
        self.assertEqual((held.held, self.here.pending()), ([], []))

    def test_wrong(self) -> None:
        """
        What cannot be connected to is told when the endpoint is made.
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

    def test_families(self) -> None:
        """
        A host that has both families is reached by IPv4 where IPv6 does not answer, after a quarter of a second.
        """
        self.listen("192.0.2.80")
        resolver = self.zone({("h.example", "A"): "192.0.2.80", ("h.example", "AAAA"): "2001:db8::90"})
        found = self.connect(HostEndpoint(self.here, "h.example", 80, resolver=resolver))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "2001:db8::90"), (0.25, "192.0.2.80")])

    def test_relative(self) -> None:
        """
        The search list applies to a host, unless a dot ends it.
        """
        for name, relative in (("h", True), ("h.", False)):
            held = HeldSource()
            found = self.connect(HostEndpoint(self.here, name, 80, resolver=NamesResolver(held, self.here)))
            self.assertEqual([context.relative for context in held.contexts], [relative] * 2)
            found.cancel()
            self.failureResultOf(found)

    def test_literal(self) -> None:
        """
        An address is connected to without asking anybody.
        """
        self.listen("2001:db8::80", port=80)
        for host in ("2001:db8::80", "[2001:db8::80]"):
            endpoint = HostEndpoint(self.here, host, 80, resolver=self.zone({}))
            self.assertEqual(repr(endpoint), "<HostEndpoint [2001:db8::80]:80>")
            found = self.connect(endpoint)
            self.network.advance(1)
            self.assertEqual(self.reached(found), "2001:db8::80 80")
            self.assertEqual(self.source.questions, [])

    def test_noAddress(self) -> None:
        """
        A name that leads nowhere fails as a look-up does, one whose addresses cannot be connected to as connections do.
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

    def test_memoryReactor(self) -> None:
        """
        Tests of programs that let Twisted's memory reactor connect find there what they find of Twisted's own endpoints.
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
        told = self.successResultOf(found)
        self.assertIs(told, self.client.built[0])
        line.dataReceived(b"hello")
        line.connectionLost(failureOf(ConnectionDone()))
        self.assertIsNotNone(self.client.built[0].lost)
        found = self.connect(endpoint)
        found.cancel()
        self.failureResultOf(found, ConnectingCancelledError)
        self.assertTrue(reactor.connectors[1].stoppedConnecting)

    def test_installed(self) -> None:
        """
        Without a resolver of its own an endpoint asks the one that is installed when it connects.
        """
        self.listen("192.0.2.80")
        endpoint = HostEndpoint(self.here, "h.example", 80)
        undo = self.zone({("h.example", "A"): "192.0.2.80"}).install(self.here)
        found = self.connect(endpoint)
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        undo()

    def test_notInstalled(self) -> None:
        """
        On a reactor that is not the process' own, where none is installed, it has one of its own, made once.
        """
        asked: list[object] = []
        known = self.zone({("h.example", "A"): "192.0.2.80"})
        self.listen("192.0.2.80")

        def resolverOf(resolver: object, reactor: IReactorTime | None = None) -> NamesResolver:
            asked.append(reactor)
            return known

        self.patch(made, "resolverOf", resolverOf)
        endpoint = HostEndpoint(self.here, "h.example", 80)
        for _ in range(2):
            found = self.connect(endpoint)
            self.network.advance(1)
            self.reached(found)
        self.assertEqual(asked, [self.here])

    def test_wrong(self) -> None:
        """
        What is no host and what is no port are told when the endpoint is made.
        """
        for host in ("a..b", "", ".", "a b", "192.0.2.1:80", "https://a", "[a]", r"a\.b", None, b"a", 5):
            self.assertRaises(BadName, HostEndpoint, self.here, host, 80)
        for port in (0, 65536, -1, None, "80", 80.0, True):
            self.assertRaises(CallerFault, HostEndpoint, self.here, "a", port)

    def test_wrongOptions(self) -> None:
        """
        Of an option with a value that it cannot have, one line tells its name and the value when the endpoint is made, and what is right.
        """
        for name in ("timeout", "attemptDelay", "priorityDelay", "lookupTimeout"):
            for wrong in (-1, -0.5, float("nan"), "3", b"3", object()):
                said = str(self.assertRaises(CallerFault, HostEndpoint, self.here, "a", 80, **{name: wrong}))
                self.assertTrue(said.startswith(f"{name}: ") and repr(wrong) in said, said)
        for binding in ("eth0", "", b"192.0.2.7", 3, ("192.0.2.7",), ("192.0.2.7", "x"), ("192.0.2.7", 65536), ("localhost", 0), (None, 1)):
            said = str(self.assertRaises(CallerFault, HostEndpoint, self.here, "a", 80, bindAddress=binding))
            self.assertTrue(said.startswith(f"bindAddress: {binding!r} is not an address"), said)
        for reactor in (None, "a", 80):
            said = str(self.assertRaises(CallerFault, HostEndpoint, reactor, "a", 80))
            self.assertEqual(said, f"{reactor!r} is not a reactor; give one such as twisted.internet.reactor, or a Clock in tests")

    def test_outOfRange(self) -> None:
        """
        Numbers that are merely too large or too small are moved to where they make sense.
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

    def test_found(self) -> None:
        """
        A function is asked for the targets each time.
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

    def test_wrong(self) -> None:
        """
        What are no targets is told when the endpoint is made, or where they are found.
        """
        for wrong in (None, 5, "a", [("a", 80)], [5], [unchecked(Target)("a", "80")]):
            self.assertRaises(CallerFault, TargetsEndpoint, self.here, wrong)
            endpoint = unchecked(TargetsEndpoint)(self.here, partial(_same, wrong), resolver=self.zone({}))
            self.failureResultOf(self.connect(endpoint), CallerFault)
        self.assertRaises(CallerFault, TargetsEndpoint, self.here, [], 5)

    def test_interface(self) -> None:
        """
        All are endpoints to Twisted, and are to be had from one public module.
        """
        for endpoint in (
            TargetsEndpoint(self.here, []),
            HostEndpoint(self.here, "a", 1),
            SRVEndpoint(self.here, "a"),
            HTTPSEndpoint(self.here, "a"),
        ):
            self.assertTrue(IStreamClientEndpoint.providedBy(endpoint))
            self.assertIs(getattr(endpoints, type(endpoint).__name__), type(endpoint))


def _same(targets: object) -> object:
    return targets
