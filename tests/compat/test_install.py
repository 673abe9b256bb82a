"""
Tests of L{twisted_ext.compat.install}: connections to host names over a memory network.
"""

from __future__ import annotations

from itertools import permutations
from typing import NoReturn, cast
from typing import Protocol as Shape

from twisted.internet._resolver import ComplexResolverSimplifier, SimpleResolverComplexifier
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IProtocol, IReactorPluggableNameResolver, IResolverSimple
from twisted.internet.protocol import ClientFactory, Factory, Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_ext.compat.install import install
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.errors import CallerFault
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

DNS_SERVER = "192.0.2.53"


class _Pluggable(Shape):
    """
    The resolver attributes of a reactor.
    """

    resolver: object
    nameResolver: object


class _ConnectionFactory(ClientFactory):
    """
    Records the outcome of a connection.
    """

    noisy = False
    protocol = Protocol

    def __init__(self) -> None:
        self.peer = ""
        self.reason: Failure | None = None

    def buildProtocol(self, addr: object) -> Protocol | None:
        self.peer = str(getattr(addr, "host", addr))
        return Protocol()

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.reason = reason


@implementer(IHostnameResolver, IResolverSimple)
class _ForeignResolver:
    """
    A foreign resolver.
    """

    def resolveHostName(self, *args: object, **named: object) -> NoReturn:
        """
        Fail: it is not called.
        """
        raise NotImplementedError

    def getHostByName(self, name: str, timeout: object = None) -> NoReturn:
        """
        Fail: it is not called.
        """
        raise NotImplementedError


class InstallTestCase(SynchronousTestCase):
    """
    A client machine, a host and a name server.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.reactor = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.host = self.network.reactor("192.0.2.80", "2001:db8::80")
        factory = ServerFactory()
        factory.noisy = False
        factory.protocol = Protocol
        self.host.listenTCP(80, factory)
        self.host.listenTCP(80, factory, interface="::")
        self.server = CannedServer(
            {
                ("four.example", "A"): "192.0.2.80",
                ("both.example", "A"): "192.0.2.80",
                ("both.example", "AAAA"): "2001:db8::80",
                ("six.example", "AAAA"): "2001:db8::80",
                ("alias.example", "CNAME"): "both.example.",
            }
        )
        self.server.listen(self.network.reactor(DNS_SERVER))
        self.resolver = Resolver(servers=[(DNS_SERVER, 53)], reactor=self.reactor)

    def connectTCP(self, name: str) -> _ConnectionFactory:
        """
        Connect with C{reactor.connectTCP}.
        """
        connecting = _ConnectionFactory()
        self.reactor.connectTCP(name, 80, connecting)
        self.network.advance(10)
        return connecting

    def connectEndpoint(self, name: str) -> str:
        """
        Connect with an endpoint and return the address that it connected to.
        """
        endpoint = HostnameEndpoint(self.reactor, name, 80)
        connecting: Deferred[IProtocol] = endpoint.connect(Factory.forProtocol(Protocol))
        self.network.advance(10)
        protocol = self.successResultOf(connecting)
        assert isinstance(protocol, Protocol) and protocol.transport is not None
        return str(getattr(protocol.transport.getPeer(), "host", ""))


class InstallTests(InstallTestCase):
    """
    Tests of C{resolver.install(reactor)}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.undo = self.resolver.install(self.reactor)

    def test_endpointsReachBothFamilies(self) -> None:
        """
        Endpoints reach hosts of either family and of both, and through aliases, with the installed resolver's answers.
        """
        for name in ("four.example", "both.example", "six.example", "alias.example"):
            address = self.connectEndpoint(name)
            expected = {"four.example": ["192.0.2.80"], "six.example": ["2001:db8::80"]}
            self.assertIn(address, expected.get(name, ["192.0.2.80", "2001:db8::80"]))
        self.assertGreater(len(self.server.asked), 0)

    def test_connectTCPReachesIPv4Hosts(self) -> None:
        """
        C{connectTCP} reaches every host with an IPv4 address, the family that Twisted has settled on by then.
        """
        for name in ("four.example", "both.example", "alias.example"):
            connecting = self.connectTCP(name)
            self.assertEqual((connecting.peer, connecting.reason), ("192.0.2.80", None), name)

    def test_connectTCPFailsWithoutIPv4(self) -> None:
        """
        C{connectTCP} fails with a look-up error for a host without an IPv4 address.
        """
        connecting = self.connectTCP("six.example")
        assert connecting.reason is not None
        self.assertIsInstance(connecting.reason.value, DNSLookupError)

    def test_literalsAreNotLookedUp(self) -> None:
        """
        Address literals of either family are connected to without a query.
        """
        for address in ("192.0.2.80", "2001:db8::80"):
            self.assertEqual(self.connectEndpoint(address), address)
            self.assertEqual(self.connectTCP(address).peer, address)
        self.assertEqual(self.server.asked, [])

    def test_missingNameFailsTheConnection(self) -> None:
        """
        A connection to a name that does not exist fails with DNSLookupError.
        """
        connecting = self.connectTCP("no.example")
        assert connecting.reason is not None
        self.assertIsInstance(connecting.reason.value, DNSLookupError)
        endpoint = HostnameEndpoint(self.reactor, "no.example", 80)
        failing = endpoint.connect(Factory.forProtocol(Protocol))
        self.network.advance(10)
        self.failureResultOf(failing, DNSLookupError)

    def test_nothingStaysInTheReactor(self) -> None:
        """
        No timer or connection stays in the reactor after the last look-up.
        """
        self.connectEndpoint("both.example")
        for connection in list(self.reactor.connections):
            connection.abortConnection()
        self.network.advance(10)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.reactor.pending(), [])


