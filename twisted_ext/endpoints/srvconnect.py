"""
A replacement for C{SRVConnector} of L{twisted.names.srvconnect}, for programs whose factories expect a connector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from socket import getservbyname
from typing import TYPE_CHECKING, Final, Unpack, cast

from twisted.internet.address import HostnameAddress
from twisted.internet.error import ConnectingCancelledError, DNSLookupError, NotConnectingError, UserError
from twisted.internet.interfaces import IConnector, IProtocol, IReactorPluggableResolver, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.names import dns
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.compat.lookups.follow import chanceOf
from twisted_ext.discovery.targets import Target, checkedPort
from twisted_ext.discovery.weights import grouped
from twisted_ext.endpoints.dial import BindAddress, ConnectorFactory, ProtocolWrapper, failureOf
from twisted_ext.endpoints.endpoints import Options, SRVEndpoint
from twisted_ext.errors import CallerFault
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress, IReactorTime

__all__ = ["SRVConnector"]

_newLookupError: Final[Callable[[str], DNSLookupError]] = DNSLookupError
_newSRV: Final[Callable[[int, int, int, str], dns.Record_SRV]] = dns.Record_SRV
_newUserError: Final[Callable[[], UserError]] = UserError

#: The arguments of C{connectTCP} after host, port and factory.
_ARGUMENTS: Final = ("timeout", "bindAddress")


@implementer(IConnector)
class SRVConnector:
    """
    Connects a factory to a service by its SRV records, as L{SRVEndpoint} does: C{clientConnectionFailed} is called when all servers have
    failed, and each C{connect} looks up the records.

    A subclass may override C{pickServer}, as with Twisted's: then it is called once for each SRV record, or once if there are none, and its
    results are tried in that order.

    On a reactor that does not provide L{IReactorPluggableResolver}, such as Twisted's C{MemoryReactor}, C{connectTCP} is called with server
    names instead of addresses.

    @ivar state: C{"disconnected"}, C{"connecting"} or C{"connected"}.
    @ivar service: the service, as given.
    @ivar domain: the domain as octets, or L{None}: then connecting fails.
    @ivar protocol: the transport protocol, as given.
    @ivar servers: the SRV records of this round that C{pickServer} has not picked yet; L{None} before they are looked up.
    @ivar orderedServers: the records that it has picked.
    """

    _log = Logger(__name__)

    def __init__(
        self,
        reactor: IReactorTime,
        service: str | bytes,
        domain: str | bytes | None,
        factory: ConnectorFactory,
        protocol: str | bytes = "tcp",
        connectFuncName: str = "connectTCP",
        connectFuncArgs: Sequence[object] = (),
        connectFuncKwArgs: Mapping[str, object] | None = None,
        defaultPort: int | None = None,
        *,
        resolver: object = None,
    ) -> None:
        """
        @param service: such as C{"xmpp-client"}, without underscore.
        @param connectFuncName: C{"connectTCP"}, the only one supported: for others, use an endpoint.
        @param connectFuncArgs: C{timeout} and C{bindAddress}, as C{connectTCP} takes them.
        @param connectFuncKwArgs: the same as keyword arguments.
        @param defaultPort: the port to connect to at the domain itself if it has no SRV records; L{None} for the service's port in the
            system's services file, if listed there.
        @param resolver: see L{twisted_ext.endpoints.endpoints}.

        @raise CallerFault: an argument is not valid or not supported.
        """
        if connectFuncName != "connectTCP":
            raise CallerFault(f"{connectFuncName}: only connectTCP is supported; use SRVEndpoint, with wrapClientTLS for TLS")
        given = {**dict(zip(_ARGUMENTS, connectFuncArgs, strict=False)), **(connectFuncKwArgs or {})}
        if len(connectFuncArgs) > len(_ARGUMENTS) or not set(_ARGUMENTS).issuperset(given):
            raise CallerFault("connectTCP takes timeout and bindAddress, and nothing else")
        self.reactor = reactor
        self.service = service
        self.domain = None if domain is None else nameToText(nameFromText(_text("domain", domain)), final=False).encode("ascii")
        self.protocol = protocol
        self.factory = factory
        self.state = "disconnected"
        self.servers: list[dns.Record_SRV] | None = None
        self.orderedServers: list[dns.Record_SRV] | None = None
        serviceText, protocolText = _text("service", service), _text("protocol", protocol)
        owner = f"_{serviceText}._{protocolText}"
        if domain is not None:
            owner += f".{_text('domain', domain)}"
            if defaultPort is None:
                defaultPort = _portOf(serviceText, protocolText)
        self._endpoint = _Endpoint(
            self,
            reactor,
            owner,
            defaultPort,
            resolver=resolver,
            timeout=cast("float | None", given.get("timeout")),
            bindAddress=cast("BindAddress", given.get("bindAddress")),
        )
        self._destination: IAddress = HostnameAddress(owner.encode("ascii", "backslashreplace"), 0)
        self._connecting: Deferred[IProtocol] | None = None
        self._transport: ITransport | None = None

    def connect(self) -> None:
        if self.state != "disconnected":
            raise RuntimeError("can't connect in this state")
        self.state = "connecting"
        self.factory.doStart()
        self.factory.startedConnecting(self)
        if self.state == "connecting" and self.domain is None:
            self._ebFailed(failureOf(_newLookupError("Domain is not defined.")))
        elif self.state == "connecting":
            self._connecting = self._endpoint.connect(_Building(self))
            self._connecting.addErrback(self._ebFailed)

    def stopConnecting(self) -> None:
        if self.state != "connecting":
            raise cast("Callable[[str], NotConnectingError]", NotConnectingError)("we're not trying to connect")
        if self._connecting is None:
            self._ebFailed(failureOf(_newUserError()))
        else:
            self._connecting.cancel()

    def disconnect(self) -> None:
        if self.state == "connecting":
            self.stopConnecting()
        elif self._transport is not None:
            self._transport.loseConnection()

    def pickServer(self) -> tuple[str, int | str]:
        """
        Pick the next server by priority and weight (RFC 2782). After the last one, start a new round.

        @return: host and port; the domain and the service name if there are no SRV records.

        @raise RuntimeError: the records have not been looked up.
        """
        if self.servers is None or self.orderedServers is None:
            raise RuntimeError("the SRV records have not been looked up; call connect() first")
        if not self.servers:
            if not self.orderedServers:
                return (self.domain or b"").decode("ascii"), _text("service", self.service)
            self.servers, self.orderedServers = self.orderedServers, []
        weighed = [(each.priority, each.weight, each) for each in self.servers]
        chosen = next(grouped(weighed, chanceOf(None)))
        self.servers.remove(chosen)
        self.orderedServers.append(chosen)
        return str(chosen.target), chosen.port

    def picked(self, targets: Sequence[Target]) -> Sequence[Target]:
        """
        Return the targets that an overridden C{pickServer} picks, else C{targets}.
        """
        self.servers = []
        self.orderedServers = [_newSRV(each.priority, each.weight, each.port, each.host) for each in targets]
        if type(self).pickServer is SRVConnector.pickServer:
            return targets
        own = [self.pickServer() for _ in targets or (None,)]
        protocol = _text("protocol", self.protocol)
        ports = [_portOf(port, protocol) if isinstance(port, str) else port for _, port in own]
        return [Target(host, checkedPort(port)) for (host, _), port in zip(own, ports, strict=True) if port is not None]

    def getDestination(self) -> IAddress:
        return self._destination

    def connected(self, transport: ITransport) -> None:
        self.state = "connected"
        self._connecting = None
        self._transport = transport
        self._destination = transport.getPeer()

    def lost(self, reason: Failure) -> None:
        self.state = "disconnected"
        self._transport = None
        self.factory.clientConnectionLost(self, reason)
        self._ended()

    def _ebFailed(self, failure: Failure) -> None:
        if self.state == "connected":
            # The protocol's makeConnection raised; its connectionLost is called nevertheless.
            self._log.failure("A protocol could not begin: {peer} had accepted the connection.", failure, peer=self._destination)
            return
        self._connecting = None
        self.state = "disconnected"
        if isinstance(failure.value, ConnectingCancelledError):
            failure = failureOf(_newUserError())
        self.factory.clientConnectionFailed(self, failure)
        self._ended()

    def _ended(self) -> None:
        # The factory may have reconnected.
        if self.state == "disconnected":
            self.factory.doStop()


class _Endpoint(SRVEndpoint):
    """
    An endpoint that passes the targets of the SRV records through its connector.
    """

    def __init__(
        self, connector: SRVConnector, reactor: IReactorTime, owner: str, defaultPort: int | None, **options: Unpack[Options]
    ) -> None:
        super().__init__(reactor, owner, defaultPort, **options)
        self._connector = connector
        if not IReactorPluggableResolver.providedBy(reactor):
            self._way.byName = True

    def _cbFound(self, targets: list[Target]) -> Sequence[Target]:
        return super()._cbFound(list(self._connector.picked(targets)))


class _Building(Factory[Protocol]):
    """
    Builds protocols with the connector's factory, without notifying the factory of single attempts.
    """

    noisy = False

    def __init__(self, connector: SRVConnector) -> None:
        self._connector = connector

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        inner = self._connector.factory.buildProtocol(cast("IAddress", addr))
        return None if inner is None else _Line(self._connector, inner)


class _Line(ProtocolWrapper):
    def __init__(self, connector: SRVConnector, inner: IProtocol) -> None:
        super().__init__(inner)
        self._connector = connector

    def connectionMade(self) -> None:
        transport = cast(ITransport, self.transport)
        self._connector.connected(transport)
        self.inner.makeConnection(transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._connector.lost(reason)


def _portOf(service: str, protocol: str) -> int | None:
    try:
        return getservbyname(service, protocol)
    except OSError:
        return None


def _text(what: str, word: object) -> str:
    if isinstance(word, bytes):
        return word.decode("ascii", "backslashreplace")
    if not isinstance(word, str):
        raise CallerFault(f"{what}: {word!r:.80} is not text")
    return word
