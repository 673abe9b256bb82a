"""
The TCP listener: connection limits and timeouts.

A connection has three time limits: for its first message, for one message from its first octet to its last, and between messages. A
sweep twice a second checks all connections.

At the limit of one client, its oldest idle connection makes room for its new one; if all are in use, or were until a moment ago, the new
one is rejected (RFC 7766, section 6.2.3).

At the connection limit of all clients, some are closed in favor of new ones: first those of client networks that have more than their
share, and of these first the ones that never sent a message, then idle ones, then those that wait for replies, and last new ones, whose
requests may have arrived without having been read yet. Connections in the middle of a TLS handshake rank below all of these, and only half
of the limit is for them: beyond, a client whose network has one already is turned away at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from socket import AF_UNIX
from typing import TYPE_CHECKING, Final, cast

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReactorSocket,
    IReactorTCP,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from twisted_ext.server.config.places import UNIX
from twisted_ext.server.limits import (
    CLIENT_STREAM_GRACE,
    CLIENT_STREAM_IDLE,
    CLIENT_STREAM_IN_FLIGHT,
    CLIENT_STREAM_MESSAGE,
    CLIENT_STREAM_STALLED,
    CLIENT_STREAM_TURN,
    CLIENT_STREAM_UNREAD,
    CLIENT_STREAM_YIELDS,
    CLIENT_STREAMS,
    CLIENT_STREAMS_PER_PEER,
    CLIENT_STREAMS_PER_SECONDARY,
    DECLINED_SECONDS,
    SECONDARIES_KNOWN,
    TLS_HANDSHAKES_TURN,
)
from twisted_ext.server.listeners.connection import ReplySource, Send, StreamPeer, StreamServing
from twisted_ext.server.listeners.proxies.stream import ProxiedStream
from twisted_ext.server.listeners.sockets import BACKLOG
from twisted_ext.server.reply.ratelimit import networkOf, siteOf
from twisted_ext.transport.faultlog import FaultLog
from twisted_ext.wire.framing import frame

if TYPE_CHECKING:
    from socket import socket as Socket

    from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
    from twisted_ext.server.reply.respond import Responder

__all__ = ["MakeServing", "StreamFactory", "StreamListener", "StreamResponder", "Turns"]

#: Seconds between two sweeps.
_SWEEP: Final = 0.5

#: Makes the protocol of a connection, given its factory, the client's address and the key of the client; L{None} to close it at once.
MakeServing = Callable[["StreamFactory", "IAddress | None", str], "StreamServing | None"]

#: Fraction of the connection limit to close at once, so that not every new connection needs a search.
_MAKE_ROOM: Final = 16

#: Fraction of the connection limit that may be in the middle of a TLS handshake.
_SHAKING: Final = 2

_log: Final = Logger(__name__)


class Turns:
    """
    Pieces of work of one kind, of which each turn has so many at most. The rest waits, the oldest first.
    """

    def __init__(self, clock: IReactorTime, most: int) -> None:
        self._clock = clock
        self._most = most
        self._done = 0
        self._waiting: deque[Callable[[], bool]] = deque()
        self._next: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def admit(self, work: Callable[[], bool]) -> bool:
        """
        @param work: called in a later turn if this one has no room; returns whether there was still something to do.

        @return: whether this turn has room, so that the caller does the work itself.
        """
        if self._next is None:
            self._next = self._clock.callLater(0, self._turn)
        if self._done < self._most and not self._waiting:
            self._done += 1
            return True
        self._waiting.append(work)
        return False

    def _turn(self) -> None:
        self._next = None
        self._done = 0
        waiting = self._waiting
        while waiting and self._done < self._most:
            self._done += waiting.popleft()()
        if self._done:
            self._next = self._clock.callLater(0, self._turn)

    def close(self) -> None:
        """
        Forget what waits.
        """
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None


@mypyc_attr(allow_interpreted_subclasses=True)
class StreamFactory(ServerFactory):
    """
    The connections of one or several listeners, with their limits and timeouts.

    @ivar idle: seconds between messages.
    @ivar message: seconds for the first message, and for each one from its first octet to its last.
    @ivar stalled: seconds for a client that does not read.
    @ivar patience: seconds for a reply.
    @ivar proxies: whose connections may begin with a PROXY header.
    @ivar own: addresses and ports of connections that the server opened to test itself: see L{SelfTest
        <twisted_ext.server.reply.chaos.SelfTest>}. L{None} without such tests.
    @ivar handshakes: divides the handshakes of TLS among the turns of the reactor.
    """

    noisy = False

    def __init__(
        self,
        answering: ReplySource,
        clock: IReactorTime,
        *,
        most: int | None = None,
        perPeer: int | None = None,
        inFlight: int | None = None,
        perTurn: int | None = None,
        idle: float | None = None,
        message: float | None = None,
    ) -> None:
        self.replySource = answering
        self.clock = clock
        self.faults = FaultLog(self._faulty)
        self.seconds: Callable[[], float] = clock.seconds
        self.most = int(CLIENT_STREAMS.pick(most))
        self.mostPerPeer = int(CLIENT_STREAMS_PER_PEER.pick(perPeer))
        # A lower limit than the default is for all clients.
        strict = self.mostPerPeer < CLIENT_STREAMS_PER_PEER.default
        self._mostPerSecondary = self.mostPerPeer if strict else max(self.mostPerPeer, int(CLIENT_STREAMS_PER_SECONDARY.default))
        # Clients that were sent a zone, the latest last.
        self._secondaries: dict[str, None] = {}
        self.mostInFlight = int(CLIENT_STREAM_IN_FLIGHT.pick(inFlight))
        self.mostPerTurn = int(CLIENT_STREAM_TURN.pick(perTurn))
        self.mostUnread = int(CLIENT_STREAM_UNREAD.default)
        self.idle = CLIENT_STREAM_IDLE.pick(idle)
        self.message = CLIENT_STREAM_MESSAGE.pick(message)
        self.stalled = CLIENT_STREAM_STALLED.default
        self.patience = max(self.idle, CLIENT_STREAM_STALLED.most)
        self.proxies: TrustedProxies | None = None
        self.own: set[tuple[str, int]] | None = None
        # Connections of proxies whose header has not arrived.
        self._beginning: set[ProxiedStream] = set()
        self.handshakes = Turns(clock, int(TLS_HANDSHAKES_TURN.default))
        self._streams: set[StreamServing] = set()
        #: Connections whose handshake is not complete, the oldest first, and how many there are of each network.
        self.shaking: dict[StreamServing, None] = {}
        self._shakingNetworks: dict[str, int] = {}
        self._peers: dict[str, set[StreamServing]] = {}
        self._timer: IDelayedCall | None = None
        # When the next rejected connection may be logged, and those that were not.
        self._logsAt = 0.0
        self._unlogged = 0
        self._alive = 0
        self._ended: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._streams)

    def _faulty(self, error: BaseException) -> None:
        self.replySource.counters.faults += 1

    def accept(self, addr: IAddress | None, make: MakeServing | None) -> StreamServing | ProxiedStream | None:
        """
        Return the protocol of a new connection.

        @param make: as for L{buildProtocol}.
        """
        proxies = self.proxies
        if proxies is None or not proxies.trusts(getattr(addr, "host", "")):
            return self.buildProtocol(addr, make)
        if self._ended is not None or len(self._beginning) >= self.most:
            return None
        return ProxiedStream(self, addr, make, proxies)

    def began(self, stream: ProxiedStream) -> None:
        self._alive += 1
        self._beginning.add(stream)

    def passed(self, stream: ProxiedStream) -> None:
        """
        Note that the header of a connection has been read, or that it has ended.
        """
        if stream in self._beginning:
            self._beginning.remove(stream)
            self.gone()

    def buildProtocol(self, addr: IAddress | None, make: MakeServing | None = None) -> StreamServing | None:
        """
        @param make: makes the protocol, by default one for TCP.
        """
        counters = self.replySource.counters
        host = getattr(addr, "host", "")
        site = siteOf(host)
        theirs = self._peers.get(site, ())
        now = self.seconds()
        most = self._mostPerSecondary if site in self._secondaries else self.mostPerPeer
        # A proxy may have as many connections as all its clients.
        if len(theirs) >= most and not (self.proxies is not None and self.proxies.isItself(host)):
            counters.tcpTurnedAway += 1
            if not _endOldest([stream for stream in theirs if _isIdle(stream, now)], 1, now):
                counters.tcpRejected += 1
                self._logRejected(site, most, now)
                return None
        if make is not None and len(self.shaking) * _SHAKING >= self.most:
            # No connection in use is closed for another handshake, and none that has just begun, unless for a network without any.
            counters.tcpTurnedAway += 1
            oldest = next(iter(self.shaking))
            if now - oldest.since < CLIENT_STREAM_YIELDS.default and networkOf(getattr(addr, "host", "")) in self._shakingNetworks:
                return None
            oldest.abort()
        if len(self._streams) >= self.most:
            counters.tcpTurnedAway += 1
            if not _endOldest(self._streams, 1 + self.most // _MAKE_ROOM, now, self.most):
                return None
        if self._ended is not None:
            return None
        return StreamServing(self, addr, site) if make is None else make(self, addr, site)

    def transferred(self, site: str) -> None:
        """
        Note that a client is sent a zone, which its access list allows: secondaries may have more connections than other clients.
        """
        secondaries = self._secondaries
        secondaries.pop(site, None)
        secondaries[site] = None
        if len(secondaries) > SECONDARIES_KNOWN.default:
            del secondaries[next(iter(secondaries))]

    def _logRejected(self, site: str, most: int, now: float) -> None:
        if now < self._logsAt:
            self._unlogged += 1
            return
        more = f" ({self._unlogged} more were rejected since the last such line)" if self._unlogged else ""
        self._logsAt, self._unlogged = now + DECLINED_SECONDS.default, 0
        _log.warn(
            "a connection of {client} is rejected: all {most} that one client may have are in use; if it is a secondary, or many clients "
            "share this address, raise tcp-connections-per-client{more}",
            client=site,
            most=most,
            more=more,
        )

    def opened(self, stream: StreamServing) -> None:
        counters = self.replySource.counters
        # A self-test comes from the address that it goes to. Counters must not decrease, so count such a connection once it is known.
        stream.doubtful = self.own is not None and stream.local is not None and stream.local[0] == stream.host
        if not stream.doubtful:
            counters.tcpOpened += 1
        counters.tcpOpen += 1
        self._alive += 1
        stream.counted = True
        self._streams.add(stream)
        self._peers.setdefault(stream.site, set()).add(stream)
        if self._timer is None:
            self._timer = self.clock.callLater(_SWEEP, self._sweep)

    def closed(self, stream: StreamServing) -> None:
        """
        Unregister a connection that is closing, which frees its slot.
        """
        if stream not in self._streams:
            return
        self.replySource.counters.tcpOpen -= 1
        if stream.doubtful:
            self._countDoubtful(stream)
        if self.own is not None:
            self.own.discard((stream.host, stream.port))
        self._streams.discard(stream)
        self.endShaking(stream)
        theirs = self._peers[stream.site]
        theirs.discard(stream)
        if not theirs:
            del self._peers[stream.site]
        if not self._streams and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def shook(self, stream: StreamServing) -> None:
        """
        Note that the handshake of a connection is complete.
        """
        self.endShaking(stream)
        stream.shaken = True
        if not stream.doubtful:
            self.replySource.counters.tlsHandshakes += 1

    def _countDoubtful(self, stream: StreamServing) -> None:
        stream.doubtful = False
        if self.own is None or (stream.host, stream.port) not in self.own:
            self.replySource.counters.tcpOpened += 1
            self.replySource.counters.tlsHandshakes += stream.shaken

    def beginShaking(self, stream: StreamServing) -> None:
        """
        Register a connection whose handshake is not complete.
        """
        self.shaking[stream] = None
        networks = self._shakingNetworks
        networks[stream.network] = networks.get(stream.network, 0) + 1

    def endShaking(self, stream: StreamServing) -> None:
        if stream not in self.shaking:
            return
        del self.shaking[stream]
        networks = self._shakingNetworks
        networks[stream.network] -= 1
        if not networks[stream.network]:
            del networks[stream.network]

    def _sweep(self) -> None:
        self._timer = self.clock.callLater(_SWEEP, self._sweep)
        now = self.seconds()
        for stream in self._streams:
            if stream.doubtful and stream.heard and (self.own is None or (stream.host, stream.port) not in self.own):
                self._countDoubtful(stream)
        for stream in [stream for stream in self._streams if stream.overdue(now)]:
            self.replySource.counters.tcpIdled += 1
            stream.abort()

    def gone(self) -> None:
        """
        Note that the transport of a connection is closed.
        """
        self._alive -= 1
        if not self._alive and self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def close(self) -> Deferred[None]:
        """
        Close all connections and accept no new ones.
        """
        if self._ended is None:
            self._ended = Deferred()
            self.handshakes.close()
            for stream in list(self._streams):
                stream.abort()
            for beginning in list(self._beginning):
                beginning.abort()
            if not self._alive:
                self._ended.callback(None)
        done: Deferred[None] = Deferred()
        self._ended.chainDeferred(done)
        self._ended.addCallback(lambda _: None)
        return done


class StreamResponder:
    """
    Adapts a responder to L{ReplySource<twisted_ext.server.listeners.connection.ReplySource>}.
    """

    def __init__(self, responder: Responder, transport: str = "tcp") -> None:
        """
        @param transport: see L{Request<twisted_ext.server.reply.requests.Request>}.
        """
        self.counters = responder.counters
        self.transport = transport
        self._responder = responder
        self._packetCache = responder.packetCache
        self.finderAt = responder.packetCache.finderAt

    def isDropped(self, host: str) -> bool:
        """
        Return whether a client gets no reply at all.
        """
        return self._packetCache.clients.find(host, self._responder.seconds()).group.action == "drop"

    def take(self, octets: bytes, stream: StreamPeer, send: Send) -> bool:
        client = self._packetCache.at(stream.door).find(stream.host, self._responder.seconds())
        if client.group.action == "drop":
            # Over UDP these clients get no reply. Here the connection is closed, so that they need not wait for one.
            self.counters.dropped += 1
            return False
        where = stream.host, stream.port
        return self._responder.take(octets, where, self.transport, send, stream.local, client, stream.flow, stream.peer, stream.door)


class _Port(ServerFactory):
    """
    The factory of one port, which passes its connections to the shared L{StreamFactory}.
    """

    noisy = False

    def __init__(self, listener: StreamListener) -> None:
        self._listener = listener

    def buildProtocol(self, addr: IAddress | None) -> StreamServing | ProxiedStream | None:
        listener = self._listener
        listener.heard += 1
        return listener.servings.accept(addr, listener.make)

    def stopFactory(self) -> None:
        self._listener.lose()


class StreamListener:
    """
    Serves TCP at one address, or what runs on TCP.

    @ivar address: the listening address, as it was given.
    @ivar way: the transport's name for display and for the watchdog.
    @ivar make: makes the protocols, or L{None} for plain TCP.
    @ivar framed: returns a query as its clients send it, for the watchdog.
    @ivar heard: the number of connections accepted.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        responder: Responder,
        address: str = "",
        port: int = 53,
        *,
        socket: Socket | None = None,
        endpoint: str | None = None,
        servings: StreamFactory | None = None,
        way: str = "tcp",
        make: MakeServing | None = None,
        lost: Callable[[str], object] = lambda reason: None,
    ) -> None:
        """
        @param address: an address of this machine; C{""} for all of its IPv4 addresses, C{"::"} for all of both families.
        @param port: 0 for any free port.
        @param socket: a listening socket to use instead; the caller closes it.
        @param endpoint: a description for L{serverFromString<twisted.internet.endpoints.serverFromString>} to use instead.
        @param servings: connections of several listeners, to be counted together; the caller closes it.
        @param lost: called with a line if the reactor gives up listening although L{stop} was not called.
        """
        self._reactor = reactor
        self.address = address
        self.way = way
        self.make = make
        self.framed: Callable[[bytes], bytes] = frame
        self._port = port
        self._socket = socket
        self._endpoint = endpoint
        self._shared = servings is not None
        self.servings = StreamFactory(StreamResponder(responder), reactor) if servings is None else servings
        self._listening: IListeningPort | None = None
        self._lost = lost
        self._last = port
        self._factory = _Port(self)
        self.heard = 0

    def start(self) -> Deferred[None]:
        """
        Start listening.

        @return: fires when it listens; fails with L{CannotListenError<twisted.internet.error.CannotListenError>} or the endpoint's error.
        """
        if self._endpoint is not None:
            from twisted.internet import endpoints

            described = cast("Callable[[object, str], IStreamServerEndpoint]", endpoints.serverFromString)
            endpoint = described(self._reactor, self._endpoint)
            listening = endpoint.listen(self._factory)
        elif self._socket is not None:
            if self._socket.family == AF_UNIX:
                # Only here: few servers have one.
                from twisted_ext.server.listeners.unixport import listenUnix

                listening = maybeDeferred(listenUnix, self._reactor, self._socket, self._factory)
            else:
                adopt = IReactorSocket(self._reactor).adoptStreamPort
                listening = maybeDeferred(adopt, self._socket.fileno(), self._socket.family, self._factory)
        else:
            listening = maybeDeferred(IReactorTCP(self._reactor).listenTCP, self._port, self._factory, BACKLOG, self.address)
        return listening.addCallback(self._listens)

    def _listens(self, port: IListeningPort) -> None:
        self._listening = port
        # Kept because a lost port cannot report its number any more.
        self._last = self.port

    def lose(self) -> None:
        """
        Handle the loss of the port: the reactor has stopped listening.
        """
        if self._listening is not None:
            self._listening = None
            self._lost(f"nothing listens at {self.where} over {self.way.upper()} any more")

    @property
    def where(self) -> str:
        """
        The listening address and port, for display.
        """
        return self.address if self.address.startswith(UNIX) else f"{self.address or 'any address'} port {self._last}"

    @property
    def port(self) -> int:
        """
        The listening port; 0 while it does not listen.
        """
        return 0 if self._listening is None else int(getattr(self._listening.getHost(), "port", 0))

    def stop(self) -> Deferred[None]:
        """
        Stop listening, and close all connections unless they are shared with other listeners.
        """
        listening, self._listening = self._listening, None
        stopped: Deferred[object] = succeed(None) if listening is None else maybeDeferred(listening.stopListening)
        return stopped.addCallback(lambda _: succeed(None) if self._shared else self.servings.close())


