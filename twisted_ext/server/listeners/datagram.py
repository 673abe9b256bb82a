"""
The UDP listener.

On reactors with file descriptors it reads its own socket in batches; on others it uses C{listenUDP}.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IReactorFDSet,
    IReactorTime,
    IReactorUDP,
    IReadDescriptor,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import BadMessage, CallerFault, Unreachable
from twisted_ext.limits import LISTENER_BATCH, LISTENER_BUFFER, LISTENER_MISSES, LISTENER_TURN
from twisted_ext.packetcache.packetcache import Address
from twisted_ext.server.listeners.proxies.header import headerIn
from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
from twisted_ext.server.listeners.sockets import boundTo, labelOf
from twisted_ext.server.reply.packetcaches import PROXIES
from twisted_ext.transport.pollers import KEPT_BACK, Outbox, outboxOf

if TYPE_CHECKING:
    from twisted_ext.packetcache.clients import Client
    from twisted_ext.server.reply.respond import Later, Responder

__all__ = ["DatagramListener", "datagramSocket"]

#: Maximum octets read of a datagram: no query is larger, and a truncated one is malformed.
_SIZE: Final = 4096

#: Datagrams in a full batch; a smaller one has emptied the socket's buffer.
_BATCH: Final = int(LISTENER_BATCH.default)

#: Batches in one reactor turn: some milliseconds' worth, so that other descriptors get their turn. A flood of less than 200,000 datagrams
#: per second is read as fast as it arrives.
_BATCHES: Final = 16

#: Packet cache misses processed between two reads of the clock.
_LOOK: Final = 8

_ANCILLARY: Final = 256
_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)
_RECVPKTINFO: Final = getattr(socket, "IPV6_RECVPKTINFO", 49)
_PKTINFO6: Final = getattr(socket, "IPV6_PKTINFO", 50)
_RCVBUFFORCE: Final = 33
_MTU_DISCOVER: Final = 10
_MTU_OMIT: Final = 5
_in: Final = Struct("=I4s4s")
_in6: Final = Struct("=16sI")

#: Local addresses whose ancillary data for replies is kept.
_MOST_PLACES: Final = 256

_Ancillary = list[tuple[int, int, bytes]]


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


_Where = TypeVar("_Where")


class _Proxied:
    """
    Answers datagrams of trusted proxies, which begin with a PROXY header, as those of the clients that they name.
    """

    def __init__(self, responder: Responder, proxies: TrustedProxies) -> None:
        self._responder = responder
        self._proxies = proxies

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
            self._responder.take(octets, address, "udp", send, None, proxy)
            return True
        named: Address = (self._proxies.nameOf(header.host), header.port)
        arrived = [(octets, named)]

        def receive(size: int) -> tuple[bytes, Address]:
            if not arrived:
                raise BlockingIOError
            return arrived.pop()

        def reply(octets: bytes, address: Address) -> None:
            send(octets)

        def beyond(inner: bytes, address: Address, client: Client, now: float) -> None:
            self._responder.take(inner, address, "udp", send, None, client)

        # It was counted as a datagram of the proxy.
        counters.udp -= 1
        counters.udpBeyond -= 1
        self._responder.packetCache.drain(receive, reply, _SIZE, now, beyond, counters)
        return True


class _Way(Generic[_Where]):
    """
    Sends replies to one client.
    """

    __slots__ = ("_outbox", "_send", "_where", "address")

    def __init__(self, outbox: Outbox, send: Callable[[bytes, _Where], None], where: _Where, address: Address) -> None:
        self.address = address
        self._outbox = outbox
        self._send = send
        self._where = where

    def __call__(self, octets: bytes) -> None:
        if self._outbox.open:
            self._outbox.waiting.append((self, octets))
        else:
            self._send(octets, self._where)

    def sendNow(self, octets: bytes, now: float) -> None:
        self._send(octets, self._where)


@implementer(IReadDescriptor)
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
        self._receive = made.recvfrom
        self._send = made.sendto
        self._outbox = outboxOf(listener.reactor)
        self._clock = listener.reactor
        # Packet cache misses, with the way back and the client.
        self._missed: deque[tuple[bytes, _Way[Any], Client]] = deque()
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
                for _ in range(_BATCHES):
                    count = self._drain(now)
                    if count < _BATCH:
                        break
                    now = self._seconds()
                    if now >= until:
                        self._deferring = True
                    if len(outbox.waiting) >= KEPT_BACK:
                        outbox.flush(now)
                if count:
                    self.heard += 1
                if behind:
                    self._answerMissed()
                if self._missed or self._later:
                    self._leave()
            finally:
                self._responder.later = None
                outbox.open = False
                if outbox.waiting:
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
                    take(datagram, way.address, "udp", way, None, client)
                if len(outbox.waiting) >= KEPT_BACK:
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
            if len(outbox.waiting) >= KEPT_BACK:
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
        return self._packetCache.drain(self._receive, self._send, _SIZE, now, self._beyond, self._counters, self._failed)

    def _beyond(self, datagram: bytes, address: Address, client: Client, now: float) -> None:
        """
        Answer a packet cache miss, or defer it to the next turn if this one has no time left.
        """
        way = _Way(self._outbox, self._sendTo, address, address)
        if client.group.name == PROXIES and self._proxied.answer(datagram, address, client, way, now):
            return
        if self._deferring:
            self._missed.append((datagram, way, client))
        else:
            self._take(datagram, address, "udp", way, None, client)

    def _sendTo(self, octets: bytes, address: Address) -> None:
        try:
            self._send(octets, address)
        except OSError:
            # Equivalent to packet loss, or the socket has been closed.
            self._counters.unsent += 1

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


#: Where a query came from: the client's host, its socket address, and ancillary data so that the reply leaves from the address that the
#: query was sent to.
_Place = tuple[str, Address, _Ancillary]


class _EverywhereReader(_Reader):
    """
    The reader of a wildcard socket. Replies leave from the address that the query was sent to; clients would not accept others.
    """

    def __init__(self, listener: DatagramListener, made: socket.socket) -> None:
        super().__init__(listener, made)
        self._places: dict[bytes, _Ancillary] = {}
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, _RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)

    def _drain(self, now: float) -> int:
        return self._packetCache.drain(self._receiveFrom, self._sendFrom, _SIZE, now, self._beyondFrom, self._counters, self._failed)

    def _receiveFrom(self, size: int) -> tuple[bytes, _Place]:
        datagram, ancillary, _, address = self.socket.recvmsg(size, _ANCILLARY)
        if not ancillary:
            return datagram, (address[0], address, ancillary)
        told = ancillary[0][2]
        return datagram, (address[0], address, self._places.get(told) or self._place(told, ancillary))

    def _place(self, told: bytes, ancillary: _Ancillary) -> _Ancillary:
        """
        Return the ancillary data for replies to queries that arrived with this ancillary data.
        """
        places: _Ancillary = []
        for level, kind, octets in ancillary:
            if level == socket.IPPROTO_IP and kind == _PKTINFO:
                _, ours, _ = _in.unpack(octets[: _in.size])
                # Interface 0: routing picks the interface, which need not be the one that the query came in by.
                places.append((level, kind, _in.pack(0, ours, bytes(4))))
            elif level == socket.IPPROTO_IPV6 and kind == _PKTINFO6:
                address, interface = _in6.unpack(octets[: _in6.size])
                linkLocal = address[0] == 0xFE and address[1] & 0xC0 == 0x80
                places.append((level, kind, _in6.pack(address, interface if linkLocal else 0)))
        if len(self._places) >= _MOST_PLACES:
            self._places.clear()
        self._places[told] = places
        return places

    def _sendFrom(self, octets: bytes, place: _Place) -> None:
        self.socket.sendmsg((octets,), place[2], 0, place[1])

    def _beyondFrom(self, datagram: bytes, place: _Place, client: Client, now: float) -> None:
        way = _Way(self._outbox, self._replyFrom, place, place[1])
        if client.group.name == PROXIES and self._proxied.answer(datagram, place[1], client, way, now):
            return
        if self._deferring:
            self._missed.append((datagram, way, client))
        else:
            self._take(datagram, place[1], "udp", way, None, client)

    def _replyFrom(self, octets: bytes, place: _Place) -> None:
        try:
            self._sendFrom(octets, place)
        except OSError:
            self._counters.unsent += 1


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

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.heard += 1
        pending = [(datagram, addr)]

        def receive(size: int) -> tuple[bytes, tuple[str, int]]:
            if not pending:
                raise BlockingIOError
            return pending.pop()

        def beyond(datagram: bytes, address: tuple[str, int], client: Client, now: float) -> None:

            def send(octets: bytes) -> None:
                self._send(octets, address)

            if client.group.name != PROXIES or not self._listener.proxied.answer(datagram, address, client, send, now):
                self._responder.take(datagram, address, "udp", send, None, client)

        responder = self._responder
        now = responder.seconds()

        def failed(error: Exception) -> None:
            responder.faults.note("answering datagrams", error, now)

        try:
            responder.packetCache.drain(receive, self._send, _SIZE, now, beyond, responder.counters, failed)
        except Exception as error:
            failed(error)

    def _send(self, octets: bytes, address: tuple[str, int]) -> None:
        transport = self.transport
        if transport is not None:
            transport.write(octets, address)


class DatagramListener:
    """
    Serves UDP at one address and port.

    @ivar address: the address, in canonical form.
    @ivar port: the port; after L{start} the real one if it was 0.
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
            everywhere = ip_address(self.address.partition("%")[0]).is_unspecified
            reader = (_EverywhereReader if everywhere else _Reader)(self, made)
            self._reader = reader
            reactor.addReader(reader)
        elif IReactorUDP.providedBy(reactor):
            protocol = _Protocol(self)
            self._listening = reactor.listenUDP(self.port, protocol, self.address, _SIZE)
            self._protocol = protocol
            host = self._listening.getHost()
            assert isinstance(host, IPv4Address | IPv6Address)
            self.port = host.port
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
