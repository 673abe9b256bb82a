"""
The QUIC connections of a listener: which datagram belongs to which connection, who may open one, and for how long it stays.

aioquic takes one certificate for all connections, and does not tell the name that a client asks for (SNI). The first message of the
handshake is therefore read twice, once for the name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from hashlib import blake2s
from typing import TYPE_CHECKING, Final

from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.packet import encode_quic_retry, encode_quic_version_negotiation
from aioquic.quic.retry import QuicRetryTokenHandler
from aioquic.tls import Context, pull_client_hello

from twisted_ext.packetcache.clients import Bucket
from twisted_ext.server.limits import (
    CLIENT_STREAM_IN_FLIGHT,
    CLIENT_STREAM_MESSAGE,
    CLIENT_STREAM_STALLED,
    CLIENT_STREAM_UNREAD,
    QUIC_CONNECTIONS,
    QUIC_CONNECTIONS_PER_PEER,
    QUIC_HALF_OPEN,
    QUIC_IDLE,
)
from twisted_ext.server.listeners.quic.serving import QuicReplySource, QuicServing
from twisted_ext.server.listeners.tls.serving import HandshakeLog
from twisted_ext.server.reply.ratelimit import siteOf
from twisted_ext.transport.faultlog import FaultLog
from twisted_ext.transport.quic.link import WatchedConnection
from twisted_ext.transport.quic.wire import ALPN, Initial, initialOf, reservedVersion

if TYPE_CHECKING:
    from aioquic._buffer import Buffer
    from aioquic.quic.connection import NetworkAddress
    from aioquic.tls import SessionTicket
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.server.listeners.tls.certificates import Certificates, Pair

__all__ = ["MakeQuicServing", "QuicServings", "ServerConnection"]

#: TLS sessions that the server remembers for resumption over QUIC, each for one use, so that early data cannot be replayed.
_QUIC_TICKETS: Final = 4096

#: Octets of one stream that a client may send before the server reads them; the window grows as they arrive. Queries take less than 1 KB.
_QUIC_STREAM_WINDOW: Final = 4096

#: Stateless resets per second (RFC 9000, section 10.3): replies to packets of connections that the server does not know, such as those of a
#: process that has ended.
_QUIC_RESETS: Final = 100.0

#: Octets of unfinished messages of one QUIC connection: the largest update, and one for each of the other streams.
_QUIC_PARTIAL_OCTETS: Final = 1 << 17

#: Octets of unfinished requests and unread replies of all QUIC connections of a listener. Beyond it, the connection with most of them is
#: closed.
_QUIC_HELD: Final = 8 << 20

#: Streams of one QUIC connection that the client may cancel, beyond as many as were answered. Each makes the server work for no reply.
_QUIC_CANCELS: Final = 100

#: Makes what serves a connection, from the connections of the listener, the client's address and aioquic's connection.
MakeQuicServing = Callable[["QuicServings", "NetworkAddress", "ServerConnection"], QuicServing]

#: Seconds between two sweeps.
_SWEEP: Final = 0.5

#: Octets of the connection ids that we choose.
_ID: Final = 8

#: Octets of the token of a stateless reset, and of the whole, which has to look like any other packet (RFC 9000, section 10.3).
_TOKEN: Final = 16
_RESET: Final = 42
_RESET_LEAST: Final = 21

#: The transport parameter disable_active_migration, which has no value (RFC 9000, section 18.2): from another address or port, datagrams
#: may reach a process that does not know the connection.
_NO_MIGRATION: Final = b"\x0c\x00"

#: Fraction of the connection limit to close at once, so that not every new connection needs a search.
_MAKE_ROOM: Final = 16


class _Context(Context):
    pairFor: Callable[[str], Pair]
    serverName = ""

    def _server_handle_hello(self, input_buf: Buffer, initial_buf: Buffer, handshake_buf: Buffer) -> None:
        start = input_buf.tell()
        hello = pull_client_hello(input_buf)
        input_buf.seek(start)
        self.serverName = hello.server_name or ""
        pair = self.pairFor(self.serverName)
        self.certificate, self.certificate_chain, self.certificate_private_key = pair.leaf, list(pair.chain), pair.key
        super()._server_handle_hello(input_buf, initial_buf, handshake_buf)


class ServerConnection(WatchedConnection):
    """
    A connection that shows the certificate for the name that the client asks for.
    """

    def __init__(
        self,
        configuration: QuicConfiguration,
        pairFor: Callable[[str], Pair],
        original: bytes,
        retried: bytes | None,
        fetch: Callable[[bytes], SessionTicket | None],
        keep: Callable[[SessionTicket], None],
        tokenFor: Callable[[bytes], bytes],
        streams: int,
    ) -> None:
        """
        @param pairFor: returns the certificate for a name, C{""} if the client sends none.
        @param original: the id to which the client has sent its first datagram.
        @param retried: the id that it was given by a Retry.
        @param tokenFor: returns the token of stateless resets for a connection id.
        @param streams: the number of streams that the client may have open.
        """
        self._pairFor = pairFor
        self._tokenFor = tokenFor
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
            session_ticket_fetcher=fetch,
            session_ticket_handler=keep,
        )
        self._host_cids[0].stateless_reset_token = tokenFor(self.host_cid)
        limit = self._local_max_streams_bidi
        limit.value = limit.sent = min(limit.value, streams)

    @property
    def serverName(self) -> str:
        """
        The name that the client has asked for; C{""} if it has sent none, or nothing yet.
        """
        return str(getattr(self.tls, "serverName", ""))

    def _replenish_connection_ids(self) -> None:
        had = len(self._host_cids)
        super()._replenish_connection_ids()
        for each in self._host_cids[had:]:
            each.stateless_reset_token = self._tokenFor(each.cid)

    def _serialize_transport_parameters(self) -> bytes:
        return super()._serialize_transport_parameters() + _NO_MIGRATION

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        context = self.tls
        context.__class__ = _Context
        assert isinstance(context, _Context)
        context.pairFor = self._pairFor


class _Tickets:
    """
    TLS sessions for resumption. Each is used once: early data that an attacker repeats is not accepted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tickets: dict[bytes, SessionTicket] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, ticket: SessionTicket) -> None:
        if len(self._tickets) >= self._most:
            del self._tickets[next(iter(self._tickets))]
        self._tickets[ticket.ticket] = ticket

    def take(self, label: bytes) -> SessionTicket | None:
        return self._tickets.pop(label, None)

    def clear(self) -> None:
        self._tickets.clear()


