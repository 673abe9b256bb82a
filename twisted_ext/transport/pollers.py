"""
Read many sockets with one reader, so that the reactor's cost per event is paid once for all ready sockets.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.interfaces import IDirectReader
from twisted_ext.transport.faultlog import FaultLog

if TYPE_CHECKING:
    from twisted_ext.transport.udpsockets import RawSocket

__all__ = ["EachPoller", "EpollPoller", "Outbox", "Poller", "DatagramSender", "outboxOf", "pollerFor"]


class Poller(Protocol):
    """
    Watches sockets and drains those that are readable.
    """

    def watch(self, descriptor: int, socket: RawSocket) -> None:
        """
        Begin to watch a socket.

        @raise OSError: the kernel refuses, as for lack of memory or watches; that is logged. Nothing is left behind.
        """

    def forget(self, descriptor: int) -> None:
        """
        Stop watching a socket. Has to be called right before the socket is closed.
        """


#: Sockets that are drained in one reactor iteration, so that other events are handled too.
_SOCKETS_PER_TURN: Final = 32

#: Approximate number of datagrams to hold back, for about a millisecond. The queries among them are spread over several sockets, each of
#: which takes a system call.
_KEPT_BACK: Final = 256

#: What fails if the kernel does not watch a socket, for the log.
_WATCHING: Final = "watching a socket for replies"


class DatagramSender(Protocol):
    def sendHeld(self, now: float) -> None:
        """
        Send the datagrams that were held back, or fail the pending queries with the reason.
        """


class Outbox:
    """
    Holds outgoing datagrams back while a batch of incoming ones is handled, so that those of one socket are sent together. A process that
    receives datagrams one by one is woken for each, which costs more than sending. Queries and replies are held back alike.

    @ivar open: whether to hold datagrams back.
    @ivar count: the number of datagrams held back.
    """

    def __init__(self) -> None:
        self.open = False
        self.count = 0
        self.faults = FaultLog()
        self._senders: list[DatagramSender] = []

    def hold(self, sender: DatagramSender, first: bool) -> None:
        """
        Count a datagram that a sender holds back.

        @param first: whether it is the only one of this sender.
        """
        self.count += 1
        if first:
            self._senders.append(sender)

    def flush(self, now: float) -> None:
        senders, self._senders = self._senders, []
        self.count = 0
        for sender in senders:
            try:
                sender.sendHeld(now)
            except Exception as error:
                # An error with one sender must not keep the others from sending.
                self.faults.note("sending datagrams", error, now)


_outboxes: Final[WeakKeyDictionary[object, Outbox]] = WeakKeyDictionary()


def outboxOf(reactor: object) -> Outbox:
    """
    Return the outbox that all batch readers of this reactor share: a server's incoming queries lead to outgoing queries, whose replies lead
    to the server's own replies.
    """
    outbox = _outboxes.get(reactor)
    if outbox is None:
        outbox = _outboxes[reactor] = Outbox()
    return outbox


def _pass(socket: RawSocket, octets: bytes, now: float, faults: FaultLog) -> None:
    try:
        socket.arrived(octets, now)
    except Exception as error:
        # An error with one reply must neither lose the others nor make the reactor drop this reader.
        faults.note("reading a reply", error, now)


def _gather(socket: RawSocket, arrivals: list[tuple[RawSocket, list[bytes]]], now: float, faults: FaultLog) -> None:
    try:
        arrivals.append((socket, socket.gather(now)))
    except Exception as error:
        faults.note("receiving replies", error, now)


class EpollPoller:
    """
    An epoll that the reactor reads as a single descriptor; registered only while a socket is watched.
    """

    def __init__(self, reactor: IReactorFDSet, outbox: Outbox) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._outbox = outbox
        self._sockets: dict[int, RawSocket] = {}
        self._epoll: select.epoll | None = None

    def watch(self, descriptor: int, socket: RawSocket) -> None:
        first = self._epoll is None
        try:
            epoll = self._epoll = self._epoll or select.epoll()
            epoll.register(descriptor, select.EPOLLIN)
            if first:
                self._reactor.addReader(self)
        except OSError as error:
            if first and self._epoll is not None:
                # An epoll that the reactor does not read would leave all later sockets unread.
                self._epoll.close()
                self._epoll = None
            self._outbox.faults.note(_WATCHING, error, self._clock.seconds())
            raise
        self._sockets[descriptor] = socket

    def forget(self, descriptor: int) -> None:
        if self._sockets.pop(descriptor, None) is None or self._epoll is None:
            return
        if self._sockets:
            self._epoll.unregister(descriptor)
        else:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None

    def fileno(self) -> int:
        return -1 if self._epoll is None else self._epoll.fileno()

    def doRead(self) -> None:
        epoll = self._epoll
        if epoll is None:
            return
        now = self._clock.seconds()
        sockets = self._sockets
        outbox = self._outbox
        # Read everything first, then handle it, then send everything: alternating system calls for each datagram would cost half as much
        # again.
        arrivals: list[tuple[RawSocket, list[bytes]]] = []
        outbox.open = True
        try:
            for descriptor, _ in epoll.poll(0, _SOCKETS_PER_TURN):
                # The error of an earlier socket may have closed this one.
                socket = sockets.get(descriptor)
                if socket is not None:
                    _gather(socket, arrivals, now, outbox.faults)
            for socket, replies in arrivals:
                for octets in replies:
                    _pass(socket, octets, now, outbox.faults)
                if outbox.count >= _KEPT_BACK:
                    outbox.flush(now)
        except Exception as error:
            # A reactor stops reading from a descriptor whose doRead raises.
            outbox.faults.note("reading replies", error, now)
        finally:
            outbox.open = False
            outbox.flush(now)

    def connectionLost(self, reason: Failure) -> None:
        # The reactor has stopped reading, as on shutdown.
        for socket in list(self._sockets.values()):
            socket.close()

    def logPrefix(self) -> str:
        return "twisted_ext"


classImplements(EpollPoller, IDirectReader)


class _Single:
    def __init__(self, descriptor: int, socket: RawSocket, clock: IReactorTime, faults: FaultLog) -> None:
        self._descriptor = descriptor
        self._faults = faults
        self._socket = socket
        self._clock = clock

    def fileno(self) -> int:
        return self._descriptor

    def doRead(self) -> None:
        now = self._clock.seconds()
        arrivals: list[tuple[RawSocket, list[bytes]]] = []
        _gather(self._socket, arrivals, now, self._faults)
        for socket, replies in arrivals:
            for octets in replies:
                _pass(socket, octets, now, self._faults)

    def connectionLost(self, reason: Failure) -> None:
        self._socket.close()

    def logPrefix(self) -> str:
        return "twisted_ext"


classImplements(_Single, IDirectReader)


class EachPoller:
    """
    Registers each socket with the reactor, for systems without epoll.
    """

    def __init__(self, reactor: IReactorFDSet, outbox: Outbox) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._readers: dict[int, _Single] = {}
        self._faults = outbox.faults

    def watch(self, descriptor: int, socket: RawSocket) -> None:
        reader = _Single(descriptor, socket, self._clock, self._faults)
        try:
            self._reactor.addReader(reader)
        except OSError as error:
            self._faults.note(_WATCHING, error, self._clock.seconds())
            raise
        self._readers[descriptor] = reader

    def forget(self, descriptor: int) -> None:
        reader = self._readers.pop(descriptor, None)
        if reader is not None:
            self._reactor.removeReader(reader)


_HAS_EPOLL: Final = hasattr(select, "epoll")


def pollerFor(reactor: IReactorFDSet, outbox: Outbox) -> Poller:
    return EpollPoller(reactor, outbox) if _HAS_EPOLL else EachPoller(reactor, outbox)
