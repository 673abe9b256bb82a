"""
Tests on the reactors that Twisted offers to tests of applications: C{MemoryReactor}, C{MemoryReactorClock}, C{Clock}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorTime
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor, MemoryReactorClock
from twisted.names import error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, data, denied, rrset
from tests.typed import unchecked
from twisted_ext import client
from twisted_ext.compat.clocks import withClock
from twisted_ext.compat.names import NamesResolver
from twisted_ext.endpoints import SRVEndpoint
from twisted_ext.endpoints.srvconnect import SRVConnector
from twisted_ext.errors import WrongType

_OWNER = "_xmpp-client._tcp.example.org."

_makers: tuple[Callable[[], MemoryReactor], ...] = (MemoryReactor, MemoryReactorClock)


class _Factory(ClientFactory):
    """
    Collects the reasons of failed connections.
    """

    noisy = False
    protocol = Protocol

    def __init__(self) -> None:
        self.reasons: list[Failure] = []

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.reasons.append(reason)


class MemoryReactorTests(SynchronousTestCase):
    """
    Tests of resolvers, endpoints and connectors on memory reactors.
    """

    def setUp(self) -> None:
        self.source = Fake(now=True)
        self.source.addresses("a.example.org.", "192.0.2.80")
        self.source.knows(_OWNER, "SRV", data(rrset(_OWNER, "SRV", "5 0 5223 a.example.org.", "10 0 5222 b.example.org.")))
        self.patch(client, "theResolver", NamesResolver(self.source, Clock()))
        self.factory = _Factory()

    def connectedTo(self, reactor: MemoryReactor) -> list[tuple[str, int]]:
        """
        Return the host and port of every connection attempt.
        """
        return [each[:2] for each in reactor.tcpClients]

    def test_connectorUsesTheResolver(self) -> None:
        """
        C{SRVConnector} queries C{theResolver} and calls C{connectTCP} with the name of the best server.
        """
        for make in _makers:
            reactor = make()
            connector = SRVConnector(cast(IReactorTime, reactor), "xmpp-client", "example.org", self.factory)
            connector.connect()
            self.assertEqual(self.connectedTo(reactor), [("a.example.org", 5223)])
            self.assertEqual(connector.domain, b"example.org")
            self.assertEqual((connector.service, connector.protocol), ("xmpp-client", "tcp"))
        self.assertEqual(self.factory.reasons, [])

    def test_resolverInstallsAndUninstalls(self) -> None:
        """
        A resolver can be installed and removed again.
        """
        for make in _makers:
            reactor = make()
            pluggable = cast(IReactorPluggableNameResolver, reactor)
            before = pluggable.nameResolver
            undo = client.install(pluggable)
            self.assertIs(pluggable.nameResolver, client.theResolver)
            HostnameEndpoint(reactor, "a.example.org", 80).connect(Factory.forProtocol(Protocol)).addErrback(lambda failure: None)
            undo()
            self.assertIs(pluggable.nameResolver, before)

    def test_endpointConnectsToFoundAddresses(self) -> None:
        """
        This package's endpoints connect to the addresses that their resolver finds.
        """
        for make in _makers:
            reactor = make()
            endpoint = SRVEndpoint(cast(IReactorTime, reactor), _OWNER, resolver=self.source)
            endpoint.connect(Factory.forProtocol(Protocol)).addErrback(lambda failure: None)
            self.assertEqual(self.connectedTo(reactor), [("192.0.2.80", 5223)])

    def test_resolverNeedsNoUDPReactor(self) -> None:
        """
        A resolver can be created on any of the reactors. Look-ups that need UDP fail on a reactor without it.
        """
        for make in (*_makers, Clock):
            reactor = cast(IReactorTime, make())
            self.successResultOf(NamesResolver(self.source, reactor).lookupAddress("a.example.org."))
            resolver = client.Resolver(servers=[("192.0.2.53", 53)], reactor=reactor)
            if isinstance(reactor, Clock) and not isinstance(reactor, MemoryReactor):
                failure = self.failureResultOf(resolver.lookupAddress("b.example.org."), error.DNSServerError)
                self.assertIn("cannot do UDP", str(failure.value))
            self.successResultOf(resolver.close())

    def test_withClockAddsTime(self) -> None:
        """
        A reactor with a clock is returned as it is, one without gets a clock, and anything else is refused.
        """
        clock = Clock()
        self.assertIs(withClock(clock), clock)
        timed = withClock(_makers[0]())
        self.assertEqual(timed.seconds(), 0)
        self.assertIn("MemoryReactor", repr(timed))
        for wrong in (None, "reactor", 5):
            self.assertRaises(WrongType, withClock, wrong)


class PickServerTests(SynchronousTestCase):
    """
    Tests of C{pickServer} of L{SRVConnector}, a hook for subclasses.
    """

    def setUp(self) -> None:
        self.source = Fake(now=True)
        self.patch(client, "theResolver", NamesResolver(self.source, Clock()))
        self.reactor = _makers[0]()
        self.factory = _Factory()

    def test_serversComeByPriorityInRounds(self) -> None:
        """
        C{pickServer} returns each server once, by priority, and then starts again.
        """
        self.source.knows(_OWNER, "SRV", data(rrset(_OWNER, "SRV", "10 0 5222 b.example.org.", "5 0 5223 a.example.org.")))
        connector = SRVConnector(cast(IReactorTime, self.reactor), "xmpp-client", "example.org", self.factory)
        self.assertRaises(RuntimeError, connector.pickServer)
        connector.connect()
        expected = [("a.example.org", 5223), ("b.example.org", 5222)] * 2
        self.assertEqual([connector.pickServer() for _ in expected], expected)
        self.assertEqual(len(connector.orderedServers or ()), 2)

    def test_weightDecidesWithinAPriority(self) -> None:
        """
        Weight decides among servers of one priority: a server of weight 0 is rarely first.
        """
        self.source.knows(_OWNER, "SRV", data(rrset(_OWNER, "SRV", "5 0 1 never.example.org.", "5 65535 2 always.example.org.")))
        connector = SRVConnector(cast(IReactorTime, self.reactor), "xmpp-client", "example.org", self.factory)
        connector.connect()
        firsts = []
        for _ in range(50):
            firsts.append(connector.pickServer()[0])
            connector.pickServer()
        self.assertGreater(firsts.count("always.example.org"), 45)

    def test_overriddenPickServerIsUsed(self) -> None:
        """
        The connector connects to what an overridden C{pickServer} returns, with and without SRV records, as Twisted's XMPP client needs.
        """

        class OverridingConnector(SRVConnector):
            def pickServer(self) -> tuple[str, int | str]:
                host, port = super().pickServer()
                return (host, 5299) if not self.servers and not self.orderedServers else (f"x.{host}", port)

        self.source.knows(_OWNER, "SRV", data(rrset(_OWNER, "SRV", "5 0 5223 a.example.org.")))
        self.source.knows("_nosuchservice._tcp.example.net.", "SRV", denied())
        OverridingConnector(cast(IReactorTime, self.reactor), "xmpp-client", "example.org", self.factory).connect()
        OverridingConnector(cast(IReactorTime, self.reactor), "nosuchservice", "example.net", self.factory).connect()
        self.assertEqual([each[:2] for each in self.reactor.tcpClients], [("x.a.example.org", 5223), ("example.net", 5299)])

    def test_noRecordsGiveDomainItself(self) -> None:
        """
        C{pickServer} returns the domain and the service when there are no records. The connection goes to C{defaultPort} or the port from
        the machine's services database.
        """
        for owner in ("_domain._tcp.example.net.", "_nosuchservice._tcp.example.net."):
            self.source.knows(owner, "SRV", denied())
        with_default = SRVConnector(
            cast(IReactorTime, self.reactor), "nosuchservice", "example.net", self.factory, defaultPort=5222
        )
        with_default.connect()
        self.assertEqual(with_default.pickServer(), ("example.net", "nosuchservice"))
        self.patch(unchecked(__import__)("twisted_ext.endpoints.srvconnect", fromlist=["x"]), "getservbyname", lambda service, protocol: 53)
        SRVConnector(cast(IReactorTime, self.reactor), "domain", "example.net", self.factory).connect()
        self.assertEqual([each[:2] for each in self.reactor.tcpClients], [("example.net", 5222), ("example.net", 53)])

    def test_missingDomainFails(self) -> None:
        """
        Connecting without a domain fails, and the factory is notified.
        """
        SRVConnector(cast(IReactorTime, self.reactor), "xmpp-client", None, self.factory).connect()
        self.assertEqual([str(reason.value) for reason in self.factory.reasons], ["DNS lookup failed: Domain is not defined.."])
