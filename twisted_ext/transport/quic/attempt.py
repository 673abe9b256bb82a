"""
One QUIC connection to a server, from its socket to its end.

Needs the extra C{quic}.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.errors import BadDescription, BadMessage, Unreachable
from twisted_ext.limits import MESSAGE_SIZE, QUIC_SILENT
from twisted_ext.transport.quic.link import QuicLink, WatchedConnection
from twisted_ext.transport.quic.trust import certificateProblem
from twisted_ext.transport.quic.wire import (
    ALPN,
    NO_ERROR,
    PROTOCOL_ERROR,
    REQUEST_CANCELLED,
    StreamMessage,
    codeName,
    isClients,
)
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSDetails, namesOf, pinOf, pinToText
from twisted_ext.wire.framing import frame

if TYPE_CHECKING:
    from aioquic.tls import SessionTicket
    from cryptography.x509 import Certificate

    from twisted_ext.transport.quic.exchange import QuicExchange

__all__ = ["QuicAttempt"]

#: Octets of the largest datagram that is read.
_DATAGRAM: Final = 65535

#: The TLS alert for a certificate that is not accepted, as a code of QUIC (RFC 9001, section 4.8).
_BAD_CERTIFICATE: Final = QuicErrorCode.CRYPTO_ERROR + 42

#: The alert for no protocol in common.
_NO_PROTOCOL: Final = QuicErrorCode.CRYPTO_ERROR + 120


class QuicAttempt(DatagramProtocol):
    """
    @ivar complete: whether the handshake is complete and the server authenticated. Nothing is sent before.
    @ivar resumed: whether it continues an earlier session.
    """

    noisy = False

    def __init__(self, exchange: QuicExchange, reactor: IReactorTime) -> None:
        self.complete = False
        self.resumed = False
        self._exchange = exchange
        self._reactor = reactor
        server = exchange.server
        self._address = (server.address, server.port)
        self._messages: dict[int, StreamMessage] = {}
        self._port: IListeningPort | None = None
        self._refusing: IDelayedCall | None = None
        self._pumping: IDelayedCall | None = None
        self._over = False
        ticket, exchange.ticket = exchange.ticket, None
        wanted = exchange.terms.nameFor(server, exchange.name)
        configuration = QuicConfiguration(
            alpn_protocols=[ALPN],
            is_client=True,
            # The name is checked by certificateProblem; here it is only sent, and only if it is no address.
            server_name=wanted if wanted and not _isAddress(wanted) else None,
            verify_mode=ssl.CERT_NONE,
            idle_timeout=QUIC_SILENT.default,
            max_stream_data=int(MESSAGE_SIZE.default) + 2,
            session_ticket=ticket if ticket is not None and ticket.is_valid else None,
        )
        self._connection = WatchedConnection(configuration=configuration, session_ticket_handler=self._remember)
        self._link = QuicLink(reactor, self._connection, self._send, self)

    def start(self) -> None:
        """
        Open the socket, and begin the handshake.

        @raise Unreachable: there is no socket, or no route.
        """
        label = self._exchange.label
        try:
            self._port = IReactorUDP(self._reactor).listenUDP(0, self, "::" if ":" in self._address[0] else "", _DATAGRAM)
            transport = self.transport
            assert transport is not None
            # The kernel drops datagrams from others, and reports closed ports.
            transport.connect(*self._address)
        except (CannotListenError, OSError) as error:
            self._closePort()
            raise Unreachable(f"{label} cannot be reached by QUIC: {error}", server=label) from error
        self._link.connect(self._address)

    # -- for the exchange

    def write(self, query: bytes) -> int:
        """
        Write a query, which is without its id: by QUIC it is 0 (RFC 9250, section 4.2.1).

        @return: its stream.
        """
        stream = self._connection.get_next_available_stream_id()
        self._link.write(stream, frame(b"\x00\x00" + query), True)
        return stream

    def flush(self) -> None:
        self._link.pump()

    def cancel(self, stream: int) -> None:
        """
        Tell the server that nobody waits for the reply on a stream.
        """
        self._messages.pop(stream, None)
        if not self._over:
            self._link.reset(stream, REQUEST_CANCELLED)
            self._link.refuse(stream, REQUEST_CANCELLED)
            self._link.pump()

    def leave(self) -> None:
        """
        Close the connection.
        """
        if not self._over:
            self._link.close(NO_ERROR)
            self._finish()

    # -- the socket

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        if not self._over:
            self._link.receive(datagram, self._address)
            if self._pumping is None:
                # Handle all datagrams of one turn together.
                self._pumping = self._reactor.callLater(0, self._pump)

    def _pump(self) -> None:
        self._pumping = None
        self._link.pump()

    def connectionRefused(self) -> None:
        # Sending may call this, in the midst of something else.
        if self._refusing is None and not self._over:
            self._refusing = self._reactor.callLater(0, self._refused)

    def _refused(self) -> None:
        self._refusing = None
        self._link.drop()
        self._lost("nothing listens there")

    def _send(self, datagram: bytes, address: object) -> None:
        transport = self.transport
        if transport is not None:
            try:
                transport.write(datagram, self._address)
            except OSError:
                # Equivalent to packet loss.
                pass

    # -- events of the connection

    def negotiated(self, protocol: str | None) -> None:
        pass

    def handshaken(self, resumed: bool) -> None:
        exchange = self._exchange
        problem = "" if resumed else certificateProblem(exchange.terms, exchange.server, exchange.name, self._certificates())
        if problem:
            self._connection.close(_BAD_CERTIFICATE, QuicFrameType.CRYPTO, "certificate not accepted")
            self._lost(problem)
            return
        self.complete = True
        self.resumed = resumed
        exchange.connected(self)

    @property
    def details(self) -> TLSDetails:
        """
        Return the outcome of the handshake.
        """
        schedule = self._connection.tls.key_schedule
        certificates = self._certificates()
        return TLSDetails(
            "TLSv1.3",
            "" if schedule is None else f"TLS_{schedule.cipher_suite.name}",
            ALPN,
            namesOf(certificates[0]) if certificates else "",
            pinToText(pinOf(certificates[0])) if certificates else "",
            self.resumed,
        )

    def _certificates(self) -> list[Certificate]:
        # aioquic has no public way to these.
        tls = self._connection.tls
        own = tls._peer_certificate
        return [] if own is None else [own, *tls._peer_certificate_chain]

    def received(self, stream: int, data: bytes, end: bool) -> None:
        if self._over:
            return
        if not isClients(stream):
            self._violated("it opened a stream")
            return
        self._exchange.heard()
        message = self._messages.pop(stream, None) or StreamMessage(0.0)
        try:
            octets = message.feed(data, end)
            if octets is not None and (octets[0] or octets[1]):
                raise BadMessage("a message whose ID is not 0")
        except BadMessage as fault:
            self._violated(f"it sent {fault}")
            return
        if octets is None:
            self._messages[stream] = message
        else:
            self._exchange.received(self, stream, octets)

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        if reset and not self._over:
            self._messages.pop(stream, None)
            self._exchange.refused(self, stream, f"it reset the stream with {codeName(code)}")

    def ended(self, code: int, reason: str, byApplication: bool) -> None:
        self._lost(_described(code, reason, byApplication, self.complete))

    def more(self) -> bool:
        return False

    def issued(self, connectionId: bytes) -> None:
        pass

    def retired(self, connectionId: bytes) -> None:
        pass

    # -- the end

    def _remember(self, ticket: SessionTicket) -> None:
        """
        Keep a session to continue. Each is used once, so that observers cannot link connections by it (RFC 8446, appendix C.4).
        """
        if self.complete:
            self._exchange.ticket = ticket

    def _violated(self, what: str) -> None:
        self._link.close(PROTOCOL_ERROR, what)
        self._lost(f"{what}, which DNS over QUIC forbids")

    def _lost(self, reason: str) -> None:
        if not self._over:
            self._link.close(NO_ERROR)
            self._finish()
            self._exchange.lost(self, reason)

    def _finish(self) -> None:
        self._over = True
        if self._refusing is not None:
            self._refusing.cancel()
            self._refusing = None
        if self._pumping is not None:
            self._pumping.cancel()
            self._pumping = None
        self._messages.clear()
        self._closePort()

    def _closePort(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            maybeDeferred(port.stopListening)


def _isAddress(name: str) -> bool:
    try:
        Server(name)
    except BadDescription:
        return False
    return True


def _described(code: int, reason: str, byApplication: bool, complete: bool) -> str:
    """
    Describe in words why a connection has ended.
    """
    if byApplication:
        return f"{codeName(code)}{f' ({reason})' if reason else ''}"
    if code == _NO_PROTOCOL:
        return f"it does not speak {ALPN!r}"
    if reason == "Idle timeout":
        return "it did not reply" if not complete else "it has been silent for too long"
    if code == QuicErrorCode.CONNECTION_REFUSED:
        return "it refused the connection"
    if code >= QuicErrorCode.CRYPTO_ERROR:
        return f"the TLS handshake failed with alert {code - QuicErrorCode.CRYPTO_ERROR}{f' ({reason})' if reason else ''}"
    return f"error {code:#x} of QUIC{f' ({reason})' if reason else ''}"