class UndoTests(InstallTestCase):
    """
    Tests of the function that C{install} returns.
    """

    def installed(self) -> tuple[object, object]:
        """
        Return the installed resolvers.
        """
        pluggable = cast(_Pluggable, self.reactor)
        return pluggable.resolver, pluggable.nameResolver

    def test_undoRestoresTheDefault(self) -> None:
        """
        Undoing restores the simple resolver of a reactor that had no other.
        """
        simple = self.installed()[0]
        undo = self.resolver.install(self.reactor)
        self.assertIs(self.installed()[1], self.resolver)
        self.assertIsInstance(self.installed()[0], ComplexResolverSimplifier)
        undo()
        self.assertIs(self.installed()[0], simple)
        self.assertIsInstance(self.installed()[1], SimpleResolverComplexifier)

    def test_undoRestoresNameResolver(self) -> None:
        """
        Undoing restores a host name resolver.
        """
        other = _ForeignResolver()
        self.reactor.installNameResolver(other)
        undo = self.resolver.install(self.reactor)
        undo()
        self.assertIs(self.installed()[1], other)
        self.assertIsInstance(self.installed()[0], ComplexResolverSimplifier)

    def test_undoRestoresSimpleResolver(self) -> None:
        """
        Undoing restores a simple resolver that a program had installed.
        """
        other = _ForeignResolver()
        self.reactor.installResolver(other)
        undo = self.resolver.install(self.reactor)
        undo()
        self.assertIs(self.installed()[0], other)

    def test_secondUndoDoesNothing(self) -> None:
        """
        A second undo does nothing.
        """
        undo = self.resolver.install(self.reactor)
        undo()
        other = _ForeignResolver()
        self.reactor.installNameResolver(other)
        undo()
        self.assertIs(self.installed()[1], other)

    def test_undoLeavesLaterResolvers(self) -> None:
        """
        Undoing leaves a resolver alone that was installed since.
        """
        undo = self.resolver.install(self.reactor)
        other = _ForeignResolver()
        self.reactor.installNameResolver(other)
        undo()
        self.assertIs(self.installed()[1], other)

    def test_nestedInstallsUndoInTurn(self) -> None:
        """
        Two installs undone in reverse order restore the state before.
        """
        before = self.installed()[0]
        second = Resolver(servers=[(DNS_SERVER, 53)], reactor=self.reactor)
        undoFirst = self.resolver.install(self.reactor)
        undoSecond = second.install(self.reactor)
        undoSecond()
        self.assertIs(self.installed()[1], self.resolver)
        undoFirst()
        self.assertIs(self.installed()[0], before)

    def test_installsUndoInAnyOrder(self) -> None:
        """
        Several installs undone in any order restore the state before; a resolver that is still installed stays until it is undone.
        """
        before = self.installed()[0]
        for order in permutations(range(3)):
            resolvers = [self.resolver, *[Resolver(servers=[(DNS_SERVER, 53)], reactor=self.reactor) for _ in range(2)]]
            undoing = [each.install(self.reactor) for each in resolvers]
            left = {0, 1, 2}
            for index in order:
                undoing[index]()
                left.discard(index)
                self.assertIs(self.installed()[1] if left else self.installed()[0], resolvers[max(left)] if left else before, order)

    def test_doubleInstallNeedsBothUndos(self) -> None:
        """
        A resolver that was installed twice stays until both installs are undone.
        """
        before = self.installed()[0]
        undoing = [self.resolver.install(self.reactor) for _ in range(2)]
        undoing[0]()
        self.assertIs(self.installed()[1], self.resolver)
        undoing[1]()
        self.assertIs(self.installed()[0], before)

    def test_foreignResolverBetweenIsRestored(self) -> None:
        """
        A foreign resolver that was installed in between is restored, and the resolvers below it are left to it.
        """
        other = _ForeignResolver()
        second = Resolver(servers=[(DNS_SERVER, 53)], reactor=self.reactor)
        undoFirst = self.resolver.install(self.reactor)
        self.reactor.installNameResolver(other)
        undoSecond = second.install(self.reactor)
        undoFirst()
        self.assertIs(self.installed()[1], second)
        undoSecond()
        self.assertIs(self.installed()[1], other)

    def test_unsuitableReactorIsRefused(self) -> None:
        """
        A reactor that takes no resolver is refused.
        """
        with self.assertRaises(CallerFault) as raised:
            install(self.resolver, cast(IReactorPluggableNameResolver, Clock()))
        self.assertIn("IReactorPluggableNameResolver", str(raised.exception))


class BareTests(InstallTestCase):
    """
    Tests of C{reactor.installResolver(client.createResolver(servers=...))}, as in Twisted's tour.
    """

    def setUp(self) -> None:
        super().setUp()
        self.reactor.installResolver(self.resolver)

    def test_ipv4HostsAreReached(self) -> None:
        """
        C{connectTCP} and endpoints reach hosts with an IPv4 address, whether or not they also have IPv6.
        """
        for name in ("four.example", "both.example", "alias.example"):
            self.assertEqual(self.connectTCP(name).peer, "192.0.2.80")
            self.assertEqual(self.connectEndpoint(name), "192.0.2.80")

    def test_ipv6OnlyHostIsReached(self) -> None:
        """
        An endpoint reaches a host that has IPv6 only.
        """
        self.assertEqual(self.connectEndpoint("six.example"), "2001:db8::80")