class QuicServings:
    """
    The connections of one listener.

    It does no I/O: the listener passes datagrams to L{received}, and C{write} sends some.

    @ivar failures: logs handshakes that fail.
    @ivar local: the server's address and port, or L{None}.
    @ivar retries: the number of clients that had to prove their addresses.
    @ivar turnedAway: the number of connections that were closed or ignored because there were too many.
    @ivar held: octets of unfinished requests and unread replies, as far as counted.
    @ivar mark: a version without a protocol (RFC 9000, section 15), by which the watchdog recognizes the replies of this process.
    @ivar idle: seconds between queries.
    @ivar message: seconds for the handshake, and for each message from its first octet to its last.
    @ivar patience: seconds for a reply.
    """

    def __init__(
        self,
        replies: QuicReplySource,
        clock: IReactorTime,
        certificates: Certificates,
        write: Callable[[bytes, NetworkAddress], object],
        *,
        make: MakeQuicServing = QuicServing,
        alpn: str = ALPN,
        secret: bytes = b"",
        most: int | None = None,
        perPeer: int | None = None,
        halfOpen: int | None = None,
        inFlight: int | None = None,
        idle: float | None = None,
    ) -> None:
        """
        @param make: makes what serves a connection.
        @param alpn: its protocol.
        @param secret: what makes the tokens of stateless resets: that of the process before this one on the same socket, and of no other,
            so that clients of the former learn that it has ended. By default a new one.
        """
        self.replies = replies
        self.clock = clock
        self.faults = FaultLog(self._faulty)
        self.failures = HandshakeLog("QUIC" if alpn == ALPN else "HTTP/3")
        self.local: tuple[str, int] | None = None
        self.retries = 0
        self.turnedAway = 0
        self.most = int(QUIC_CONNECTIONS.pick(most))
        self.mostPerPeer = int(QUIC_CONNECTIONS_PER_PEER.pick(perPeer))
        self.mostHalfOpen = int(QUIC_HALF_OPEN.pick(halfOpen))
        self.mostInFlight = int(CLIENT_STREAM_IN_FLIGHT.pick(inFlight))
        self.mostPartial = _QUIC_PARTIAL_OCTETS
        self.mostUnread = int(CLIENT_STREAM_UNREAD.default)
        self.mostCancels = _QUIC_CANCELS
        self.mostHeld = _QUIC_HELD
        self.held = 0
        self.mark = reservedVersion(int.from_bytes(os.urandom(2), "big"))
        self.idle = QUIC_IDLE.pick(idle)
        self.message = CLIENT_STREAM_MESSAGE.default
        self.patience = max(self.idle, CLIENT_STREAM_STALLED.most)
        self._write = write
        self._certificates = certificates
        self._make = make
        self._alpn = alpn
        self._secret = blake2s(secret or os.urandom(32)).digest()
        self._resets = Bucket(_QUIC_RESETS, clock.seconds())
        self._known: tuple[Pair, ...] = ()
        self._configuration: QuicConfiguration | None = None
        self._tokens = QuicRetryTokenHandler()
        self._tickets = _Tickets(_QUIC_TICKETS)
        self._routes: dict[bytes, QuicServing] = {}
        # In the order in which they were opened.
        self._servings: dict[QuicServing, None] = {}
        self._peers: dict[str, dict[QuicServing, None]] = {}
        self._halfOpen: set[QuicServing] = set()
        # Connections with datagrams to handle.
        self._due: dict[QuicServing, None] = {}
        self._turn: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._servings)

    def all(self) -> list[QuicServing]:
        """
        Return the connections in the order in which they were opened.
        """
        return list(self._servings)

    @property
    def halfOpen(self) -> int:
        """
        The number of handshakes under way.
        """
        return len(self._halfOpen)

    @property
    def routes(self) -> int:
        """
        The number of connection ids in use.
        """
        return len(self._routes)

    def _faulty(self, error: BaseException) -> None:
        self.replies.counters.faults += 1

    # -- datagrams

    def received(self, datagram: bytes, address: NetworkAddress) -> None:
        if not datagram or self._closed:
            return
        serving: QuicServing | None = None
        try:
            if datagram[0] & 0x80:
                serving = self._long(datagram, address)
            else:
                serving = self._routes.get(datagram[1 : 1 + _ID])
                if serving is None:
                    self._reset(datagram, address)
            if serving is not None and (serving.host == address[0] or self._rebinds(serving, address[0])):
                if serving.link.receive(datagram, address):
                    self._due[serving] = None
                    if self._turn is None:
                        # Handle all datagrams of one turn together: aioquic looks at all streams whenever it is to send.
                        self._turn = self.clock.callLater(0, self._takeTurn)
                else:
                    # Its first datagram was not acceptable.
                    serving.drop()
        except Exception as error:
            self.broken(error, serving)

    def _rebinds(self, serving: QuicServing, host: str) -> bool:
        """
        Return whether a connection may go on from another address, which its client need not know of (NAT). aioquic validates the path;
        until then the address before counts. Both have the same rights, so that neither gets more by the change.
        """
        if serving.complete and self.replies.isAlike(serving.host, host, serving.door):
            serving.rebinding = True
            return True
        return False

    def _reset(self, datagram: bytes, address: NetworkAddress) -> None:
        """
        Tell a client that its connection is not known here any more, so that it need not wait.
        """
        # Smaller than what came: two servers cannot go on answering each other, and attackers gain nothing.
        size = min(len(datagram) - 1, _RESET)
        if size < _RESET_LEAST or not datagram[0] & 0x40 or self.replies.isDropped(address[0]):
            return
        resets = self._resets
        resets.fill(self.clock.seconds(), _QUIC_RESETS, _QUIC_RESETS)
        if resets.tokens >= 1.0:
            resets.tokens -= 1.0
            start = os.urandom(size - _TOKEN)
            self.send(bytes((start[0] & 0x3F | 0x40,)) + start[1:] + self.tokenFor(datagram[1 : 1 + _ID]), address)

    def tokenFor(self, connectionId: bytes) -> bytes:
        """
        Return the token of stateless resets for a connection id.
        """
        return blake2s(connectionId, key=self._secret, digest_size=_TOKEN).digest()

    def _takeTurn(self) -> None:
        self._turn = None
        due, self._due = self._due, {}
        for serving in due:
            try:
                serving.link.pump()
                if serving.rebinding:
                    serving.rebind()
                self.account(serving)
            except Exception as error:
                self.broken(error, serving)

    def broken(self, error: Exception, serving: QuicServing | None) -> None:
        """
        Log an error of this program, and close the connection in which it happened; the others go on.
        """
        self.faults.note("serving a QUIC connection", error, self.clock.seconds())
        if serving is not None:
            serving.drop()

    def send(self, datagram: bytes, address: NetworkAddress) -> None:
        self._write(datagram, address)

    def _long(self, datagram: bytes, address: NetworkAddress) -> QuicServing | None:
        """
        Find or open the connection for a datagram of the handshake.
        """
        header = initialOf(datagram)
        if header is None:
            return None
        serving = self._routes.get(header.destination)
        if serving is not None:
            return serving
        if len(datagram) < SMALLEST_MAX_DATAGRAM_SIZE or not header.version:
            # Replies to smaller datagrams would let attackers amplify theirs, and version 0 marks replies.
            return None
        configuration = self._configured()
        if header.version not in configuration.supported_versions:
            self.send(
                encode_quic_version_negotiation(
                    source_cid=header.destination,
                    destination_cid=header.source,
                    supported_versions=[*configuration.supported_versions, self.mark],
                ),
                address,
            )
            return None
        if not header.first:
            return None
        return self._accept(header, address, configuration)

    def _accept(self, header: Initial, address: NetworkAddress, configuration: QuicConfiguration) -> QuicServing | None:
        if self.replies.isDropped(address[0]):
            self.replies.counters.dropped += 1
            return None
        site = siteOf(address[0])
        theirs = self._peers.get(site, {})
        original, retried = header.destination, None
        if header.token:
            try:
                original = self._tokens.validate_token(
                    address=address, destination_cid=header.destination, token=header.token, now=self.clock.seconds()
                )
                retried = header.destination
            except ValueError:
                # From an earlier run of this server, or too old: as if there were none.
                pass
        if retried is None and (len(self._halfOpen) >= self.mostHalfOpen or len(theirs) >= self.mostPerPeer):
            self._retry(header, address)
            return None
        if len(theirs) >= self.mostPerPeer and not self._makeRoom(theirs, 1):
            return None
        if len(self._servings) >= self.most and not self._makeRoom(self._servings, 1 + self.most // _MAKE_ROOM):
            return None
        connection = ServerConnection(
            configuration,
            self._certificates.pairFor,
            original,
            retried,
            self._tickets.take,
            self._tickets.add,
            self.tokenFor,
            # Requests beyond these would be refused.
            self.mostInFlight,
        )
        serving = self._make(self, address, connection)
        self._servings[serving] = None
        self._peers.setdefault(site, {})[serving] = None
        self._halfOpen.add(serving)
        self.route(header.destination, serving)
        self.route(connection.host_cid, serving)
        counters = self.replies.counters
        counters.tcpOpened += 1
        counters.tcpOpen += 1
        if self._timer is None:
            self._timer = self.clock.callLater(_SWEEP, self._sweep)
        return serving

    def _retry(self, header: Initial, address: NetworkAddress) -> None:
        """
        Let a client prove that it receives what is sent to its address.
        """
        self.retries += 1
        self.replies.counters.quicRetries += 1
        chosen = os.urandom(_ID)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=header.destination,
            retry_source_connection_id=chosen,
            now=self.clock.seconds(),
        )
        self.send(
            encode_quic_retry(
                version=header.version,
                source_cid=chosen,
                destination_cid=header.source,
                original_destination_cid=header.destination,
                retry_token=token,
            ),
            address,
        )

    def _makeRoom(self, among: Iterable[QuicServing], count: int) -> int:
        """
        Close some connections: those of client networks above their share first, then handshakes under way, then those without requests,
        the oldest first.

        @return: how many were closed.
        """
        self.turnedAway += 1
        self.replies.counters.tcpTurnedAway += 1
        networks: dict[str, int] = {}
        resting: list[QuicServing] = []
        for serving in among:
            networks[serving.network] = networks.get(serving.network, 0) + 1
            if serving.resting:
                resting.append(serving)
        share = max(self.most / len(networks), 1.0) if networks else 1.0
        resting.sort(key=lambda serving: (networks[serving.network] <= share, serving.complete, serving.since))
        for serving in resting[:count]:
            serving.leave()
        return min(len(resting), count)

    def account(self, serving: QuicServing) -> None:
        """
        Count what the server holds for a connection. If it is too much for all of them, close the one with most.
        """
        if serving not in self._servings:
            return
        held = serving.held
        self.held += held - serving.counted
        serving.counted = held
        if self.held > self.mostHeld:
            max(self._servings, key=lambda each: each.counted).overflow()

    def _configured(self) -> QuicConfiguration:
        pairs = self._certificates.pairs
        pair = pairs[0]
        if self._configuration is None or pairs is not self._known:
            self._known = pairs
            # Sessions of an earlier certificate must not outlive it.
            self._tickets.clear()
            self._configuration = QuicConfiguration(
                alpn_protocols=[self._alpn],
                is_client=False,
                connection_id_length=_ID,
                # The sweep closes idle connections before, with a notice to the client.
                idle_timeout=self.idle + self.message,
                max_stream_data=_QUIC_STREAM_WINDOW,
                max_data=self.mostPartial,
                certificate=pair.leaf,
                certificate_chain=list(pair.chain),
                private_key=pair.key,
            )
        return self._configuration

    # -- connections

    def route(self, connectionId: bytes, serving: QuicServing) -> None:
        self._routes[connectionId] = serving
        serving.ids.add(connectionId)

    def unroute(self, connectionId: bytes, serving: QuicServing) -> None:
        if connectionId in serving.ids:
            serving.ids.remove(connectionId)
            del self._routes[connectionId]

    def completed(self, serving: QuicServing) -> None:
        self._halfOpen.discard(serving)
        self.replies.counters.tlsHandshakes += 1

    def closed(self, serving: QuicServing) -> None:
        """
        Unregister a connection.
        """
        if serving not in self._servings:
            return
        del self._servings[serving]
        self.held -= serving.counted
        serving.counted = 0
        theirs = self._peers[serving.site]
        del theirs[serving]
        if not theirs:
            del self._peers[serving.site]
        if serving in self._halfOpen:
            self._halfOpen.remove(serving)
            self.replies.counters.tlsFailed += 1
        for connectionId in list(serving.ids):
            self.unroute(connectionId, serving)
        self.replies.counters.tcpOpen -= 1
        if not self._servings and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = self.clock.callLater(_SWEEP, self._sweep)
        now = self.clock.seconds()
        for serving in list(self._servings):
            if serving.overdue(now):
                self.replies.counters.tcpIdled += 1
                serving.expire()
            else:
                # Timers send, too.
                self.account(serving)

    def close(self) -> None:
        """
        Close all connections and accept no new ones.
        """
        self._closed = True
        self._due.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for serving in list(self._servings):
            serving.leave()
        self._tickets.clear()
