"""
Connect through an HTTP proxy (CONNECT: RFC 9110, section 9.3.6). The proxy learns the server's name, and nothing of the queries.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IConnector, IProtocol, ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from twisted_ext.limits import HTTPS_PROXY_OCTETS
from twisted_ext.transport.https.requests import shownText

__all__ = ["TunnelFactory"]


class TunnelFactory(ClientFactory):
    """
    Makes the first protocol of a connection to a proxy; another one takes over once the proxy has connected to the server.
    """

    noisy = False

    def __init__(self, inner: TLSMemoryBIOFactory, authority: str, failed: Callable[[str], None]) -> None:
        """
        @param inner: makes the TLS layer for the connection to the server.
        @param authority: host and port of the server, which the proxy looks up.
        @param failed: called with the reason if there is no connection to the server.
        """
        self.inner = inner
        self.authority = authority
        self.failed = failed

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Tunnel(self, addr)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.failed(f"the proxy cannot be reached: {reason.getErrorMessage()}")


class _Tunnel(Protocol):
    transport: ITCPTransport

    def __init__(self, factory: TunnelFactory, addr: IAddress | None) -> None:
        self._factory = factory
        self._addr = addr
        self._inner: IProtocol | None = None
        self._head = b""
        self._problem = ""

    def connectionMade(self) -> None:
        authority = self._factory.authority
        self.transport.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("ascii"))

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if self._problem:
            return
        head, end, rest = (self._head + data).partition(b"\r\n\r\n")
        if not end:
            self._head = head
            if len(head) > HTTPS_PROXY_OCTETS.default:
                self._refuse(f"the proxy sent more than {HTTPS_PROXY_OCTETS.default} octets of headers")
            return
        line = head.partition(b"\r\n")[0]
        version, _, status = line.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
            self._refuse(f"what the proxy sent is not HTTP: {shownText(line)}")
        elif not status.startswith(b"2"):
            self._refuse(f"the proxy answered {shownText(status)}")
        elif rest:
            # The server does not speak before the client has begun TLS.
            self._refuse("the proxy sent octets of its own in front of the server's")
        else:
            self._head = b""
            inner = self._inner = self._built()
            assert inner is not None
            inner.makeConnection(self.transport)

    def _built(self) -> IProtocol | None:
        return self._factory.inner.buildProtocol(self._addr)

    def _refuse(self, problem: str) -> None:
        self._problem = problem
        self._head = b""
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        else:
            self._factory.failed(self._problem or f"the proxy closed the connection: {reason.getErrorMessage()}")
