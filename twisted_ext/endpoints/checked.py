"""
TLS handshakes that describe in one line why a server was not used, such as those that check TLSA records.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from typing import Protocol as Shape

from OpenSSL import SSL
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

from twisted_ext.endpoints.dial import Handshake, RecordingFactory, failureOf
from twisted_ext.transport.tls.faults import peerProblem

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.protocols.tls import TLSMemoryBIOProtocol
    from twisted.python.failure import Failure

__all__ = ["AnyServer", "Checked", "CheckedHandshake", "HandshakeFailed"]


class HandshakeFailed(ConnectError):
    """
    A server was reached, but it could not be authenticated or did not encrypt.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.osError = None
        Exception.__init__(self, text)

    def __str__(self) -> str:
        return self.text


class Checked(Shape):
    """
    The settings and the outcome of one handshake, such as a L{TLSHandshake<twisted_ext.transport.tls.terms.TLSHandshake>}. It provides
    C{IOpenSSLClientConnectionCreator} as well.
    """

    def finish(self) -> str:
        """
        Return why the server is not used although the handshake is complete, in one line, or C{""}.
        """

    def failure(self, reason: Failure, done: bool) -> str:
        """
        Describe in one line why the connection has ended.
        """

    def over(self, keep: bool) -> None:
        """
        Called when the handshake is over.
        """


class CheckedHandshake(Handshake):
    """
    A handshake that fails with L{HandshakeFailed}.
    """

    def __init__(self, reactor: IReactorTime, building: RecordingFactory, timeout: float, checked: Checked) -> None:
        super().__init__(reactor, building, timeout, IOpenSSLClientConnectionCreator(checked))
        self._checked = checked

    def refusal(self) -> BaseException | None:
        problem = self._checked.finish()
        return HandshakeFailed(problem) if problem else None

    def described(self, reason: Failure) -> Failure:
        return failureOf(HandshakeFailed(self._checked.failure(reason, False)))

    def ended(self) -> None:
        super().ended()
        self._checked.over(False)


@implementer(IOpenSSLClientConnectionCreator)
class AnyServer:
    """
    Encrypts without authenticating the server, for mail that would be sent in the clear otherwise (RFC 7435).
    """

    def __init__(self, host: str) -> None:
        """
        @param host: the name to send to the server (SNI).
        """
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(_context(), None)
        connection.set_connect_state()
        connection.set_tlsext_host_name(self._host.encode("ascii"))
        return connection

    def finish(self) -> str:
        return ""

    def failure(self, reason: Failure, done: bool) -> str:
        return peerProblem(reason, "TLS", done)

    def over(self, keep: bool) -> None:
        pass


@cache
def _context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    return context
