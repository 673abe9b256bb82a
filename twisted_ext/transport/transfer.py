"""
Transfers a zone, or the changes to it, from one server over TCP or TLS, with time limits and verified signatures (AXFR, RFC 5936; IXFR,
RFC 1995; over TLS, RFC 9103).

Resolvers, commands and servers all use this. L{twisted_ext.zone.transfer.receiver} reads the messages.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector, IDelayedCall, IReactorTCP, IReactorTime, ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.limits import TRANSFER_RATE, TRANSFER_SECONDS, TRANSFER_WAIT
from twisted_ext.transport.padding import padded
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.transfer.receiver import TransferReceiver

if TYPE_CHECKING:
    from twisted_ext.transport.exchange import Connect, Link, LinkUser
    from twisted_ext.wire.tsig import Key

__all__ = ["fetchZone", "tcpConnector"]

#: Seconds for the first message of a transfer, the connection included.
_TRANSFER_BEGIN: Final = 30.0

_draw: Final = Draw()

#: The EDNS EXPIRE option (RFC 7314).
_EXPIRE: Final = 9

#: Seconds to establish a connection.
_CONNECT: Final = 10

#: Seconds between two checks of the transfer rate.
_LOOK: Final = 60


class _Fetch:
    """
    A transfer under way: a L{LinkUser<twisted_ext.transport.exchange.LinkUser>}.
    """

    def __init__(
        self,
        clock: IReactorTime,
        label: str,
        query: bytes,
        receiving: TransferReceiver,
        today: Callable[[], float],
        begin: float,
        wait: float,
        seconds: float,
    ) -> None:
        self.deferred: Deferred[TransferReceiver] | None = Deferred(self._cancel)
        self.connect: Connect | None = None
        self._giveUp: Callable[[], object] | None = None
        self._link: Link | None = None
        self._query = query
        self._receiver = receiving
        self._today = today
        self._label = label
        self._clock = clock
        self._wait = wait
        self._before = 0
        self._idle: IDelayedCall | None = clock.callLater(begin, self._late)
        self._whole: IDelayedCall | None = clock.callLater(seconds, self._late)
        self._slow: IDelayedCall | None = clock.callLater(_LOOK, self._look)

    def start(self, again: bool = False) -> None:
        """
        @param again: not on a connection that was used before.
        """
        assert self.connect is not None
        giveUp = self.connect(self, again)
        if self.deferred is not None and self._link is None:
            self._giveUp = giveUp

    def _late(self) -> None:
        self._finish(TimedOut(f"{self._label} took too long for a transfer", server=self._label))

    def _look(self) -> None:
        came = self._receiver.octets - self._before
        least = TRANSFER_RATE.default * _LOOK
        if self._receiver.messages and came < least:
            said = f"{self._label} sends a zone too slowly: {came} octets in {_LOOK} seconds; minimum {least:.0f}"
            self._finish(TimedOut(said, server=self._label))
            return
        self._before = self._receiver.octets
        self._slow = self._clock.callLater(_LOOK, self._look)

    # -- called by the connection

    def opened(self, link: Link) -> None:
        self._giveUp = None
        if self.deferred is None:
            link.abort()
            return
        self._link = link
        link.send(self._query)

    def received(self, octets: bytes) -> None:
        if self.deferred is None:
            return
        # Only complete messages count: a server that sends single octets times out.
        if self._idle is not None and self._idle.active():
            self._idle.reset(self._wait)
        try:
            self._receiver.take(octets, self._today())
        except (DNSFault, OSError) as fault:
            # For example, the disk may be full.
            self._finish(fault)
            return
        if self._receiver.done:
            self._finish()

    def lost(self, fault: DNSFault) -> None:
        link, self._link = self._link, None
        if link is not None and link.isReused and not self._receiver.messages and self.deferred is not None:
            # The server closed the idle connection before it read the request.
            self.start(True)
        else:
            self._finish(fault)

    def _finish(self, fault: BaseException | None = None) -> None:
        deferred, self.deferred = self.deferred, None
        for timer in (self._idle, self._whole, self._slow):
            if timer is not None and timer.active():
                timer.cancel()
        self._idle = self._whole = self._slow = None
        # These refer to this object: the garbage collector would have to find ten thousand such cycles.
        link, giveUp = self._link, self._giveUp
        self._link = self._giveUp = self.connect = None
        if link is not None and (fault is None or isinstance(fault, ServerFailed)):
            # The server has sent all of its reply. If the connection were aborted, it would log an error.
            link.finish()
        elif link is not None:
            link.abort()
        elif giveUp is not None and fault is not None:
            giveUp()
        if deferred is None:
            return
        if fault is None:
            deferred.callback(self._receiver)
        else:
            deferred.errback(fault)

    def _cancel(self, deferred: Deferred[TransferReceiver]) -> None:
        self.deferred = None
        self._finish(TimedOut("cancelled"))


def tcpConnector(reactor: IReactorTime, server: Server, awaited: str, local: tuple[str, int] | None = None) -> Connect:
    """
    Return what opens connections over TCP, each for one use.

    @param reactor: provides L{IReactorTCP} as well.
    @param awaited: before what a server may not close a connection, for the error.
    @param local: the address and port to connect from.
    """

    def connect(user: LinkUser, isFresh: bool) -> Callable[[], object]:
        dialing = _Dialing(user, server.label, awaited)
        return IReactorTCP(reactor).connectTCP(server.address, server.port, dialing, timeout=_CONNECT, bindAddress=local).disconnect

    return connect


class _Dialing(ClientFactory):
    """
    Connects over TCP, once.
    """

    noisy = False

    def __init__(self, user: LinkUser, label: str, awaited: str) -> None:
        self._user = user
        self._label = label
        self._awaited = awaited

    def buildProtocol(self, addr: object) -> Protocol:
        return _TCPLink(self._user, self._label, self._awaited)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self._user.lost(Unreachable(f"{self._label} cannot be reached over TCP: {reason.getErrorMessage()}", server=self._label))


class _TCPLink(Protocol):
    """
    A connection over TCP, for one use: a L{Link<twisted_ext.transport.exchange.Link>}.
    """

    transport: ITCPTransport
    isReused: Final = False

    def __init__(self, user: LinkUser, label: str, awaited: str) -> None:
        self._user: LinkUser | None = user
        self._label = label
        self._awaited = awaited
        self._buffer = StreamBuffer()

    def send(self, message: bytes) -> None:
        self.transport.write(frame(message))

    def finish(self) -> None:
        self._user = None
        self.transport.loseConnection()

    def abort(self) -> None:
        self._user = None
        self.transport.abortConnection()

    def connectionMade(self) -> None:
        assert self._user is not None
        self._user.opened(self)

    def dataReceived(self, data: bytes) -> None:
        user = self._user
        if user is None:
            return
        try:
            messages = self._buffer.feed(data)
        except BadMessage as fault:
            self.abort()
            user.lost(fault)
            return
        for octets in messages:
            user.received(octets)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        user, self._user = self._user, None
        if user is not None:
            user.lost(Unreachable(f"{self._label} closed the connection before {self._awaited}", server=self._label))


def fetchZone(
    reactor: IReactorTime,
    server: Server,
    zone: bytes,
    keep: Callable[[bytes], object] | None = None,
    *,
    key: Key | None = None,
    soa: RRSet | None = None,
    edns: bool = True,
    today: Callable[[], float] = time,
    most: float | None = None,
    begin: float | None = None,
    wait: float | None = None,
    seconds: float | None = None,
    local: tuple[str, int] | None = None,
    connect: Connect | None = None,
) -> Deferred[TransferReceiver]:
    """
    Request a zone transfer.

    @param reactor: provides L{IReactorTCP} as well.
    @param keep: called with each message of a whole zone, without its signature; by default the records are collected.
    @param key: signs the query, and has to sign the reply.
    @param soa: the SOA of the stored version, to request changes only.
    @param edns: whether to request the remaining seconds until the zone expires (RFC 7314).
    @param today: returns seconds since 1970.
    @param most: maximum octets of the zone.
    @param begin: seconds until the first message, including the time to connect.
    @param wait: seconds between messages.
    @param seconds: seconds for the whole transfer, regardless of other limits.
    @param local: the address and port to connect from, port 0 for any.
    @param connect: opens an encrypted connection, see L{twisted_ext.transport.tls.links.connectorTo}; L{None} for TCP.

    @return: fires with the complete transfer once all signatures are verified. Fails with a L{DNSFault}, or with an L{OSError} of C{keep}.
    """
    label = server.label
    id = int.from_bytes(_draw.take(2), "big")
    question = Question(zone, AXFR if soa is None else IXFR)
    asked = EDNS(options=((_EXPIRE, b""),)) if edns else None
    query = buildMessage(Message(id, 0, (question,), (), () if soa is None else (soa,), edns=asked))
    if connect is not None:
        query = query[:2] + padded(query[2:], True)
    verifying = None
    if key is not None:
        from twisted_ext.wire.tsig import StreamVerifying, sign

        query, mac = sign(query, key, today())
        verifying = StreamVerifying({key.name: key}, mac)
    serial = None if soa is None else serialIn(soa.rdatas[0])
    receiving = TransferReceiver(zone, id, label, keep, serial=serial, verifying=verifying, most=most)
    made = _Fetch(
        reactor, label, query, receiving, today, _TRANSFER_BEGIN if begin is None else begin, TRANSFER_WAIT.pick(wait),
        TRANSFER_SECONDS.default if seconds is None else seconds,
    )  # fmt: skip
    deferred = made.deferred
    assert deferred is not None
    made.connect = connect or tcpConnector(reactor, server, "the end of the zone", local)
    made.start()
    return deferred
