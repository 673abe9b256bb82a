"""
What C{SRVConnector} of L{twisted.names.srvconnect} is, for programs whose factories want to be told of connections by a connector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast
from typing import Protocol as Shape

from twisted.internet.address import HostnameAddress
from twisted.internet.error import ConnectingCancelledError, NotConnectingError, UserError
from twisted.internet.interfaces import (
    IConnector,
    IProtocol,
    IProtocolFactory,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.edges.connections.endpoints import SRVEndpoint
from twisted_ext.edges.connections.passing import Passing
from twisted_ext.errors import CallerFault

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress, IReactorTime

    from twisted_ext.edges.connections.dialing import BindAddress

__all__ = ["SRVConnector"]

_failureOf: Final[Callable[[BaseException], Failure]] = Failure
_newUserError: Final[Callable[[], UserError]] = UserError

#: What C{connectTCP} takes beside host, port and factory.
_ARGUMENTS: Final = ("timeout", "bindAddress")


class _Told(Shape):
    """
    A client's factory, such as any L{ClientFactory<twisted.internet.protocol.ClientFactory>}.
    """

    def doStart(self) -> None:
        """
        It is being used.
        """

    def doStop(self) -> None:
        """
        It is no longer used.
        """

    def startedConnecting(self, connector: IConnector) -> None:
        """
        Connecting begins.
        """

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """
        There is a connection.
        """

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """
        There is none.
        """

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        """
        It is gone.
        """


@implementer(IConnector)
class SRVConnector:
    """
    Connects a factory to a service by its SRV records, as L{SRVEndpoint} does: the factory is told of a failure when all servers have
    failed, and each C{connect} begins with the records.

    @ivar state: C{"disconnected"}, C{"connecting"} or C{"connected"}.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        service: str | bytes,
        domain: str | bytes,
        factory: _Told,
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
        @param connectFuncName: C{"connectTCP"}, the only one there is: for others, use an endpoint.
        @param connectFuncArgs: C{timeout} and C{bindAddress}, as C{connectTCP} takes them.
        @param connectFuncKwArgs: the same by name.
        @param defaultPort: where the domain itself has the service if it has no SRV records.
        @param resolver: see L{twisted_ext.edges.connections.endpoints}.

        @raise CallerFault: this cannot be connected to, or not so.
        """
        if connectFuncName != "connectTCP":
            raise CallerFault(f"{connectFuncName}: only connectTCP is there; for others use SRVEndpoint, with wrapClientTLS for TLS")
        given = {**dict(zip(_ARGUMENTS, connectFuncArgs, strict=False)), **(connectFuncKwArgs or {})}
        if len(connectFuncArgs) > len(_ARGUMENTS) or not set(_ARGUMENTS).issuperset(given):
            raise CallerFault("connectTCP takes timeout and bindAddress, and nothing else")
        owner = f"_{_text('service', service)}._{_text('protocol', protocol)}.{_text('domain', domain)}"
        self.factory = factory
        self.state = "disconnected"
        self._endpoint = SRVEndpoint(
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
        if self.state == "connecting":
            self._connecting = self._endpoint.connect(_Building(self))
            self._connecting.addErrback(self._ebFailed)

    def stopConnecting(self) -> None:
        if self.state != "connecting":
            raise cast("Callable[[str], NotConnectingError]", NotConnectingError)("we're not trying to connect")
        if self._connecting is None:
            self._ebFailed(_failureOf(_newUserError()))
        else:
            self._connecting.cancel()

    def disconnect(self) -> None:
        if self.state == "connecting":
            self.stopConnecting()
        elif self._transport is not None:
            self._transport.loseConnection()

    def getDestination(self) -> IAddress:
        return self._destination

    def connected(self, transport: ITransport) -> None:
        """
        There is a connection.
        """
        self.state = "connected"
        self._connecting = None
        self._transport = transport
        self._destination = transport.getPeer()

    def lost(self, reason: Failure) -> None:
        """
        It is gone.
        """
        self.state = "disconnected"
        self._transport = None
        self.factory.clientConnectionLost(self, reason)
        self._ended()

    def _ebFailed(self, failure: Failure) -> None:
        if self.state == "connected":
            # The protocol could not begin, and learns that its connection is lost.
            self._log.failure("A protocol could not begin: {peer} had accepted the connection.", failure, peer=self._destination)
            return
        self._connecting = None
        self.state = "disconnected"
        if isinstance(failure.value, ConnectingCancelledError):
            failure = _failureOf(_newUserError())
        self.factory.clientConnectionFailed(self, failure)
        self._ended()

    def _ended(self) -> None:
        # The factory may have begun again.
        if self.state == "disconnected":
            self.factory.doStop()


@implementer(IProtocolFactory)
class _Building:
    """
    Builds a factory's protocols. Of attempts the factory is not told.
    """

    noisy = False

    def __init__(self, connector: SRVConnector) -> None:
        self._connector = connector

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        inner = self._connector.factory.buildProtocol(addr)
        return None if inner is None else _Line(self._connector, inner)

    def doStart(self) -> None:
        pass

    def doStop(self) -> None:
        pass


class _Line(Passing):
    """
    Tells the connector when the connection comes and goes.
    """

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


def _text(what: str, word: object) -> str:
    if isinstance(word, bytes):
        return word.decode("ascii", "backslashreplace")
    if not isinstance(word, str):
        raise CallerFault(f"{what}: {word!r:.80} is no text")
    return word
