"""
Tests of L{twisted_ext.compat.install}: a program's connections, with names looked up over a memory network.
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
    What reactors have on resolvers.
    """

    resolver: object
    nameResolver: object


class _Connecting(ClientFactory):
    """
    Notes what became of a connection.
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
class _Other:
    """
    Somebody else's resolver.
    """

    def resolveHostName(self, *args: object, **named: object) -> NoReturn:
        """
        Not called.
        """
        raise NotImplementedError

    def getHostByName(self, name: str, timeout: object = None) -> NoReturn:
        """
        Not called.
        """
        raise NotImplementedError


class InstallTestCase(SynchronousTestCase):
    """
    A machine, a host that it wants to reach, and a name server.
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

    def connectTCP(self, name: str) -> _Connecting:
        """
        Connect the old way.
        """
        connecting = _Connecting()
        self.reactor.connectTCP(name, 80, connecting)
        self.network.advance(10)
        return connecting

    def connectEndpoint(self, name: str) -> str:
        """
        Connect with an endpoint.

        @return: the address that was connected to.
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

    def test_endpoint(self) -> None:
        """
        Endpoints reach hosts of either family and of both, through aliases too, and only by our server's word.
        """
        for name in ("four.example", "both.example", "six.example", "alias.example"):
            address = self.connectEndpoint(name)
            expected = {"four.example": ["192.0.2.80"], "six.example": ["2001:db8::80"]}
            self.assertIn(address, expected.get(name, ["192.0.2.80", "2001:db8::80"]))
        self.assertGreater(len(self.server.asked), 0)

    def test_connectTCP(self) -> None:
        """
        C{connectTCP} reaches everything that has an address of IPv4; that is the family which Twisted has settled on by then.
        """
        for name in ("four.example", "both.example", "alias.example"):
            connecting = self.connectTCP(name)
            self.assertEqual((connecting.peer, connecting.reason), ("192.0.2.80", None), name)

    def test_connectTCPToSix(self) -> None:
        """
        Where there is no address of IPv4, C{connectTCP} fails as a look-up fails, soon and clearly.
        """
        connecting = self.connectTCP("six.example")
        assert connecting.reason is not None
        self.assertIsInstance(connecting.reason.value, DNSLookupError)

    def test_literals(self) -> None:
        """
        Addresses of either family are connected to without asking anybody.
        """
        for address in ("192.0.2.80", "2001:db8::80"):
            self.assertEqual(self.connectEndpoint(address), address)
            self.assertEqual(self.connectTCP(address).peer, address)
        self.assertEqual(self.server.asked, [])

    def test_noSuchName(self) -> None:
        """
        A name that is not there fails as Twisted's users expect.
        """
        connecting = self.connectTCP("no.example")
        assert connecting.reason is not None
        self.assertIsInstance(connecting.reason.value, DNSLookupError)
        endpoint = HostnameEndpoint(self.reactor, "no.example", 80)
        failing = endpoint.connect(Factory.forProtocol(Protocol))
        self.network.advance(10)
        self.failureResultOf(failing, DNSLookupError)

    def test_nothingLeft(self) -> None:
        """
        When the last look-up has ended, nothing is left in the reactor.
        """
        self.connectEndpoint("both.example")
        for connection in list(self.reactor.connections):
            connection.abortConnection()
        self.network.advance(10)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.reactor.pending(), [])


class UndoTests(InstallTestCase):
    """
    Tests of what C{install} gives back.
    """

    def pair(self) -> tuple[object, object]:
        """
        @return: what is installed.
        """
        pluggable = cast(_Pluggable, self.reactor)
        return pluggable.resolver, pluggable.nameResolver

    def test_fromNothing(self) -> None:
        """
        A reactor that had only a simple resolver has it again.
        """
        simple = self.pair()[0]
        undo = self.resolver.install(self.reactor)
        self.assertIs(self.pair()[1], self.resolver)
        self.assertIsInstance(self.pair()[0], ComplexResolverSimplifier)
        undo()
        self.assertIs(self.pair()[0], simple)
        self.assertIsInstance(self.pair()[1], SimpleResolverComplexifier)

    def test_fromNameResolver(self) -> None:
        """
        A reactor that had a complete one has that again.
        """
        other = _Other()
        self.reactor.installNameResolver(other)
        undo = self.resolver.install(self.reactor)
        undo()
        self.assertIs(self.pair()[1], other)
        self.assertIsInstance(self.pair()[0], ComplexResolverSimplifier)

    def test_fromSimple(self) -> None:
        """
        A reactor that somebody gave a simple resolver has that again.
        """
        other = _Other()
        self.reactor.installResolver(other)
        undo = self.resolver.install(self.reactor)
        undo()
        self.assertIs(self.pair()[0], other)

    def test_twice(self) -> None:
        """
        Undoing again does nothing.
        """
        undo = self.resolver.install(self.reactor)
        undo()
        other = _Other()
        self.reactor.installNameResolver(other)
        undo()
        self.assertIs(self.pair()[1], other)

    def test_notOursAnyMore(self) -> None:
        """
        What somebody else has installed since is left alone.
        """
        undo = self.resolver.install(self.reactor)
        other = _Other()
        self.reactor.installNameResolver(other)
        undo()
        self.assertIs(self.pair()[1], other)

    def test_nested(self) -> None:
        """
        Installed one over the other and undone in turn, all is as before.
        """
        before = self.pair()[0]
        second = Resolver(servers=[(DNS_SERVER, 53)], reactor=self.reactor)
        undoFirst = self.resolver.install(self.reactor)
        undoSecond = second.install(self.reactor)
        undoSecond()
        self.assertIs(self.pair()[1], self.resolver)
        undoFirst()
        self.assertIs(self.pair()[0], before)

    def test_anyOrder(self) -> None:
        """
        Installed one over the other and undone in any order, all is as before; what is still installed stays until it is undone.
        """
        before = self.pair()[0]
        for order in permutations(range(3)):
            resolvers = [self.resolver, *[Resolver(servers=[(DNS_SERVER, 53)], reactor=self.reactor) for _ in range(2)]]
            undoing = [each.install(self.reactor) for each in resolvers]
            left = {0, 1, 2}
            for index in order:
                undoing[index]()
                left.discard(index)
                self.assertIs(self.pair()[1] if left else self.pair()[0], resolvers[max(left)] if left else before, order)

    def test_sameTwice(self) -> None:
        """
        A resolver that was installed twice stays until both are undone.
        """
        before = self.pair()[0]
        undoing = [self.resolver.install(self.reactor) for _ in range(2)]
        undoing[0]()
        self.assertIs(self.pair()[1], self.resolver)
        undoing[1]()
        self.assertIs(self.pair()[0], before)

    def test_othersBetween(self) -> None:
        """
        What others have installed between is given back, and what lies below it is left to them.
        """
        other = _Other()
        second = Resolver(servers=[(DNS_SERVER, 53)], reactor=self.reactor)
        undoFirst = self.resolver.install(self.reactor)
        self.reactor.installNameResolver(other)
        undoSecond = second.install(self.reactor)
        undoFirst()
        self.assertIs(self.pair()[1], second)
        undoSecond()
        self.assertIs(self.pair()[1], other)

    def test_wrongReactor(self) -> None:
        """
        What takes no resolver is refused in one line.
        """
        with self.assertRaises(CallerFault) as raised:
            install(self.resolver, cast(IReactorPluggableNameResolver, Clock()))
        self.assertIn("IReactorPluggableNameResolver", str(raised.exception))


class BareTests(InstallTestCase):
    """
    Tests of the line of Twisted's tour, C{reactor.installResolver(client.createResolver(servers=...))}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.reactor.installResolver(self.resolver)

    def test_reaches(self) -> None:
        """
        Hosts with an address of IPv4 are reached, by C{connectTCP} and by endpoints; that they have one of IPv6 too does no harm.
        """
        for name in ("four.example", "both.example", "alias.example"):
            self.assertEqual(self.connectTCP(name).peer, "192.0.2.80")
            self.assertEqual(self.connectEndpoint(name), "192.0.2.80")

    def test_six(self) -> None:
        """
        An endpoint reaches a host that has IPv6 only.
        """
        self.assertEqual(self.connectEndpoint("six.example"), "2001:db8::80")
