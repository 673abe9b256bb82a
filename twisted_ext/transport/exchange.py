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
from twisted_ext.limits import STREAM_WAITING
from twisted_ext.transport.timers import IdleTimer

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


@mypyc_attr(allow_interpreted_subclasses=True)
class KeptExchange:
    """
    Queries to one server that share a connection, which is kept for later ones. One whose connection is lost before the reply arrives is
    sent once more on a new connection.

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
        self._again: set[bytes] = set()
        self._unsent: deque[bytes] = deque()
        self._idle = IdleTimer(clock, self._drop)

    def release(self, key: bytes) -> None:
        raise NotImplementedError

    def _drop(self) -> None:
        """
        Close the connection.
        """
        raise NotImplementedError

    def _expectRoom(self, title: str) -> None:
        """
        @param title: the server, for errors.

        @raise Unreachable: too many queries wait for the connection.
        """
        if len(self.keys) >= STREAM_WAITING.default:
            raise Unreachable(f"{title} has {len(self.keys)} queries waiting for its connection already", server=self.label)

    def _sendAgain(self, sent: Iterable[bytes]) -> list[bytes]:
        """
        Have queries sent once more whose connection was lost.

        @return: those for which that was the second.
        """
        failed: list[bytes] = []
        for key in sent:
            if key in self._again:
                failed.append(key)
            elif key in self.keys:
                self._again.add(key)
                self._unsent.append(key)
        return failed

    def _fail(self, failed: Iterable[bytes], fault: DNSFault) -> None:
        now = self.clock.seconds()
        # The callback of one query may end another, and begin one that has its key.
        for key, asking in [(key, self.keys[key]) for key in failed if key in self.keys]:
            if self.keys.get(key) is asking:
                del self.keys[key]
                self._again.discard(key)
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
