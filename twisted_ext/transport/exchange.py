"""
The interfaces between a pending query and the transport that carries it.

They use callbacks instead of Deferreds: a look-up has a single Deferred, the one that its caller holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, cast

from mypy_extensions import mypyc_attr

from twisted_ext.errors import Unreachable
from twisted_ext.limits import FIRST_WAIT, STREAM_LOSSES, STREAM_WAIT, STREAM_WAITING
from twisted_ext.transport.timers import ROUNDING, IdleTimer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConnector, IProtocolFactory, IReactorTime

    from twisted_ext.errors import DNSFault
    from twisted_ext.interfaces import IExchange
    from twisted_ext.transport.random import Draw
    from twisted_ext.transport.servers import Server

__all__ = ["IN_CLEAR", "TCP", "Channel", "Connect", "Dialer", "KeptExchange", "Link", "LinkUser", "PendingQuery", "StreamTransport"]


class Channel(Protocol):
    """
    The channel that carries one query: a UDP socket or a connection.
    """

    @property
    def exchange(self) -> IExchange:
        """
        The exchange, which identifies the server and the transport.
        """

    def release(self, key: bytes) -> None:
        """
        Stop waiting for the reply with this id. Must be called once for each C{ask}, unless C{failed} was called.
        """


@mypyc_attr(allow_interpreted_subclasses=True)
class PendingQuery:
    """
    The receiver of replies; C{channel} and C{key} identify which of its queries a call is about. A base class, not a protocol: compiled
    code calls its methods directly.

    @ivar query: the message without its ID.
    """

    __slots__ = ("query",)

    query: bytes

    def replied(self, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
        """
        Handle a message with this query's id from the server's address and port.

        @return: whether it is a reply to this question. If it is not, or is unusable, the query stays pending.
        """
        raise NotImplementedError

    def doubted(self, now: float, channel: Channel, key: bytes) -> None:
        """
        Called when an attacker seems to guess this query's id: the query should be repeated over a transport that cannot be spoofed. It
        stays pending.
        """
        raise NotImplementedError

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        """
        Called when no reply can arrive on this channel, which has released the query already.
        """
        raise NotImplementedError


#: More queries than any connection carries.
_MANY: Final = 1 << 40

#: Connections without a reply after which the first query on the last of them fails although others were lost with it: a server that takes
#: its time before it closes has got others meanwhile.
_LOST: Final = 3

#: How the number of queries on a connection grows when the server answers more: from one to the most in flight in four steps.
_GROWTH: Final = 4


@mypyc_attr(allow_interpreted_subclasses=True)
class KeptExchange:
    """
    Queries to one server that share a connection, which is kept for later ones.

    Those whose connection is lost before the reply arrives are sent again on a new connection, as long as each connection brings a reply
    (RFC 7766, section 6.2.4). The new one gets no more than the server has answered on the last, until it answers more. If there was no
    reply, a query may have made the server close: they are sent one at a time then, and one that is lost alone fails.

    @ivar keys: the pending queries, by what identifies them on the connection.
    @ivar keep: seconds for which an idle connection is kept.
    """

    reliable: ClassVar[bool] = True

    def __init__(self, server: Server, clock: IReactorTime, keep: float) -> None:
        self.server = server
        self.label = server.label
        self.exchange = cast("IExchange", self)
        self.keys: dict[bytes, PendingQuery] = {}
        self.keep = keep
        self.clock = clock
        # When data last arrived, or the first query became pending.
        self._quietSince = 0.0
        # How often queries were lost on connections without a reply.
        self._again: dict[bytes, int] = {}
        # The number of queries that the server answers on one connection; 0 if no limit is known.
        self._takes = 0
        # Whether the connection got more queries because there was no reply.
        self._hurried = False
        # Connections in a row that were lost without a reply to their queries.
        self._losses = 0
        self._unsent: deque[bytes] = deque()
        self._idle = IdleTimer(clock, self._expired)

    def release(self, key: bytes) -> None:
        raise NotImplementedError

    def _drop(self) -> None:
        """
        Close the connection.
        """
        raise NotImplementedError

    def _flush(self) -> None:
        """
        Send what the connection has room for.
        """
        raise NotImplementedError

    def _keptFor(self) -> float:
        """
        Return for how many seconds the idle connection is kept.
        """
        return self.keep

    def _watch(self, now: float) -> None:
        """
        Have it noticed if the connection is silent from now on.
        """
        idle = self._idle
        idle.until = until = now + STREAM_WAIT.default
        # For most look-ups it runs already.
        if idle.wakesAt > until:
            idle.start(STREAM_WAIT.default)

    def _stalled(self) -> None:
        """
        Reconnect if the connection has brought replies before it fell silent.
        """
        raise NotImplementedError

    def _expired(self) -> None:
        if not self.keys:
            # Queries have ended since the timer was started for them, perhaps.
            left = self._quietSince + self._keptFor() - self.clock.seconds()
            if left <= ROUNDING:
                self._drop()
            else:
                self._idle.start(left)
            return
        left = self._quietSince + STREAM_WAIT.default - self.clock.seconds()
        if left <= ROUNDING:
            # Something on the way may have forgotten the connection. If it is new, the server is only slow.
            left = STREAM_WAIT.default
            self._stalled()
        # Before the queries: they may have it run earlier.
        if self.keys:
            self._idle.start(left)
            if self._unsent:
                self._flush()

    def _expectRoom(self, title: str) -> None:
        """
        @param title: the server, for errors.

        @raise Unreachable: too many queries wait for the connection.
        """
        if len(self.keys) >= STREAM_WAITING.default:
            raise Unreachable(f"{title} has {len(self.keys)} queries waiting for its connection already", server=self.label)

    def _room(self, answered: int) -> int:
        """
        Return how many queries may be outstanding on the connection, if a limit is known.

        @param answered: the number of replies on it. Once they are as many as the server is known to send, a single query shows whether it
            sends more, unless that one has no reply for a while: the others cannot wait for it.
        """
        if self.clock.seconds() - self._quietSince >= FIRST_WAIT.default - ROUNDING:
            self._takes = 0
            self._hurried = True
            return _MANY
        left = self._takes - answered
        return left if left > 1 else 1

    def _delayed(self) -> None:
        """
        Have queries sent later for which the connection has no room.
        """
        if self._takes:
            self._idle.start(max(self._quietSince + FIRST_WAIT.default - self.clock.seconds(), 0.0))

    def _tookMore(self) -> None:
        """
        Take note that the server has answered more queries on a connection than it was known to.
        """
        # In steps, since a query among them may make the server close again.
        self._takes *= _GROWTH

    def _sendAgain(self, sent: Iterable[bytes], answered: int) -> list[bytes]:
        """
        Have queries sent again whose connection was lost.

        @param sent: in the order in which they were sent.
        @param answered: the number of replies on that connection.

        @return: those that fail.
        """
        lost = [key for key in sent if key in self.keys]
        if not lost:
            return lost
        unsent = self._unsent
        self._takes = answered or 1
        hurried, self._hurried = self._hurried, False
        if answered:
            self._losses = 0
        else:
            self._losses += 1
            if self._losses >= STREAM_LOSSES.default:
                self._losses = 0
                lost.extend(unsent)
                unsent.clear()
                return lost
            again = self._again
            for key in lost:
                again[key] = again.get(key, 0) + 1
            if again[lost[0]] >= _LOST if hurried else len(lost) == 1 and again[lost[0]] > 1:
                # One that is far from it in the queue is less likely to be its like.
                unsent.rotate(-(len(unsent) // 2))
                unsent.extendleft(reversed(lost[1:]))
                return lost[:1]
        unsent.extendleft(reversed(lost))
        return []

    def _fail(self, failed: Iterable[bytes], fault: DNSFault) -> None:
        now = self.clock.seconds()
        # The callback of one query may end another, and begin one that has its key.
        for key, asking in [(key, self.keys[key]) for key in failed if key in self.keys]:
            if self.keys.get(key) is asking:
                del self.keys[key]
                self._again.pop(key, None)
                asking.failed(fault, now, self, key)


class Dialer(Protocol):
    """
    The actual interface of reactors: unlike L{IReactorTCP<twisted.internet.interfaces.IReactorTCP>}, they also accept no timeout.
    """

    def connectTCP(self, host: str, port: int, factory: IProtocolFactory, timeout: float | None) -> IConnector: ...


class StreamTransport(Protocol):
    """
    A way to reach servers by connections: TCP, or what runs over it.

    @ivar kind: as in L{twisted_ext.answers.Origin.source}.
    """

    kind: str

    def exchange(self, reactor: IReactorTime, draw: Draw, server: Server) -> IExchange:
        """
        Make the exchange for the queries to one server. It connects when it is asked for the first time.
        """


class Link(Protocol):
    """
    A connection that carries one request at a time, and its reply of one or many messages: between servers, for zones.
    """

    @property
    def isReused(self) -> bool:
        """
        Whether it has carried a request before. The server may have closed it in the meantime.
        """

    def send(self, message: bytes) -> None:
        """
        Send a message.
        """

    def finish(self) -> None:
        """
        End its use after the last message of the reply.
        """

    def abort(self) -> None:
        """
        End its use before.
        """


class LinkUser(Protocol):
    """
    The user of a L{Link}.
    """

    def opened(self, link: Link) -> None:
        """
        Called once the connection can be used; over TLS, the server has been authenticated.
        """

    def received(self, octets: bytes) -> None:
        """
        Called with each message.
        """

    def lost(self, fault: DNSFault) -> None:
        """
        Called if the connection could not be opened, or was lost while it was in use.
        """


#: Opens a L{Link} for its user, a new one if the flag is set. Returns how to give up the attempt.
Connect = Callable[[LinkUser, bool], Callable[[], object]]


#: The kind of L{TCP}, which protects nothing.
IN_CLEAR: Final = "tcp"


@mypyc_attr(allow_interpreted_subclasses=True)
class TCP:
    """
    Queries over TCP (RFC 7766).
    """

    kind = IN_CLEAR

    def __init__(self, keep: float | None = None) -> None:
        """
        @param keep: seconds for which idle connections are kept.
        """
        self._keep = keep

    def exchange(self, reactor: IReactorTime, draw: Draw, server: Server) -> IExchange:
        from twisted.internet.interfaces import IReactorTCP

        from twisted_ext.transport.stream import StreamExchange

        return StreamExchange(IReactorTCP(reactor), server, draw, keep=self._keep)
