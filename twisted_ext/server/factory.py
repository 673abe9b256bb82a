"""
DNS server factory with the interface of L{twisted.names.server}, for use in any Twisted process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory

from twisted_ext.compat.protocols import DNSProtocol
from twisted_ext.compat.roles import Roles
from twisted_ext.compat.server import MessageServing, peerOf
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.doors import Door
from twisted_ext.server.features.hooks.watching import watch
from twisted_ext.server.listeners.connection import StreamPeer, StreamServing
from twisted_ext.server.listeners.stream import StreamFactory
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import ForgetfulTable, packetCacheFor
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.zone.zone import Zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_ext.compat.server import Peer
    from twisted_ext.hooks.functions import Hook
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.resolver.policy.hooks.called import CalledHook
    from twisted_ext.server.listeners.connection import Send

__all__ = ["DNSServerFactory"]

#: Stands for the built-in protocol, which enforces the limits on connections.
_PROTOCOL: Final = cast("Callable[[], Protocol]", DNSProtocol)


class _Connections(StreamFactory):
    def __init__(self, factory: DNSServerFactory) -> None:
        super().__init__(_Answering(factory), factory.clock)
        self._factory = factory

    def opened(self, stream: StreamServing) -> None:
        super().opened(stream)
        self._factory.connectionMade(stream)

    def closed(self, stream: StreamServing) -> None:
        super().closed(stream)
        self._factory.connectionLost(stream)


class _Answering:
    """
    Adapter that lets connections pass their messages to the factory.
    """

    def __init__(self, factory: DNSServerFactory) -> None:
        self._factory = factory
        self.counters = factory.counters
        self.transport = "tcp"

    def finderAt(self, door: Door) -> Callable[[bytes, str, float, str], bytes | None]:
        return lambda octets, address, now, transport: None

    def take(self, octets: bytes, stream: StreamPeer, send: Send) -> bool:
        return self._factory.octetsReceived(octets, cast("Peer", stream), None, send)


class DNSServerFactory(MessageServing, ServerFactory):
    """
    A server factory that answers queries over UDP and TCP from resolvers of any kind::

        factory = DNSServerFactory(clients=[client.Resolver(servers=[("192.0.2.53", 53)])])
        reactor.listenUDP(10053, dns.DNSDatagramProtocol(controller=factory))
        reactor.listenTCP(10053, factory)

    Authorities are asked first, then caches, then clients. Each is an L{IResolver<twisted.internet.interfaces.IResolver>}, an object with a
    C{query} method, or an L{IAnswerSource}; authorities may also be L{Zone<twisted_ext.zone.zone.Zone>}s. The next one is asked if one
    fails with L{DomainError<twisted.names.error.DomainError>}. The methods that subclasses of C{twisted.names.server.DNSServerFactory} may
    override can be overridden here too.

    @cvar protocol: factory of the protocol for each connection, called with this factory as its argument; by default the built-in protocol.
    @ivar counters: the server's counters.
    """

    noisy = False
    protocol: Callable[[], Protocol] | None = _PROTOCOL

    def __init__(
        self,
        authorities: Iterable[object] | None = None,
        caches: Iterable[object] | None = None,
        clients: Iterable[object] | None = None,
        verbose: int = 0,
        *,
        reactor: IReactorTime | None = None,
        access: Access | None = None,
        hooks: Iterable[Callable[..., object]] = (),
    ) -> None:
        """
        @param authorities: resolvers with authoritative answers.
        @param caches: resolvers asked next. If the last one has C{cacheResult}, as Twisted's caches do, the answers of C{clients} are
            stored in it.
        @param clients: resolvers that query other servers; asked only if the query has the RD bit set.
        @param verbose: 1 to log queries, 2 to log the contents of queries and replies.
        @param reactor: L{None} for the global one.
        @param access: the access control list; allows every client by default. A server reachable from the Internet should not offer
            C{clients} to every client.
        @param hooks: functions that decide what queries get before C{caches} and C{clients} are asked, see L{twisted_ext.hooks}. Of several
            the first one that does not pass decides.

        @raise twisted_ext.errors.CallerFault: one of them is not a resolver, or a hook takes what it cannot be told; or a method that makes
            replies is overridden beside hooks, which it would pass by.
        """
        self.counters = Counters()
        self._hooks = _hooksOf(list(hooks))
        self._called: list[CalledHook] = []
        if self._hooks and self.overridesReplies():
            raise CallerFault(f"{type(self).__name__} makes replies by itself, past its hooks; override allowQuery, or leave hooks out")
        self._access = access or Access({"allow": ["any"]})
        self._connections: _Connections | None = None
        super().__init__(_withZones(authorities), caches, clients, verbose, reactor=reactor)

    def _use(self, source: IAnswerSource) -> None:
        super()._use(source)
        self._behind = source
        self._closeHooks()
        if self._hooks:
            self._called = self._calledHooks()
            # What an authority knows, signed or not, no hook decides.
            source = source.around(self._hooked) if isinstance(source, Roles) else self._hooked(source)
        packetCache = packetCacheFor(self._access)
        for group in packetCache.groups:
            # A resolver of the application may answer differently from one second to the next, and from one client to another.
            group.datagrams = group.messages = group.encrypted = ForgetfulTable(0, sights=0)
        self._responder = Responder(
            source,
            self.clock,
            gates=standardGates(minimalAny=False),
            replyBuilder=ReplyBuilder(minimal=False, recursion=self.canRecurse),
            packetCache=packetCache,
            counters=self.counters,
            unrecursed=True,
        )

    def _calledHooks(self) -> list[CalledHook]:
        # Imported for those who have hooks only.
        from twisted_ext.resolver.policy.hooks.called import CalledHook

        return [CalledHook(each, self.clock) for each in self._hooks]

    def _hooked(self, source: IAnswerSource) -> IAnswerSource:
        from twisted_ext.resolver.policy.hooks.source import HookSource

        for each in reversed(self._called):
            source = HookSource(source, each, self.clock)
        return source

    def _closeHooks(self) -> None:
        called, self._called = self._called, []
        for each in called:
            watch.remove(each)
            each.close()

    def replyTo(self, octets: bytes, peer: Peer, address: tuple[str, int] | None, send: Send) -> bool:
        if address is not None:
            return self._responder.take(octets, (address[0], address[1]), "udp", send)
        return self._responder.take(octets, peerOf(peer), "tcp", send)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        Return the protocol for a new connection; L{None} if there are too many connections.
        """
        make = self.protocol
        if make is not _PROTOCOL:
            own = cast("Callable[[object], Protocol]", make)(self)
            own.factory = self
            return own
        if self._connections is None:
            self._connections = _Connections(self)
        stream = self._connections.buildProtocol(addr)
        if stream is not None:
            stream.factory = self
        return stream

    def startFactory(self) -> None:
        if self._hooks and not self._called:
            # It was stopped before.
            self._use(self._behind)
        for each in self._called:
            watch.add(each)

    def stopFactory(self) -> None:
        self._closeHooks()
        servings, self._connections = self._connections, None
        if servings is not None:
            servings.close()


def _hooksOf(functions: list[Callable[..., object]]) -> list[Hook]:
    if not functions:
        return []
    from twisted_ext.hooks.functions import hookOf

    return [hookOf(each) for each in functions]


def _withZones(authorities: Iterable[object] | None) -> list[object]:
    """
    Return the authorities, with all zones among them combined into one source at the position of the first zone.
    """
    found: list[object] = []
    zones = Zones()
    for each in authorities or ():
        if isinstance(each, Zone):
            if not len(zones):
                found.append(AuthoritySource(zones))
            zones.put(each)
        else:
            found.append(each)
    return found