def _isIdle(stream: StreamServing, now: float) -> bool:
    """
    Return whether a connection may be closed in favor of another one of the same client: its handshake is not complete, it has sent
    nothing, or its last reply is older than L{CLIENT_STREAM_GRACE}.
    """
    worth = stream.worth(now)
    return worth is not None and (worth[0] <= 0 or (worth[0] == 1 and now - worth[1] >= CLIENT_STREAM_GRACE.default))


def _endOldest(streams: Iterable[StreamServing], count: int, now: float, share: float = float("inf")) -> int:
    """
    Close the least valuable connections: handshakes first, then those of client networks above their share, then by
    L{StreamServing.worth}, the oldest first. Return how many were closed.

    @param share: connections that all client networks share evenly.
    """
    networks: dict[str, int] = {}
    worths: list[tuple[StreamServing, tuple[int, float]]] = []
    for stream in streams:
        networks[stream.network] = networks.get(stream.network, 0) + 1
        worth = stream.worth(now)
        if worth is not None:
            worths.append((stream, worth))
    share = max(share / len(networks), 1.0) if networks else share
    worths.sort(key=lambda each: (each[1][0] >= 0, networks[each[0].network] <= share, *each[1]))
    for stream, _ in worths[:count]:
        stream.giveWay()
    return len(worths[:count])
