"""
The test case for HTTP servers on a memory network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.certificates import authority, certificateFor
from tests.endpoints.reaching import ReachingTestCase
from tests.typed import suppressed, trusting

if TYPE_CHECKING:
    from twisted.internet._sslverify import IOpenSSLTrustRoot
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

__all__ = ["WebTestCase", "response", "trustRoot"]

_loadPrivate: Final[Callable[[bytes], PrivateCertificate]] = PrivateCertificate.loadPEM
_loadPublic: Final[Callable[[bytes], Certificate]] = Certificate.loadPEM



def trustRoot() -> IOpenSSLTrustRoot:
    """
    Return the authority of the servers' certificates.
    """
    return trusting([_loadPublic(authority()[0])])


def response(body: str = "", status: str = "200 OK", *headers: str) -> bytes:
    """
    Return the octets of an HTTP response.
    """
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


class Server(Protocol):
    """
    Sends each request the same octets.
    """

    def __init__(self, replies: dict[str, bytes], requests: list[str], close: bool, clock: IReactorTime, pace: float) -> None:
        self._replies = replies
        self._requests = requests
        self._close = close
        self._received = b""
        self._clock = clock
        self._pace = pace
        self._next: IDelayedCall | None = None

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        path = self._received.split(b" ")[1].decode()
        self._requests.append(self._received.decode())
        assert self.transport is not None
        reply = self._replies.get(path, b"")
        if self._pace:
            self._drip(reply)
            return
        self.transport.write(reply)
        if self._close:
            self.transport.loseConnection()

    def _drip(self, left: bytes) -> None:
        assert self.transport is not None
        self.transport.write(left[:1])
        self._next = self._clock.callLater(self._pace, self._drip, left[1:]) if left else None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None


class WebTestCase(ReachingTestCase):
    """
    @ivar requests: what the servers have received.
    """

    # Twisted passes these to OpenSSL.
    suppress = [suppressed(message="Passing pyOpenSSL .* objects is deprecated", category=DeprecationWarning)]

    def setUp(self) -> None:
        super().setUp()
        self.requests: list[str] = []

    def web(
        self,
        address: str,
        replies: dict[str, bytes],
        port: int = 80,
        close: bool = False,
        certificate: str | bytes = "",
        pace: float = 0.0,
    ) -> None:
        """
        Start a server with these replies by path.

        @param certificate: the host that its certificate is for; or the key and the certificate, in PEM; C{""} for no TLS.
        @param pace: the seconds that each octet takes; 0 to send all at once.
        """

        class WebFactory(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                return Server(replies, requests, close, there, pace)

        requests = self.requests
        there = self.network.reactor(address)
        factory: ServerFactory = WebFactory()
        if certificate:
            own = _loadPrivate(certificateFor(certificate) if isinstance(certificate, str) else certificate)
            options = CertificateOptions(own.privateKey.original, own.original)
            factory = cast(ServerFactory, TLSMemoryBIOFactory(options, False, factory, there))
        there.listenTCP(port, factory, interface="::" if ":" in address else "0.0.0.0")
