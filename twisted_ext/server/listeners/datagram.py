"""
The UDP listener.

On reactors with file descriptors it reads its own socket in batches; on others it uses C{listenUDP}.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorFDSet, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.errors import BadMessage, CallerFault, Unreachable
from twisted_ext.interfaces import IDirectReader
from twisted_ext.limits import LISTENER_BATCH, LISTENER_BUFFER, LISTENER_MISSES, LISTENER_TURN
from twisted_ext.native import chosen
from twisted_ext.native.loops import Place, joined
from twisted_ext.packetcache.doors import NOWHERE, doorAt
from twisted_ext.packetcache.packetcache import Address
from twisted_ext.server.config.places import labelOf
from twisted_ext.server.listeners.proxies.header import headerIn
from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
from twisted_ext.server.listeners.sockets import boundTo
from twisted_ext.server.reply.packetcaches import PROXIES
from twisted_ext.transport.pollers import outboxOf

if TYPE_CHECKING:
    from twisted_ext.packetcache.clients import Client
    from twisted_ext.server.reply.respond import Later, Responder

__all__ = ["DatagramListener", "datagramSocket"]

#: Maximum octets read of a datagram: no query is larger, and a truncated one is malformed.
_SIZE: Final = 4096

#: Datagrams in a full batch.
_BATCH: Final = int(LISTENER_BATCH.default)

#: After a batch of so many datagrams the socket is read again at once: about as many have arrived meanwhile, and another turn of the
#: reactor costs as much as several replies. After a smaller one this would mostly find nothing.
_MORE: Final = 8

#: Batches in one reactor turn: some milliseconds' worth, so that other descriptors get their turn. A flood of less than 200,000 datagrams
#: per second is read as fast as it arrives.
_BATCHES: Final = 16

#: Approximate number of replies and queries to hold back.
_KEPT_BACK: Final = 32

#: Packet cache misses processed between two reads of the clock.
_LOOK: Final = 8

_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)
_RECVPKTINFO: Final = getattr(socket, "IPV6_RECVPKTINFO", 49)
_RCVBUFFORCE: Final = 33
_MTU_DISCOVER: Final = 10
_MTU_OMIT: Final = 5


def datagramSocket(address: str, port: int, *, shared: bool = False) -> socket.socket:
    """
    Bind a UDP socket to serve on, see L{boundTo}.

    @param address: an address of this machine; C{0.0.0.0} or C{::} for all of that family.
    @param port: 0 for any free port.

    @raise CallerFault: the address is not valid.
    @raise Unreachable: the socket cannot be bound.
    """
    try:
        return boundTo(address, port, socket.SOCK_DGRAM, shared)
    except socket.gaierror as error:
        raise CallerFault(f"{address!r} is not an address to listen at: {error.strerror}") from None
    except OSError as error:
        raise Unreachable(f"cannot listen at {labelOf(address, port)} over UDP: {error.strerror}") from error


class _Proxied:
    """
    Answers datagrams of trusted proxies, which begin with a PROXY header, as those of the clients that they name.
    """

    def __init__(self, responder: Responder, proxies: TrustedProxies) -> None:
        self._responder = responder
        self._proxies = proxies
        self.door = NOWHERE

    def answer(self, datagram: bytes, address: Address, proxy: Client, send: Callable[[bytes], None], now: float) -> bool:
        """
        @param address: the proxy's.
        @param send: sends a reply to the proxy.

        @return: whether there is a header, so that the datagram is handled.
        """
        counters = self._responder.counters
        try:
            header = headerIn(datagram)
        except BadMessage:
            counters.dropped += 1
            return True
        if header is None or not header.octets:
            return False
        octets = datagram[header.octets :]
        if not header.host:
            # The proxy asks for itself, such as whether the server is there.
            self._responder.take(octets, address, "udp", send, None, proxy, door=self.door)
            return True
        named: Address = (self._proxies.nameOf(header.host), header.port)
        arrived = [(octets, named)]

        def reply(queries: list[tuple[bytes, Address]], replies: list[bytes]) -> int:
            for octets, _ in joined(queries, replies):
                send(octets)
            return 0

        def beyond(inner: bytes, address: Address, client: Client, now: float) -> None:
            self._responder.take(inner, address, "udp", send, None, client, door=self.door)

        # It was counted as a datagram of the proxy.
        counters.udp -= 1
        counters.udpBeyond -= 1
        self._responder.packetCache.drain(lambda: arrived, reply, now, beyond, counters, None, self.door)
        return True


class _Way:
    """
    Sends replies to one client.

    @ivar place: as the socket knows it.
    @ivar address: as everything else does.
    """

    __slots__ = ("_reader", "place", "address")

    def __init__(self, reader: _Reader, place: Place, address: Address) -> None:
        self._reader = reader
        self.place = place
        self.address = address

    def __call__(self, octets: bytes) -> None:
        self._reader.reply(octets, self.place)


class _Reader:
    def __init__(self, listener: DatagramListener, made: socket.socket) -> None:
        made.setblocking(False)
        self.socket = made
        self._listener = listener
        self._responder = responder = listener.responder
        self._proxied = listener.proxied
        self._packetCache = responder.packetCache
        self._counters = responder.counters
        self._seconds = responder.seconds
        self._door = listener.door
        batches = chosen.batches
        everywhere = ip_address(made.getsockname()[0].partition("%")[0]).is_unspecified
        # Clients accept replies only from the address that they sent the query to.
        self._receive = partial(batches.receiveEverywhere if everywhere else batches.receive, made, _BATCH, _SIZE)
        self._send = partial(batches.sendEverywhere if everywhere else batches.send, made)
        self._sendReplies = partial(batches.sendRepliesEverywhere if everywhere else batches.sendReplies, made)
        self._addressOf = batches.addressOf
        # Replies that the outbox holds back.
        self._held: list[tuple[bytes, Place]] = []
        self._outbox = outboxOf(listener.reactor)
        self._clock = listener.reactor
        # Packet cache misses, with the way back and the client.
        self._missed: deque[tuple[bytes, _Way, Client]] = deque()
        # Those of them that need a look-up.
        self._later: deque[Later] = deque()
        self._most = int(LISTENER_MISSES.default)
        self._spend = LISTENER_TURN.default
        self._turn: IDelayedCall | None = None
        self._take = responder.take
        # Whether to defer misses: the time of this turn is spent, or misses of earlier turns are waiting.
        self._deferring = False
        # Turns in which something was read.
        self.heard = 0
        _prepare(made)
        if everywhere and made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, _RECVPKTINFO, 1)
        elif everywhere:
            made.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)

    def fileno(self) -> int:
        return self.socket.fileno()

    def doRead(self) -> None:
        # A reactor stops reading from a descriptor whose doRead raises.
        outbox = self._outbox
        outbox.open = True
        try:
            try:
                behind = self._deferring = bool(self._missed)
                now = self._seconds()
                until = now + self._spend
                self._responder.later = self._later
                read = 0
                for _ in range(_BATCHES):
                    count = self._drain(now)
                    read += count
                    if count < _MORE or (count < _BATCH and self._later):
                        break
                    now = self._seconds()
                    if now >= until:
                        self._deferring = True
                    if outbox.count >= _KEPT_BACK:
                        outbox.flush(now)
                if read:
                    self.heard += 1
                if behind:
                    self._answerMissed()
                if self._missed or self._later:
                    self._leave()
            finally:
                self._responder.later = None
                outbox.open = False
                if outbox.count:
                    outbox.flush(self._seconds())
        except Exception as error:
            self._failed(error)

    def _answerMissed(self) -> None:
        """
        Answer deferred misses of earlier turns that need no look-up, within the time of a reactor turn.
        """
        missed = self._missed
        take = self._take
        outbox = self._outbox
        now = self._seconds()
        until = now + self._spend
        while missed and now < until:
            try:
                for _ in range(min(_LOOK, len(missed))):
                    datagram, way, client = missed.popleft()
                    take(datagram, way.address, "udp", way, None, client, door=self._door)
                if outbox.count >= _KEPT_BACK:
                    outbox.flush(now)
            except Exception as error:
                self._failed(error)
            now = self._seconds()

    def _leave(self) -> None:
        """
        End a reactor turn: start look-ups within its time, and schedule another turn for the rest. Queries that need no look-up never wait
        for those that do.
        """
        missed, later = self._missed, self._later
        responder = self._responder
        outbox = self._outbox
        self._shed(missed)
        self._shed(later)
        now = self._seconds()
        until = now + self._spend
        while later and now < until:
            for _ in range(min(_LOOK, len(later))):
                responder.lookUp(*later.popleft())
            if outbox.count >= _KEPT_BACK:
                outbox.flush(now)
            now = self._seconds()
        if (missed or later) and self._turn is None:
            # Without new datagrams the reactor would not call doRead.
            self._turn = self._clock.callLater(0, self._takeTurn)

    def _shed(self, waiting: deque[Any]) -> None:
        """
        Drop requests beyond the limit: the oldest, since their clients are the likeliest to have retried already.
        """
        shed = len(waiting) - self._most
        if shed > 0:
            for _ in range(shed):
                waiting.popleft()
            self._counters.shed += shed
            self._counters.dropped += shed

    def _takeTurn(self) -> None:
        self._turn = None
        self.doRead()

    def _failed(self, error: Exception) -> None:
        self._responder.faults.note("answering datagrams", error, self._seconds())

    def _drain(self, now: float) -> int:
        return self._packetCache.drain(self._receive, self._sendReplies, now, self._beyond, self._counters, self._failed, self._door)

    def _beyond(self, datagram: bytes, place: Place, client: Client, now: float) -> None:
        """
        Answer a packet cache miss, or defer it to the next turn if this one has no time left.
        """
        address = self._addressOf(place)
        way = _Way(self, place, address)
        if client.group.name == PROXIES and self._proxied.answer(datagram, address, client, way, now):
            return
        if self._deferring:
            self._missed.append((datagram, way, client))
        else:
            self._take(datagram, address, "udp", way, None, client, door=self._door)

    def reply(self, octets: bytes, place: Place) -> None:
        """
        Send a reply, together with others if a batch of datagrams is handled.
        """
        if self._outbox.open:
            self._outbox.hold(self, not self._held)
            self._held.append((octets, place))
        else:
            self._counters.unsent += self._send([(octets, place)])

    def sendHeld(self, now: float) -> None:
        held, self._held = self._held, []
        self._counters.unsent += self._send(held)

    def close(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._missed.clear()
        self._later.clear()
        self.socket.close()

    def connectionLost(self, reason: Failure) -> None:
        self.close()
        self._listener.lose(self, reason.getErrorMessage())

    def logPrefix(self) -> str:
        return "twisted_ext"


classImplements(_Reader, IDirectReader)


def _prepare(made: socket.socket) -> None:
    """
    Enlarge the receive buffer for bursts, and avoid IP fragmentation, which allows spoofed fragments (RFC 9715).
    """
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_RCVBUF, int(LISTENER_BUFFER.default)),
        # More than net.core.rmem_max allows, where this process has CAP_NET_ADMIN.
        (socket.SOL_SOCKET, _RCVBUFFORCE, int(LISTENER_BUFFER.default)),
        (socket.IPPROTO_IP, _MTU_DISCOVER, _MTU_OMIT),
    ):
        try:
            if level != socket.IPPROTO_IP or made.family == socket.AF_INET:
                made.setsockopt(level, option, value)
        except OSError:
            # Optional: not every system has all of these options.
            pass


class _Protocol(DatagramProtocol):
    """
    The protocol of a C{listenUDP} port, for reactors without file descriptors.
    """

    noisy = False

    def __init__(self, listener: DatagramListener) -> None:
        self._listener = listener
        self._responder = listener.responder
        self.heard = 0

    def stopProtocol(self) -> None:
        self._listener.lose(self, "the port was closed")

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        self.heard += 1
        def beyond(datagram: bytes, address: Address, client: Client, now: float) -> None:

            def send(octets: bytes) -> None:
                self._send(octets, address)

            if client.group.name != PROXIES or not self._listener.proxied.answer(datagram, address, client, send, now):
                self._responder.take(datagram, address, "udp", send, None, client, door=door)

        responder, door = self._responder, self._listener.door
        now = responder.seconds()

        def failed(error: Exception) -> None:
            responder.faults.note("answering datagrams", error, now)

        try:
            responder.packetCache.drain(lambda: [(datagram, addr)], self._sendReplies, now, beyond, responder.counters, failed, door)
        except Exception as error:
            failed(error)

    def _sendReplies(self, queries: list[tuple[bytes, Address]], replies: list[bytes]) -> int:
        lost = 0
        for octets, address in joined(queries, replies):
            try:
                self._send(octets, address)
            except OSError:
                lost += 1
        return lost

    def _send(self, octets: bytes, address: Address) -> None:
        transport = self.transport
        if transport is not None:
            # Its type leaves out IPv6 addresses, which have four parts.
            cast("Callable[[bytes, Address], None]", transport.write)(octets, address)


class DatagramListener:
    """
    Serves UDP at one address and port.

    @ivar address: the address, in canonical form.
    @ivar port: the port; after L{start} the real one if it was 0.
    @ivar door: after L{start}, how its clients come in.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        responder: Responder,
        address: str = "127.0.0.1",
        port: int = 53,
        *,
        socket: socket.socket | None = None,
        lost: Callable[[str], object] = lambda reason: None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        """
        @param proxies: whose datagrams may begin with a PROXY header.
        @param address: an address of this machine; C{0.0.0.0} or C{::} for all of that family, at somewhat higher cost.
        @param socket: a bound socket to use instead, for example by the parent process. The listener takes ownership.
        @param lost: called with a line if the reactor gives up listening although L{stop} was not called.
        """
        self.responder = responder
        self.proxied = _Proxied(responder, proxies or TrustedProxies())
        self.address = address
        self.port = port
        self.door = NOWHERE
        self.reactor = reactor
        self._socket = socket
        self._lost = lost
        self._reader: _Reader | None = None
        self._protocol: _Protocol | None = None
        self._listening: IListeningPort | None = None

    def start(self) -> None:
        reactor = self.reactor
        if IReactorFDSet.providedBy(reactor):
            made = self._socket or datagramSocket(self.address, self.port)
            self._socket = None
            self.address, self.port = made.getsockname()[:2]
            self.door = self.proxied.door = doorAt(self.address, self.port)
            reader = _Reader(self, made)
            self._reader = reader
            reactor.addReader(reader)
        elif IReactorUDP.providedBy(reactor):
            protocol = _Protocol(self)
            self._listening = reactor.listenUDP(self.port, protocol, self.address, _SIZE)
            self._protocol = protocol
            host = self._listening.getHost()
            assert isinstance(host, IPv4Address | IPv6Address)
            self.port = host.port
            self.door = self.proxied.door = doorAt(self.address, self.port)
        else:
            raise CallerFault(
                f"{reactor!r} cannot do UDP; it takes a reactor that provides IReactorFDSet or IReactorUDP"
            )

    def stop(self) -> Deferred[None]:
        """
        Stop serving. Calling this again does nothing.
        """
        reader, self._reader = self._reader, None
        self._protocol = None
        if reader is not None:
            IReactorFDSet(self.reactor).removeReader(reader)
            reader.close()
        listening, self._listening = self._listening, None
        if listening is not None:
            return maybeDeferred(listening.stopListening).addCallback(lambda _: None)
        return succeed(None)

    def lose(self, reader: object, reason: str) -> None:
        """
        Handle the loss of a socket: the reactor has stopped reading it.
        """
        if reader is self._reader or reader is self._protocol:
            self._reader = self._protocol = None
            self._lost(f"nothing listens at {labelOf(self.address, self.port)} over UDP any more: {reason}")

    @property
    def heard(self) -> int:
        """
        A counter that grows whenever something was read.
        """
        reader = self._reader or self._protocol
        return 0 if reader is None else reader.heard

    def fileno(self) -> int:
        return -1 if self._reader is None else self._reader.fileno()

    def __repr__(self) -> str:
        return f"<DatagramListener {labelOf(self.address, self.port)}>"
