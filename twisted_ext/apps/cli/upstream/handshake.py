"""
Read a server's certificate and versions by TLS handshakes that authenticate nothing. No query is sent on these connections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import TimedOut, Unreachable
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.faults import peerProblem

if TYPE_CHECKING:
    from cryptography import x509
    from twisted.internet.protocol import ClientFactory as AnyFactory

__all__ = ["VERSIONS", "Handshake", "shakeHands"]

#: The versions of TLS to try, in the order of the output.
VERSIONS: Final = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}


@dataclass(frozen=True, slots=True)
class Handshake:
    """
    The outcome of a handshake.

    @ivar cipher: OpenSSL's name of the cipher suite.
    @ivar protocol: the negotiated ALPN protocol, or C{""}.
    """

    version: str
    cipher: str
    protocol: str
    certificate: x509.Certificate


def shakeHands(
    reactor: IReactorTime, server: Server, version: str, *, name: str, protocols: Sequence[bytes], seconds: float
) -> Deferred[Handshake]:
    """
    Connect with one version of TLS only, and close the connection after the handshake.

    @param version: a key of L{VERSIONS}.
    @param name: the host name to ask for (SNI), or C{""}.

    @return: fails with L{Unreachable} or L{TimedOut}.
    """
    attempt = _Attempt(reactor, server, _Creator(version, name, protocols), seconds)
    attempt.start()
    return attempt.done


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    def __init__(self, version: str, name: str, protocols: Sequence[bytes]) -> None:
        context = self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
        context.set_alpn_protos(list(protocols))
        # The certificate is only displayed; queries are sent on other connections.
        context.set_verify(SSL.VERIFY_NONE, None)
        self.version = version
        self.protocols = " or ".join([repr(each.decode("ascii")) for each in protocols])
        self._name = name
        self.connection: SSL.Connection | None = None

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = self.connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        if self._name:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        return connection

    def outcome(self) -> Handshake | None:
        connection = self.connection
        certificate = None if connection is None else connection.get_peer_certificate(as_cryptography=True)
        if connection is None or certificate is None:
            return None
        protocol = connection.get_alpn_proto_negotiated().decode("ascii", "backslashreplace")
        return Handshake(self.version, connection.get_cipher_name() or "", protocol, certificate)


class _Attempt(ClientFactory):
    noisy = False

    def __init__(self, reactor: IReactorTime, server: Server, creator: _Creator, seconds: float) -> None:
        self.done: Deferred[Handshake] = Deferred(self._cancelled)
        self.creator = creator
        self._reactor = reactor
        self._server = server
        self._seconds = seconds
        self._connector: IConnector | None = None
        self._timer: IDelayedCall | None = None
        self._over = False

    def start(self) -> None:
        self._timer = self._reactor.callLater(self._seconds, self._late)
        factory = cast("AnyFactory", TLSMemoryBIOFactory(self.creator, True, self, self._reactor))
        server = self._server
        self._connector = IReactorTCP(self._reactor).connectTCP(server.address, server.port, factory, timeout=self._seconds)

    def buildProtocol(self, addr: object) -> Protocol:
        return _Connection(self)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.failed(reason.getErrorMessage())

    def shaken(self) -> None:
        outcome = self.creator.outcome()
        if outcome is None:
            self.failed("it showed no certificate")
        elif self._end():
            self.done.callback(outcome)

    def failed(self, problem: str) -> None:
        if self._end():
            text = f"{self._server.label} does not speak {self.creator.version}: {problem}"
            self.done.errback(Unreachable(text, server=self._server.label))

    def _late(self) -> None:
        self._timer = None
        if self._end():
            label = self._server.label
            self.done.errback(TimedOut(f"{label} did not finish a handshake in {self._seconds:g} seconds", server=label))

    def _cancelled(self, done: Deferred[Handshake]) -> None:
        self._end()

    def _end(self) -> bool:
        if self._over:
            return False
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._connector is not None:
            self._connector.disconnect()
        return True


@implementer(IHandshakeListener)
class _Connection(Protocol):
    transport: TLSMemoryBIOProtocol

    def __init__(self, attempt: _Attempt) -> None:
        self._attempt = attempt

    def handshakeCompleted(self) -> None:
        self._attempt.shaken()
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._attempt.failed(peerProblem(reason, self._attempt.creator.protocols, False))
        self._attempt.creator.connection = None
