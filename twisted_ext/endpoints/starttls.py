"""
Encrypt connections to SMTP servers by STARTTLS (RFC 3207) before the caller's protocol is connected, which then begins with the server's
greeting as on any other connection. So every SMTP client is encrypted in the same way, whether it knows STARTTLS or not.

Handshakes describe in one line why a server was not used, those that check TLSA records too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, cast
from typing import Protocol as Shape

from OpenSSL import SSL
from twisted.internet.error import ConnectError, NoProtocol
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IProtocol, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from zope.interface import implementer

from twisted_ext.endpoints.dial import Handshake, RecordingFactory, failureOf
from twisted_ext.limits import STARTTLS_OCTETS
from twisted_ext.transport.tls.faults import peerProblem

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
    from twisted.protocols.tls import TLSMemoryBIOProtocol
    from twisted.python.failure import Failure

__all__ = [
    "AnyServer",
    "CertificateRejected",
    "ChainHandshake",
    "Checked",
    "CheckedHandshake",
    "HandshakeFailed",
    "SMTPStart",
    "StartTLSHandshake",
]

#: A line of a reply: the code, whether another line follows, and text (RFC 5321, section 4.2).
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)

_READY: Final = 220
_DONE: Final = 250

#: Characters of a server's reply that are shown.
_SHOWN: Final = 200


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


class CertificateRejected(HandshakeFailed, SSL.Error):
    """
    OpenSSL has rejected the certificate of a server.
    """


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


class ChainHandshake(Handshake):
    """
    A handshake in which OpenSSL checks the server's certificate. OpenSSL reports that it was not verified, but not why.
    """

    def described(self, reason: Failure) -> Failure:
        from twisted_ext.transport.tls.trust import verifiedChain

        if not isinstance(reason.value, SSL.Error) or "certificate verify failed" not in str(reason.value):
            return reason
        connection = cast("TLSMemoryBIOProtocol", self.transport).getHandle()
        store, shown = connection.get_context().get_cert_store(), connection.get_peer_cert_chain(as_cryptography=True)
        try:
            problem = verifiedChain(store, shown)[1] if store is not None and shown else ""
        except ValueError as fault:
            problem = f"its certificate cannot be read: {fault}"
        return failureOf(CertificateRejected(problem)) if problem else reason


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


class SMTPStart:
    """
    The conversation before TLS. It does no input or output.

    @ivar greeting: the server's greeting, all of its lines.
    @ivar encrypts: whether TLS begins now; L{None} until that is known.
    """

    def __init__(self, required: bool, hello: str) -> None:
        """
        @param required: fail if the server does not offer TLS.
        @param hello: the client's name, or its address in brackets (RFC 5321, section 4.1.3).
        """
        self.greeting = b""
        self.encrypts: bool | None = None
        self._required = required
        self._hello = hello.encode("ascii")
        self._buffer = b""
        self._next = self._greeted

    def receive(self, octets: bytes) -> bytes:
        """
        Take what the server has sent.

        @return: what to send.

        @raise HandshakeFailed: the server is not used.
        """
        self._buffer += octets
        if len(self._buffer) > STARTTLS_OCTETS.default:
            raise HandshakeFailed(f"it sent a reply of more than {STARTTLS_OCTETS.default:.0f} octets before TLS")
        send = b""
        while self.encrypts is None:
            reply = self._taken()
            if reply is None:
                return send
            send += self._next(*reply)
        if self._buffer:
            # An attacker could have inserted them, for the client to take them for encrypted ones (CVE-2011-0411).
            raise HandshakeFailed("it sent more than one reply to a command before TLS")
        return send

    def _taken(self) -> tuple[int, list[bytes], bytes] | None:
        """
        Take a reply from the buffer.

        @return: its code, the texts of its lines, and all of its octets; L{None} if it is not complete.
        """
        texts: list[bytes] = []
        at = 0
        while (end := self._buffer.find(b"\n", at)) >= 0:
            line = _LINE.fullmatch(self._buffer[at:end].removesuffix(b"\r"))
            if line is None:
                raise HandshakeFailed(f"what it sent is not SMTP: {_shown(self._buffer[at:end])}")
            texts.append(line[3] or b"")
            at = end + 1
            if line[2] != b"-":
                octets, self._buffer = self._buffer[:at], self._buffer[at:]
                return int(line[1]), texts, octets
        return None

    def _greeted(self, code: int, texts: list[bytes], octets: bytes) -> bytes:
        if code != _READY:
            raise HandshakeFailed(f"it does not serve this client: {_shown(octets)}")
        self.greeting = octets
        self._next = self._offered
        return b"EHLO " + self._hello + b"\r\n"

    def _offered(self, code: int, texts: list[bytes], octets: bytes) -> bytes:
        if code != _DONE or b"STARTTLS" not in [text.upper().partition(b" ")[0] for text in texts[1:]]:
            return self._without("it does not offer STARTTLS")
        self._next = self._permitted
        return b"STARTTLS\r\n"

    def _permitted(self, code: int, texts: list[bytes], octets: bytes) -> bytes:
        if code != _READY:
            return self._without(f"it refused STARTTLS: {_shown(octets)}")
        self.encrypts = True
        return b""

    def _without(self, problem: str) -> bytes:
        if self._required:
            raise HandshakeFailed(f"{problem}, and nothing is sent to it without TLS")
        self.encrypts = False
        return b""


def _shown(octets: bytes) -> str:
    return repr(" ".join(octets[:_SHOWN].decode("ascii", "backslashreplace").split()))


class StartTLSHandshake(CheckedHandshake):
    """
    Begins with SMTP, and goes on with TLS, or without it.
    """

    def __init__(
        self, reactor: IReactorTime, building: RecordingFactory, timeout: float, checked: Checked, required: bool, hello: str
    ) -> None:
        """
        @param required: fail if the server does not offer TLS.
        @param hello: the client's name for the server, or C{""} for its address.
        """
        super().__init__(reactor, building, timeout, checked)
        self._required = required
        self._hello = hello
        self._plain: _PlainPart | None = None

    def wrapped(self) -> IProtocolFactory:
        return _PlainFactory(self, self._recordingFactory)

    def built(self, address: IAddress) -> _PlainPart:
        """
        Return the protocol on TCP.
        """
        self.address = address
        self._plain = _PlainPart(self, self._required, self._hello)
        return self._plain

    def unencrypted(self, plain: _PlainPart) -> None:
        """
        Connect the caller's protocol without TLS.
        """
        try:
            protocol = self._recordingFactory.buildProtocol(self.address)
            if protocol is None:
                raise NoProtocol()
            plain.inner = protocol
            self._recordingFactory.call(protocol.makeConnection, plain.transport)
        except BaseException as error:
            self.failed(failureOf(error))
            self.close()
            return
        self.done(protocol)

    def done(self, protocol: IProtocol) -> None:
        super().done(protocol)
        assert self._plain is not None
        protocol.dataReceived(self._plain.start.greeting)

    def close(self) -> None:
        plain = self._plain
        if plain is not None and plain.transport is not None:
            cast("ITCPTransport", plain.transport).abortConnection()
        else:
            super().close()


@implementer(IProtocolFactory)
class _PlainFactory:
    noisy = False

    def __init__(self, handshake: StartTLSHandshake, building: RecordingFactory) -> None:
        self._handshake = handshake
        self._recordingFactory = building

    def buildProtocol(self, addr: IAddress) -> IProtocol:
        return self._handshake.built(addr)

    def doStart(self) -> None:
        self._recordingFactory.doStart()

    def doStop(self) -> None:
        self._recordingFactory.doStop()


class _PlainPart(Protocol):
    """
    The protocol on TCP: the conversation before TLS, and then that of TLS or of the caller.

    @ivar inner: the protocol that receives everything once the conversation is over.
    """

    start: SMTPStart

    def __init__(self, handshake: StartTLSHandshake, required: bool, hello: str) -> None:
        self.inner: IProtocol | None = None
        self._handshake = handshake
        self._required = required
        self._hello = hello

    def connectionMade(self) -> None:
        self.start = SMTPStart(self._required, self._hello or _literalOf(cast("ITCPTransport", self.transport).getHost()))

    def dataReceived(self, data: bytes) -> None:
        if self.inner is not None:
            self.inner.dataReceived(data)
            return
        if self._handshake.isOver:
            return
        handshake, transport = self._handshake, cast("ITCPTransport", self.transport)
        try:
            send = self.start.receive(data)
        except HandshakeFailed as problem:
            handshake.failed(failureOf(problem))
            transport.abortConnection()
            return
        if send:
            transport.write(send)
        if self.start.encrypts:
            self.inner = handshake.encrypting().buildProtocol(handshake.address)
            assert self.inner is not None
            self.inner.makeConnection(transport)
        elif self.start.encrypts is not None:
            handshake.unencrypted(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.inner is not None:
            self.inner.connectionLost(reason)
        else:
            self._handshake.failed(failureOf(HandshakeFailed(f"it closed the connection before TLS ({reason.getErrorMessage()})")))


def _literalOf(address: IAddress) -> str:
    """
    Return an address as clients without a name use it in EHLO.
    """
    host = str(getattr(address, "host", "127.0.0.1")).partition("%")[0]
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"
