"""
The reactor of one host on an in-memory network, and its UDP ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.base import PluggableResolverMixin
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError, DNSLookupError, MessageLengthError
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IReactorTCP,
    IReactorTime,
    IReactorUDP,
    IResolverSimple,
    IUDPTransport,
)
from twisted.internet.protocol import AbstractDatagramProtocol, ClientFactory, P, ServerFactory
from zope.interface import implementer

from twisted_ext.testing.datagrams import Address, Datagram, isLoopback, isUnspecified, normal
from twisted_ext.testing.streams import MemoryConnection, MemoryConnector, MemoryListener

if TYPE_CHECKING:
    from twisted_ext.testing.network import MemoryNetwork

__all__ = ["MemoryPort", "MemoryReactor", "newCannotListen"]

#: The first ephemeral port.
_EPHEMERAL = 49152

_FEW = 100

_Any = TypeVar("_Any")

#: The largest payload of a UDP datagram in octets.
_MOST = 65507

newCannotListen: Final[Callable[[str, int, OSError], CannotListenError]] = CannotListenError


class _Receiver(Protocol):
    """
    The methods of a UDP protocol, including what Twisted's classes leave out: addresses of four elements, and refusals.
    """

    def doStop(self) -> None: ...

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None: ...

    def connectionRefused(self) -> None: ...


@implementer(IListeningPort, IUDPTransport)
class MemoryPort:
    def __init__(self, reactor: MemoryReactor, port: int, protocol: AbstractDatagramProtocol, interface: str, maxPacketSize: int) -> None:
        self.protocol = protocol
        self._receiving = cast(_Receiver, protocol)
        self.interface = normal(interface) if interface else "0.0.0.0"
        self.maxPacketSize = maxPacketSize
        self.port = port
        self.peer: Address | None = None
        self._reactor = reactor
        self._listening = False

    def startListening(self) -> None:
        self.port = self._reactor.bind(self._reactor.datagramPorts, self, self.port)
        self._listening = True
        self.protocol.makeConnection(self)

    def stopListening(self) -> Deferred[None]:
        if self._listening:
            self._listening = False
            del self._reactor.datagramPorts[self.interface, self.port]
            self._receiving.doStop()
        return succeed(None)

    loseConnection = stopListening

    def getHost(self) -> IPv4Address | IPv6Address:
        return (IPv6Address if ":" in self.interface else IPv4Address)("UDP", self.interface, self.port)

    def connect(self, host: str, port: int) -> None:
        if self.peer is not None:
            raise RuntimeError("already connected, reconnecting is not currently supported")
        self.peer = (normal(host), port)
        # Choose a route at once, as the kernel does.
        self._reactor.sourceFor(self.peer[0], self.interface)

    def write(self, packet: bytes, addr: tuple[str, int] | tuple[str, int, int, int] | None = None) -> None:
        if len(packet) > _MOST:
            raise MessageLengthError("message too long")
        if self.peer is not None:
            destination = self.peer
        elif addr is not None:
            destination = (normal(addr[0]), addr[1])
        else:
            raise ValueError("a port that is not connected needs a destination")
        source = self._reactor.sourceFor(destination[0], self.interface)
        self._reactor.network.carry(self._reactor, (source, self.port), destination, packet)

    def writeSequence(self, packet: list[bytes], addr: tuple[str, int]) -> None:
        self.write(b"".join(packet), addr)

    def takes(self, datagram: Datagram) -> bool:
        """
        Return whether a datagram is for this port: of the right family, and from the peer if the port is connected.
        """
        address = datagram.destination[0]
        if self.peer is not None and datagram.source != self.peer:
            return False
        if isUnspecified(self.interface):
            return (":" in address) == (":" in self.interface)
        return address == self.interface

    def received(self, datagram: Datagram) -> None:
        host, port = datagram.source
        addr = (host, port) if ":" not in host else (host, port, 0, 0)
        self._receiving.datagramReceived(datagram.octets[: self.maxPacketSize], addr)

    def refused(self, destination: Address) -> None:
        """
        Handle an ICMP error: no process listens at C{destination}.
        """
        if self.peer == destination:
            self._receiving.connectionRefused()

    def setBroadcastAllowed(self, enabled: bool) -> None:
        pass

    def getBroadcastAllowed(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"UDP port {self.interface}:{self.port}"


_Port = TypeVar("_Port", MemoryPort, MemoryListener)


class _Bound(dict[tuple[str, int], _Any]):
    """
    The ports that are bound, by interface and number.
    """

    def __init__(self) -> None:
        super().__init__()
        # A host that asks many questions has a port for each.
        self._numbered: dict[int, list[_Any]] = {}

    def __setitem__(self, key: tuple[str, int], port: _Any) -> None:
        super().__setitem__(key, port)
        self._numbered.setdefault(key[1], []).append(port)

    def __delitem__(self, key: tuple[str, int]) -> None:
        port = self.pop(key)
        left = self._numbered[key[1]]
        left.remove(port)
        if not left:
            del self._numbered[key[1]]

    def numbered(self, number: int) -> list[_Any]:
        """
        Return the ports with a number, on whichever interface.
        """
        return [*self._numbered.get(number, ())]


@implementer(IResolverSimple)
class _NoNames:
    """
    The name resolver of a host before another one is installed.
    """

    def getHostByName(self, name: str, timeout: object = None, effort: int = 10) -> Deferred[str]:
        if name == "localhost":
            return succeed("127.0.0.1")
        return fail(DNSLookupError(f"no resolver is installed on this host; it cannot look up {name!r}"))


@implementer(IReactorTime, IReactorUDP, IReactorTCP, IReactorPluggableResolver, IReactorPluggableNameResolver)
class MemoryReactor(PluggableResolverMixin):
    """
    One host: its clock, ports and connections.

    @ivar network: the network that it is on.
    @ivar addresses: its addresses.
    @ivar closed: whether new connections and datagrams of new peers are refused as if nothing listened.
    """

    running = True

    def __init__(self, network: MemoryNetwork, addresses: tuple[str, ...]) -> None:
        self.network = network
        self.addresses = addresses
        self.closed = False
        self._calls: list[IDelayedCall] = []
        # How many of them there may be until those that are over are dropped.
        self._most = _FEW
        self.datagramPorts: _Bound[MemoryPort] = _Bound()
        self.listeners: _Bound[MemoryListener] = _Bound()
        self.connections: list[MemoryConnection] = []
        self.connectors: list[MemoryConnector] = []
        self._outgoing = _EPHEMERAL - 1
        self.installResolver(_NoNames())

    # -- IReactorTime

    def seconds(self) -> float:
        return self.network.clock.seconds()

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        call: IDelayedCall = self.network.clock.callLater(delay, callable, *args, **kw)
        if len(self._calls) >= self._most:
            self._calls = [each for each in self._calls if each.active()]
            self._most = 2 * len(self._calls) + _FEW
        self._calls.append(call)
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        self._calls = [call for call in self._calls if call.active()]
        return list(self._calls)

    # -- other methods that programs use

    def callWhenRunning(self, callable: Callable[..., object], *args: object, **kw: object) -> None:
        """
        Call C{callable} at once: this reactor always runs.
        """
        callable(*args, **kw)

    def callFromThread(self, callable: Callable[..., object], *args: object, **kw: object) -> None:
        self.callLater(0, callable, *args, **kw)

    def resolve(self, name: str, timeout: tuple[int, ...] = (1, 3, 11, 45)) -> Deferred[str]:
        """
        Resolve a name with the installed resolver, as connecting to it does.
        """
        if not name:
            return succeed("0.0.0.0")
        if isIPAddress(name) or isIPv6Address(name):
            return succeed(name)
        found: Deferred[str] = self.resolver.getHostByName(name, timeout)
        return found

    # -- IReactorUDP

    def listenUDP(self, port: int, protocol: AbstractDatagramProtocol, interface: str = "", maxPacketSize: int = 8192) -> MemoryPort:
        made = MemoryPort(self, port, protocol, interface, maxPacketSize)
        made.startListening()
        return made

    def receive(self, datagram: Datagram) -> bool:
        """
        Deliver a datagram to the port that it is for.

        @return: whether a port with that number exists.
        """
        numbered = self.datagramPorts.numbered(datagram.destination[1])
        there = [port for port in numbered if not (self.closed and port.peer is None)]
        for port in there:
            if port.takes(datagram):
                port.received(datagram)
                return True
        # If the ports of that number are connected, they ignore datagrams from other peers.
        return bool(there)

    def cares(self, datagram: Datagram) -> bool:
        """
        Return whether a socket of this host would be notified that a datagram it sent has met a closed port.
        """
        return any(port.peer == datagram.destination for port in self.datagramPorts.numbered(datagram.source[1]))

    def refuse(self, datagram: Datagram) -> None:
        """
        Handle the ICMP error that a datagram of this host has met a closed port.
        """
        for port in self.datagramPorts.numbered(datagram.source[1]):
            port.refused(datagram.destination)

    def sourceFor(self, destination: str, interface: str) -> str:
        """
        Return the source address for packets to C{destination}.

        @raise OSError: this host has no address of that family.
        """
        if not isUnspecified(interface):
            return interface
        if destination in self.addresses or isLoopback(destination):
            return destination
        for address in self.addresses:
            if (":" in address) == (":" in destination):
                return address
        raise OSError(101, "Network is unreachable")

    # -- IReactorTCP

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> MemoryListener:
        made = MemoryListener(self, port, factory, interface)
        made.startListening()
        return made

    def listenerFor(self, address: str, number: int) -> MemoryListener | None:
        if self.closed:
            return None
        wildcard = "::" if ":" in address else "0.0.0.0"
        return self.listeners.get((address, number)) or self.listeners.get((wildcard, number))

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory[P],
        timeout: float | None = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> MemoryConnector:
        made = MemoryConnector(self, host, port, factory, timeout)
        made.connect()
        return made

    # -- open resources

    def pending(self) -> list[str]:
        """
        Return descriptions of the host's open sockets, connections and delayed calls. Tests of cleanup assert that it is empty.
        """
        sockets: list[object] = [*self.datagramPorts.values(), *self.listeners.values(), *self.connections, *self.connectors]
        return [str(thing) for thing in [*sockets, *self.getDelayedCalls()]]

    def ephemeral(self) -> int:
        self._outgoing = _EPHEMERAL + (self._outgoing - _EPHEMERAL + 1) % (65536 - _EPHEMERAL)
        return self._outgoing

    def ports(self) -> list[MemoryPort]:
        return list(self.datagramPorts.values())

    def bind(self, bound: _Bound[_Port], port: _Port, number: int) -> int:
        """
        Return the port number bound.

        @raise CannotListenError: the port is in use.
        """
        interface = port.interface
        if not number:
            number = _EPHEMERAL
            while self._clashes(bound, interface, number):
                number += 1
        if self._clashes(bound, interface, number):
            raise newCannotListen(interface, number, OSError(98, "Address already in use"))
        bound[interface, number] = port
        return number

    def _clashes(self, bound: _Bound[_Port], interface: str, number: int) -> bool:
        for address in [port.interface for port in bound.numbered(number)]:
            if (":" in address) == (":" in interface) and (address == interface or isUnspecified(address) or isUnspecified(interface)):
                return True
        return False

    def __repr__(self) -> str:
        return f"<MemoryReactor at {', '.join(self.addresses)}>"
