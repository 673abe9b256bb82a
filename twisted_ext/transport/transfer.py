"""
Transfers a zone, or the changes to it, from one server over a separate connection, with time limits and verified signatures (AXFR, RFC
5936; IXFR, RFC 1995).

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

from twisted_ext.errors import DNSFault, TimedOut, Unreachable
from twisted_ext.limits import TRANSFER_BEGIN, TRANSFER_RATE, TRANSFER_SECONDS, TRANSFER_WAIT
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.transfer.receiver import TransferReceiver

if TYPE_CHECKING:
    from twisted_ext.wire.tsig import Key

__all__ = ["fetchZone"]

_draw: Final = Draw()

#: The EDNS EXPIRE option (RFC 7314).
_EXPIRE: Final = 9

#: Seconds to establish a connection.
_CONNECT: Final = 10

#: Seconds between two checks of the transfer rate.
_LOOK: Final = 60


class _Fetch(ClientFactory):
    noisy = False

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
        self.query = query
        self.receiving = receiving
        self.today = today
        self.label = label
        self.transport: ITCPTransport | None = None
        self.connector: IConnector | None = None
        self._clock = clock
        self._wait = wait
        self._before = 0
        self._idle: IDelayedCall | None = clock.callLater(begin, self._late)
        self._whole: IDelayedCall | None = clock.callLater(seconds, self._late)
        self._slow: IDelayedCall | None = clock.callLater(_LOOK, self._look)

    def _late(self) -> None:
        self.finish(TimedOut(f"{self.label} took too long for a transfer", server=self.label))

    def _look(self) -> None:
        came = self.receiving.octets - self._before
        least = TRANSFER_RATE.default * _LOOK
        if self.receiving.messages and came < least:
            said = f"{self.label} sends a zone too slowly: {came} octets in {_LOOK} seconds; minimum {least:.0f}"
            self.finish(TimedOut(said, server=self.label))
            return
        self._before = self.receiving.octets
        self._slow = self._clock.callLater(_LOOK, self._look)

    def heard(self) -> None:
        if self._idle is not None and self._idle.active():
            self._idle.reset(self._wait)

    def buildProtocol(self, addr: object) -> Protocol:
        return _Transfer(self)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.finish(Unreachable(f"{self.label} cannot be reached by TCP: {reason.getErrorMessage()}", server=self.label))

    def finish(self, fault: BaseException | None = None) -> None:
        deferred, self.deferred = self.deferred, None
        for timer in (self._idle, self._whole, self._slow):
            if timer is not None and timer.active():
                timer.cancel()
        self._idle = self._whole = self._slow = None
        if self.transport is not None and fault is None:
            # If the connection were aborted, the server would log an error.
            self.transport.loseConnection()
        elif self.transport is not None:
            self.transport.abortConnection()
        elif self.connector is not None and fault is not None:
            self.connector.disconnect()
        # The connector refers to this object: the garbage collector would have to find ten thousand such cycles.
        self.connector = None
        if deferred is None:
            return
        if fault is None:
            deferred.callback(self.receiving)
        else:
            deferred.errback(fault)

    def _cancel(self, deferred: Deferred[TransferReceiver]) -> None:
        self.deferred = None
        self.finish(TimedOut("cancelled"))


class _Transfer(Protocol):
    transport: ITCPTransport

    def __init__(self, fetch: _Fetch) -> None:
        self._fetch = fetch
        self._buffer = StreamBuffer()

    def connectionMade(self) -> None:
        self._fetch.transport = self.transport
        if self._fetch.deferred is None:
            self.transport.abortConnection()
        else:
            self.transport.write(self._fetch.query)

    def dataReceived(self, data: bytes) -> None:
        fetch = self._fetch
        try:
            for octets in self._buffer.feed(data):
                if fetch.deferred is None:
                    return
                # Only complete messages count: a server that sends single octets times out.
                fetch.heard()
                fetch.receiving.take(octets, fetch.today())
        except (DNSFault, OSError) as fault:
            # For example, the disk may be full.
            fetch.finish(fault)
            return
        if fetch.receiving.done:
            fetch.finish()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        fetch = self._fetch
        fetch.transport = None
        fetch.finish(Unreachable(f"{fetch.label} closed the connection before the end of the zone", server=fetch.label))


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

    @return: fires with the complete transfer once all signatures are verified. Fails with a L{DNSFault}, or with an L{OSError} of C{keep}.
    """
    label = server.label
    id = int.from_bytes(_draw.take(2), "big")
    question = Question(zone, AXFR if soa is None else IXFR)
    asked = EDNS(options=((_EXPIRE, b""),)) if edns else None
    query = buildMessage(Message(id, 0, (question,), (), () if soa is None else (soa,), edns=asked))
    verifying = None
    if key is not None:
        from twisted_ext.wire.tsig import StreamVerifying, sign

        query, mac = sign(query, key, today())
        verifying = StreamVerifying({key.name: key}, mac)
    serial = None if soa is None else serialIn(soa.rdatas[0])
    receiving = TransferReceiver(zone, id, label, keep, serial=serial, verifying=verifying, most=most)
    made = _Fetch(
        reactor, label, frame(query), receiving, today, TRANSFER_BEGIN.default if begin is None else begin, TRANSFER_WAIT.pick(wait),
        TRANSFER_SECONDS.default if seconds is None else seconds,
    )  # fmt: skip
    deferred = made.deferred
    assert deferred is not None
    connector = IReactorTCP(reactor).connectTCP(server.address, server.port, made, timeout=_CONNECT, bindAddress=local)
    if made.deferred is not None:
        made.connector = connector
    return deferred
