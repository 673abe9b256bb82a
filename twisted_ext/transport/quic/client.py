"""
The client's end of one QUIC connection, from its socket to its end: the handshake, and who the server is. What the streams carry is up to
subclasses: L{DNS over QUIC<twisted_ext.transport.quic.attempt>} and L{HTTP/3<twisted_ext.transport.https.h3link>}.

Needs the extra C{quic}.
"""

from __future__ import annotations

import ssl
from datetime import timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.errors import BadDescription, Unreachable
from twisted_ext.limits import MESSAGE_SIZE, TLS_SESSION_SECONDS
from twisted_ext.transport.quic.link import QuicLink, WatchedConnection
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSDetails, namesOf, pinOf, pinToText

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioquic.tls import SessionTicket
    from cryptography.x509 import Certificate

    from twisted_ext.transport.tls.terms import TLSTerms

__all__ = ["QuicClient"]

#: Seconds without a datagram after which a QUIC connection to a server is considered dead.
_QUIC_SILENT: Final = 30.0

#: Octets of the largest datagram that is read.
_DATAGRAM: Final = 65535

#: Octets of our connection ids, and of the token of a stateless reset.
_ID: Final = 8
_TOKEN: Final = 16

#: The TLS alert for a certificate that is not accepted, as a code of QUIC (RFC 9001, section 4.8).
_BAD_CERTIFICATE: Final = QuicErrorCode.CRYPTO_ERROR + 42

#: The alert for no protocol in common.
_NO_PROTOCOL: Final = QuicErrorCode.CRYPTO_ERROR + 120


