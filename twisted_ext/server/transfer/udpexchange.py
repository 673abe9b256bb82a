"""
One message for another server by UDP, and its reply: looks at a primary's SOA, and notices to secondaries.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReactorUDP, IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.server.config.keys import RemoteServer
from twisted_ext.transport.random import Draw
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Opcode, Rcode, rcodeName
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.tsig import sign, verify

__all__ = ["MessageSender", "exchange"]

_OPCODE: Final = 0x7800

#: What a server says that does not answer this by UDP, or not with this key.
_REFUSALS: Final = frozenset((Rcode.REFUSED, Rcode.NOTAUTH))

#: Octets of a reply.
_SIZE: Final = 1232

_draw: Final = Draw()


def _drawId() -> int:
    return int.from_bytes(_draw.take(2), "big")


class MessageSender:
    """
    UDP ports that messages to other servers leave from: one for each address family, open while a reply is awaited.

    A reply is matched by its port, its address and its id. Where a forged one would do harm, each message has a sender of its own, and so a
    port that is hard to guess.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        """
        @param reactor: provides L{IReactorUDP} as well.
        """
        self.reactor = reactor
        self._ports: dict[int, _Port] = {}

    def port(self, remote: RemoteServer) -> _Port:
        """
        @return: an open port for messages to this server.

        @raise OSError: there is none to be had.
        """
        family = remote.server.family
        port = self._ports.get(family)
        if port is None:
            port = _Port(lambda: self._ports.pop(family, None))
            interface = "::" if family == socket.AF_INET6 else ""
            IReactorUDP(self.reactor).listenUDP(0, port, interface=interface, maxPacketSize=65535)
            self._ports[family] = port
        return port


class _Port(DatagramProtocol):
    """
    @ivar exchanges: those that wait for a reply, by id.
    """

    # Not connected: it is shared, and Twisted closes a connected one as soon as its server is down.
    noisy = False
    transport: IUDPTransport

    def __init__(self, closed: Callable[[], object]) -> None:
        self.exchanges: dict[int, _Exchange] = {}
        self._closed = closed

    def add(self, exchange: _Exchange) -> int:
        """
        @return: the id that the message gets.
        """
        id = _drawId()
        while id in self.exchanges:
            id = _drawId()
        self.exchanges[id] = exchange
        return id

    def remove(self, id: int) -> None:
        """
        Forget an exchange, and close with the last one.
        """
        del self.exchanges[id]
        if not self.exchanges:
            self._closed()
            self.transport.stopListening()

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        exchange = self.exchanges.get(int.from_bytes(datagram[:2], "big"))
        if exchange is not None and exchange.remote.server.isAt(addr[0], addr[1]):
            exchange.received(datagram)


class _Exchange:
    def __init__(
        self,
        sender: MessageSender,
        remote: RemoteServer,
        wait: float,
        tries: int,
        today: Callable[[], float],
        unsignedRefusals: bool,
    ) -> None:
        self.deferred: Deferred[Message] | None = Deferred(self._cancel)
        self.remote = remote
        self._clock = sender.reactor
        self._port: _Port | None = None
        self._wait = wait
        self._tries = tries
        self._today = today
        self._unsignedRefusals = unsignedRefusals
        self._mac = b""
        self._timer: IDelayedCall | None = None
        self._last = ""
        self._rcode: int | None = None

    def begin(self, port: _Port, message: Callable[[int], Message]) -> None:
        """
        Send the message that this gives for an id.
        """
        self._port = port
        self._message = message(port.add(self))
        self._octets = buildMessage(self._message)
        self._send()

    def _send(self) -> None:
        port = self._port
        if port is None:
            return
        octets = self._octets
        if self.remote.key is not None:
            octets, self._mac = sign(octets, self.remote.key, self._today())
        self._timer = self._clock.callLater(self._wait, self._late)
        self._wait *= 2
        self._tries -= 1
        try:
            server = self.remote.server
            port.transport.write(octets, (server.address, server.port))
        except OSError as error:
            self.unreachable(error)

    def unreachable(self, error: Exception) -> None:
        """
        End it, since nothing can be sent.
        """
        label = self.remote.server.label
        self._fail(Unreachable(f"{label}: {error}", server=label))

    def _late(self) -> None:
        self._timer = None
        if self._tries > 0:
            self._send()
        else:
            label = self.remote.server.label
            self._fail(TimedOut(f"{label} does not answer{self._last}", server=label, rcode=self._rcode))

    def received(self, datagram: bytes) -> None:
        """
        A datagram with the id of this message has come from the server.
        """
        try:
            reply = Message.fromWire(datagram).check()
            asked = self._message
            if not reply.flags & QR or (reply.flags ^ asked.flags) & _OPCODE:
                return
            if reply.questions and reply.questions != asked.questions:
                return
            key = self.remote.key
            if key is not None:
                verdict = verify(datagram, {key.name: key}, self._today(), requestMac=self._mac)
                if not verdict.good:
                    # Anybody could have sent it.
                    self._rcode = reply.rcode or None
                    self._last = f", or not with a signature that could be trusted ({rcodeName(reply.rcode)})"
                    if not self._unsignedRefusals or reply.rcode not in _REFUSALS:
                        return
        except BadMessage:
            return
        if reply.rcode:
            label = self.remote.server.label
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
        port, self._port = self._port, None
        if port is not None:
            port.remove(self._message.id)
        return deferred

    def _cancel(self, deferred: Deferred[Message]) -> None:
        self._end()


def exchange(
    sender: MessageSender,
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

    @param sender: where the message leaves from.
    @param wait: seconds for the first try.
    @param today: gives seconds since 1970.
    @param unsignedRefusals: whether REFUSED and NOTAUTH end this without a signature as well: for callers who then ask another way, so that
        a forged one costs no more than that.

    @return: the reply, whose signature is right where one is due. Fails with L{ServerFailed} where it says no, L{TimedOut} where there is
        none that can be trusted, L{Unreachable} where nothing can be sent.
    """
    edns = EDNS(_SIZE, 0, options) if options else None
    made = _Exchange(sender, remote, wait, tries, today, unsignedRefusals)
    deferred = made.deferred
    assert deferred is not None
    try:
        port = sender.port(remote)
    except (OSError, CannotListenError) as error:
        made.unreachable(error)
    else:
        made.begin(port, lambda id: Message(id, opcode << 11 | flags, (question,), answer, edns=edns))
    return deferred
