"""
Connections from trusted proxies, which begin with a PROXY header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast
from typing import Protocol as TypingProtocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_ext.errors import BadMessage
from twisted_ext.server.listeners.proxies.header import headerIn

if TYPE_CHECKING:
    from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
    from twisted_ext.server.listeners.stream import MakeServing, StreamFactory

__all__ = ["ProxiedStream"]


class _Switching(TypingProtocol):
    """
    A transport, whose protocol can be replaced.
    """

    protocol: Protocol


class ProxiedStream(Protocol):
    """
    The protocol of a connection until its header is read; then that of the listener takes over, with the client that the header names.

    A connection without a header goes on as the proxy's own: DNS requests on it are refused, unless HTTP names the client.
    """

    transport: ITCPTransport

    def __init__(self, servings: StreamFactory, address: IAddress | None, make: MakeServing | None, proxies: TrustedProxies) -> None:
        self._servings = servings
        self._address = address
        self._make = make
        self._proxies = proxies
        self._data = b""
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._servings.began(self)
        self._timer = self._servings.clock.callLater(self._servings.message, self.abort)

    def dataReceived(self, data: bytes) -> None:
        if self._timer is None:
            return
        self._data = data = self._data + data
        try:
            header = headerIn(data)
        except BadMessage:
            self.abort()
            return
        if header is None:
            return
        address = self._address
        if header.host:
            make = IPv6Address if ":" in header.host else IPv4Address
            address = make("TCP", self._proxies.nameOf(header.host), header.port)
        self._goOn(address, data[header.octets :])

    def _goOn(self, address: IAddress | None, rest: bytes) -> None:
        self._stop()
        servings = self._servings
        serving = servings.buildProtocol(address, self._make)
        if serving is None:
            self.transport.abortConnection()
            return
        # From now on the reactor passes events to this one.
        cast(_Switching, self.transport).protocol = serving
        begin: Callable[[object], object] = serving.makeConnection
        begin(self.transport)
        servings.passed(self)
        if rest:
            serving.dataReceived(rest)

    def _stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def abort(self) -> None:
        self._stop()
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop()
        self._servings.passed(self)
