"""
Whole zones over a connection of their own (AXFR, RFC 5936).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector, IReactorTCP, ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, Unreachable
from twisted_ext.limits import TRANSFER_OCTETS
from twisted_ext.transport.drawing import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.wire.building import buildQuery
from twisted_ext.wire.codes import QR, rcodeName
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.records import RRSet

__all__ = ["ZoneReading", "fetchZone"]

_AXFR: Final = 252
_SOA: Final = 6
_OPCODE: Final = 0x7800


class ZoneReading:
    """
    Makes a zone of the messages of a transfer. Does no I/O.

    @ivar records: what has come so far, record by record, the SOA first.
    @ivar done: whether the SOA has come again, which ends it.
    """

    def __init__(self, zone: bytes, id: int, label: str, most: int | None = None) -> None:
        self.records: list[RRSet] = []
        self.done = False
        self._question = Question(zone, _AXFR)
        self._zone = zone.lower()
        self._id = id
        self._label = label
        self._left = int(TRANSFER_OCTETS.pick(most))

    def take(self, octets: bytes) -> None:
        """
        Read the next message.

        @raise BadMessage: it does not belong here, or has what no zone has (RFC 5936, section 2.2 and 3).
        @raise ServerFailed: the server declines, or the zone is larger than may be.
        """
        self._left -= len(octets)
        zone = nameToText(self._question.name)
        if self._left < 0:
            raise ServerFailed(f"{self._label}: the zone {zone} is larger than {TRANSFER_OCTETS.default:.0f} octets", server=self._label)
        message = Message.fromWire(octets).check()
        if message.id != self._id or not message.flags & QR or message.flags & _OPCODE:
            raise BadMessage(f"{self._label} sent something else than the zone {zone}", server=self._label)
        if message.rcode:
            raise ServerFailed(
                f"{self._label} answered {rcodeName(message.rcode)} to the transfer of {zone}", server=self._label, rcode=message.rcode
            )
        # Later messages need not repeat the question (section 2.2.1).
        if message.questions != (self._question,) and (message.questions or not self.records):
            raise BadMessage(f"{self._label} transfers something else than {zone}", server=self._label)
        records = message.records()[0]
        if not records:
            raise BadMessage(f"{self._label} sent no records of {zone}", server=self._label)
        for record in records:
            self._add(record, zone)

    def _add(self, record: RRSet, zone: str) -> None:
        if self.done:
            raise BadMessage(f"{self._label} goes on after the end of {zone}", server=self._label)
        isStart = record.rrType == _SOA and record.name.lower() == self._zone
        if not self.records:
            if not isStart:
                raise BadMessage(f"{self._label} does not begin {zone} with its SOA", server=self._label)
        elif isStart:
            if record.rdatas != self.records[0].rdatas:
                raise BadMessage(f"{self._label} changed the SOA of {zone} during the transfer", server=self._label)
            self.done = True
            return
        elif not isBelow(record.name.lower(), self._zone):
            raise BadMessage(f"{self._label} sent {nameToText(record.name)}, which is not in {zone}", server=self._label)
        self.records.append(record)


class _Fetch(ClientFactory):
    noisy = False

    def __init__(self, reading: ZoneReading, query: bytes, label: str, heard: Callable[[], object] | None) -> None:
        self.reading = reading
        self.heard = heard
        self.query = query
        self.label = label
        self.connector: IConnector | None = None
        self.transport: ITCPTransport | None = None
        self.deferred: Deferred[list[RRSet]] | None = Deferred(self._cancel)

    def buildProtocol(self, addr: object) -> Protocol:
        return _Zone(self)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.fail(Unreachable(f"{self.label} cannot be reached by TCP: {reason.getErrorMessage()}", server=self.label))

    def fail(self, fault: DNSFault) -> None:
        """
        It has come to nothing.
        """
        deferred, self.deferred = self.deferred, None
        if self.transport is not None:
            self.transport.abortConnection()
        if deferred is not None:
            deferred.errback(fault)

    def succeed(self) -> None:
        """
        The zone is whole.
        """
        deferred, self.deferred = self.deferred, None
        if self.transport is not None:
            self.transport.loseConnection()
        if deferred is not None:
            deferred.callback(self.reading.records)

    def _cancel(self, deferred: Deferred[list[RRSet]]) -> None:
        self.deferred = None
        if self.transport is not None:
            self.transport.abortConnection()
        elif self.connector is not None:
            self.connector.disconnect()


class _Zone(Protocol):
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
                fetch.reading.take(octets)
                if fetch.heard is not None:
                    fetch.heard()
        except DNSFault as fault:
            fetch.fail(fault)
            return
        if fetch.reading.done:
            fetch.succeed()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        fetch = self._fetch
        fetch.transport = None
        fetch.fail(Unreachable(f"{fetch.label} closed the connection before the end of the zone", server=fetch.label))


def fetchZone(
    reactor: IReactorTCP,
    server: Server,
    zone: bytes,
    draw: Draw | None = None,
    most: int | None = None,
    heard: Callable[[], object] | None = None,
) -> Deferred[list[RRSet]]:
    """
    Ask one server for a zone.

    @param most: octets that it may have.
    @param heard: called with every message of it that has come.

    @return: its records one by one in their order, each as a set of its own, the SOA first and not again at the end. How long that may
        take is for the caller to say, by cancelling.
    """
    drawn = (draw or Draw()).take(2)
    query = frame(drawn + buildQuery(0, Question(zone, _AXFR).toWire(), b""))
    fetch = _Fetch(ZoneReading(zone, int.from_bytes(drawn, "big"), server.label, most), query, server.label, heard)
    deferred = fetch.deferred
    assert deferred is not None
    fetch.connector = reactor.connectTCP(server.address, server.port, fetch, timeout=None)  # type: ignore[arg-type]
    return deferred
