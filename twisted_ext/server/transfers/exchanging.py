"""
One message for another server by UDP, and its reply: looks at a primary's SOA, and notices to secondaries.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReactorUDP, IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.errors import BadDescription, BadMessage, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.server.transfers.keys import RemoteServer
from twisted_ext.transport.drawing import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.wire.building import buildMessage
from twisted_ext.wire.codes import QR, Opcode, Rcode, rcodeName
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.tsig import sign, verify

__all__ = ["exchange"]

_OPCODE: Final = 0x7800

#: What a server says that does not answer this by UDP, or not with this key.
_REFUSALS: Final = frozenset((Rcode.REFUSED, Rcode.NOTAUTH))

#: Octets of a reply.
_SIZE: Final = 1232

_draw: Final = Draw()


class _Exchange(DatagramProtocol):
    noisy = False
    transport: IUDPTransport

    def __init__(
        self,
        clock: IReactorTime,
        remote: RemoteServer,
        message: Message,
        wait: float,
        tries: int,
        today: Callable[[], float],
        unsignedRefusals: bool,
    ) -> None:
        self.deferred: Deferred[Message] | None = Deferred(self._cancel)
        self._clock = clock
        self._remote = remote
        self._message = message
        self._wait = wait
        self._tries = tries
        self._today = today
        self._unsignedRefusals = unsignedRefusals
        self._octets = buildMessage(message)
        self._mac = b""
        self._timer: IDelayedCall | None = None
        self._last = ""
        self._rcode: int | None = None

    def startProtocol(self) -> None:
        # Not connected: Twisted closes such a socket when nobody listens there, and somebody may, the next time.
        self._send()

    def _send(self) -> None:
        octets = self._octets
        if self._remote.key is not None:
            octets, self._mac = sign(octets, self._remote.key, self._today())
        self._timer = self._clock.callLater(self._wait, self._late)
        self._wait *= 2
        self._tries -= 1
        try:
            server = self._remote.server
            self.transport.write(octets, (server.address, server.port))
        except OSError as error:
            self._fail(Unreachable(f"{self._remote.server.label}: {error}", server=self._remote.server.label))

    def _late(self) -> None:
        self._timer = None
        if self._tries > 0:
            self._send()
        else:
            label = self._remote.server.label
            self._fail(TimedOut(f"{label} does not answer{self._last}", server=label, rcode=self._rcode))

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        if self.deferred is None:
            return
        try:
            if Server(*addr[:2]) != self._remote.server:
                return
            reply = Message.fromWire(datagram).check()
            asked = self._message
            if reply.id != asked.id or not reply.flags & QR or (reply.flags ^ asked.flags) & _OPCODE:
                return
            if reply.questions and reply.questions != asked.questions:
                return
            key = self._remote.key
            if key is not None:
                verdict = verify(datagram, {key.name: key}, self._today(), requestMac=self._mac)
                if not verdict.good:
                    # Anybody could have sent it.
                    self._rcode = reply.rcode or None
                    self._last = f", or not with a signature that could be trusted ({rcodeName(reply.rcode)})"
                    if not self._unsignedRefusals or reply.rcode not in _REFUSALS:
                        return
        except (BadMessage, BadDescription):
            return
        if reply.rcode:
            label = self._remote.server.label
            self._fail(ServerFailed(f"{label} answered {rcodeName(reply.rcode)}", server=label, rcode=reply.rcode))
            return
        deferred = self._end()
        if deferred is not None:
            deferred.callback(reply)

    def _fail(self, fault: DNSFault) -> None:
        deferred = self._end()
        if deferred is not None:
            deferred.errback(fault)

    def _end(self) -> Deferred[Message] | None:
        deferred, self.deferred = self.deferred, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport = cast("IUDPTransport | None", self.transport)
        if transport is not None:
            transport.stopListening()
        return deferred

    def _cancel(self, deferred: Deferred[Message]) -> None:
        self._end()


def exchange(
    reactor: IReactorTime,
    remote: RemoteServer,
    question: Question,
    *,
    opcode: int = Opcode.QUERY,
    flags: int = 0,
    answer: tuple[RRSet, ...] = (),
    options: tuple[tuple[int, bytes], ...] = (),
    wait: float,
    tries: int,
    today: Callable[[], float],
    unsignedRefusals: bool = False,
) -> Deferred[Message]:
    """
    Ask, again and again, each time waiting for twice as long.

    @param reactor: provides L{IReactorUDP} as well.
    @param wait: seconds for the first try.
    @param today: gives seconds since 1970.
    @param unsignedRefusals: whether REFUSED and NOTAUTH end this without a signature as well: for callers who then ask another way, so that
        a forged one costs no more than that.

    @return: the reply, whose signature is right where one is due. Fails with L{ServerFailed} where it says no, L{TimedOut} where there is
        none that can be trusted, L{Unreachable} where nothing can be sent.
    """
    id = int.from_bytes(_draw.take(2), "big")
    edns = EDNS(_SIZE, 0, options) if options else None
    message = Message(id, opcode << 11 | flags, (question,), answer, edns=edns)
    made = _Exchange(reactor, remote, message, wait, tries, today, unsignedRefusals)
    deferred = made.deferred
    assert deferred is not None
    interface = "::" if remote.server.family == socket.AF_INET6 else ""
    try:
        IReactorUDP(reactor).listenUDP(0, made, interface=interface, maxPacketSize=65535)
    except OSError as error:
        made._fail(Unreachable(f"{remote.server.label}: {error}", server=remote.server.label))
    return deferred