class QuicClient(DatagramProtocol):
    """
    @ivar complete: whether the handshake is complete and the server authenticated. Nothing is sent before.
    @ivar resumed: whether it continues an earlier session.
    @ivar noError: the code for a connection that is no longer needed.
    """

    noisy = False
    noError = 0

    def __init__(
        self,
        reactor: IReactorTime,
        server: Server,
        terms: TLSTerms,
        alpn: str,
        *,
        name: str = "",
        ticket: SessionTicket | None = None,
        streamOctets: int = int(MESSAGE_SIZE.default) + 2,
    ) -> None:
        """
        @param name: the server's name, if it has another one than C{terms}.
        @param ticket: the session to continue.
        @param streamOctets: what the server may send on a stream.
        """
        self.complete = False
        self.resumed = False
        self._server = server
        self._terms = terms
        self._name = name
        self._alpn = alpn
        self._reactor = reactor
        self._address = (server.address, server.port)
        self._port: IListeningPort | None = None
        self._refusing: IDelayedCall | None = None
        self._pumping: IDelayedCall | None = None
        self._over = False
        wanted = terms.nameFor(server, name)
        configuration = QuicConfiguration(
            alpn_protocols=[alpn],
            is_client=True,
            connection_id_length=_ID,
            # The name is checked by the terms; here it is only sent, and only if it is no address.
            server_name=wanted if wanted and not _isAddress(wanted) else None,
            verify_mode=ssl.CERT_NONE,
            idle_timeout=_QUIC_SILENT,
            max_stream_data=streamOctets,
            session_ticket=ticket if ticket is not None and ticket.is_valid else None,
        )
        self._connection = WatchedConnection(configuration=configuration, session_ticket_handler=self._remember)
        self._link = QuicLink(reactor, self._connection, self._send, self)

    # -- for subclasses

    def authenticated(self) -> None:
        """
        Called once the server is known to be the right one.
        """

    def pumped(self) -> None:
        """
        Called after datagrams were handled: the server may permit more streams now.
        """

    def lost(self, reason: str) -> None:
        """
        Called once when the connection has ended, unless C{leave} ended it.
        """

    def resumable(self, ticket: SessionTicket) -> None:
        """
        Called with a session that a later connection can continue.
        """

    def codeName(self, code: int) -> str:
        """
        Return the name of an error code of the protocol that the streams carry.
        """
        return hex(code)

    def start(self) -> None:
        """
        Open the socket, and begin the handshake.

        @raise Unreachable: there is no socket, or no route.
        """
        label = self._server.label
        if not IReactorUDP.providedBy(self._reactor):
            raise Unreachable(f"{label} cannot be reached over QUIC: {self._reactor!r} cannot do UDP", server=label)
        try:
            self._port = IReactorUDP(self._reactor).listenUDP(0, self, "::" if ":" in self._address[0] else "", _DATAGRAM)
            transport = self.transport
            assert transport is not None
            # The kernel drops datagrams from others, and reports closed ports.
            transport.connect(*self._address)
        except (CannotListenError, OSError) as error:
            self._closePort()
            raise Unreachable(f"{label} cannot be reached over QUIC: {error}", server=label) from error
        self._link.connect(self._address)

    def flush(self) -> None:
        self._link.pump()

    def leave(self) -> None:
        """
        Close the connection.
        """
        if not self._over:
            self._link.close(self.noError)
            self._finish()

    # -- the socket

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        if not self._over:
            if datagram[1 : 1 + _ID] != self._connection.host_cid and self._isReset(datagram):
                self._link.drop()
                self.fail("it does not know the connection any more")
                return
            self._link.receive(datagram, self._address)
            if self._pumping is None:
                # Handle all datagrams of one turn together.
                self._pumping = self._reactor.callLater(0, self._pump)

    def _isReset(self, datagram: bytes) -> bool:
        """
        Return whether the server has forgotten the connection (RFC 9000, section 10.3). aioquic takes this for noise.
        """
        connection = self._connection
        said = datagram[-_TOKEN:]
        known = [each.stateless_reset_token for each in (connection._peer_cid, *connection._peer_cid_available)]
        return len(datagram) > _TOKEN and any(compare_digest(said, token) for token in known if token)

    def _pump(self) -> None:
        self._pumping = None
        self._link.pump()
        if not self._over:
            self.pumped()

    def connectionRefused(self) -> None:
        # Sending may call this, in the midst of something else.
        if self._refusing is None and not self._over:
            self._refusing = self._reactor.callLater(0, self._refused)

    def stopProtocol(self) -> None:
        # Reactors that poll close a connected port when the kernel reports that nothing listens there.
        if self._port is not None:
            self.connectionRefused()

    def _refused(self) -> None:
        self._refusing = None
        self._link.drop()
        self.fail("nothing listens there")

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
        problem = "" if resumed else self._terms.problem(self._server, self._name, self._certificates())
        if problem:
            self._connection.close(_BAD_CERTIFICATE, QuicFrameType.CRYPTO, "certificate not accepted")
            self.fail(problem)
            return
        self.complete = True
        self.resumed = resumed
        self.authenticated()

    def received(self, stream: int, data: bytes, end: bool) -> None:
        raise NotImplementedError

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        raise NotImplementedError

    def ended(self, code: int, reason: str, byApplication: bool) -> None:
        self.fail(_described(code, reason, self.codeName if byApplication else None, self._alpn, self.complete))

    def more(self) -> bool:
        return False

    def broken(self, error: Exception) -> None:
        # The reactor logs it.
        raise error

    def issued(self, connectionId: bytes) -> None:
        pass

    def retired(self, connectionId: bytes) -> None:
        pass

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
            self._alpn,
            namesOf(certificates[0]) if certificates else "",
            pinToText(pinOf(certificates[0])) if certificates else "",
            self.resumed,
            certificates[0] if certificates else None,
        )

    def _certificates(self) -> list[Certificate]:
        # aioquic has no public way to these.
        tls = self._connection.tls
        own = tls._peer_certificate
        return [] if own is None else [own, *tls._peer_certificate_chain]

    # -- the end

    def _remember(self, ticket: SessionTicket) -> None:
        """
        Pass a session on. Each is used once, so that observers cannot link connections by it (RFC 8446, appendix C.4).
        """
        if self.complete and self._terms.resume:
            # The certificate is not checked again for as long, whatever lifetime the server gives it.
            most = ticket.not_valid_before + timedelta(seconds=TLS_SESSION_SECONDS.default)
            ticket.not_valid_after = min(ticket.not_valid_after, most)
            self.resumable(ticket)

    def fail(self, reason: str, code: int | None = None) -> None:
        """
        End the connection because of what the server did, or did not do.

        @param code: the code for the server, if it is not C{noError}.
        """
        if not self._over:
            self._link.close(self.noError if code is None else code, "" if code is None else reason)
            self._finish()
            self.lost(reason)

    def _finish(self) -> None:
        self._over = True
        if self._refusing is not None:
            self._refusing.cancel()
            self._refusing = None
        if self._pumping is not None:
            self._pumping.cancel()
            self._pumping = None
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


def _described(code: int, reason: str, codeName: Callable[[int], str] | None, alpn: str, complete: bool) -> str:
    """
    Describe in words why a connection has ended.

    @param codeName: names the code if it is one of the protocol that the streams carry, and not of QUIC itself.
    """
    if codeName is not None:
        return f"{codeName(code)}{f' ({reason})' if reason else ''}"
    if code == _NO_PROTOCOL:
        return f"it does not speak {alpn!r}"
    if reason == "Idle timeout":
        return "it did not reply" if not complete else "it has been silent for too long"
    if code == QuicErrorCode.CONNECTION_REFUSED:
        return "it refused the connection"
    if code >= QuicErrorCode.CRYPTO_ERROR:
        return f"the TLS handshake failed with alert {code - QuicErrorCode.CRYPTO_ERROR}{f' ({reason})' if reason else ''}"
    return f"error {code:#x} of QUIC{f' ({reason})' if reason else ''}"
