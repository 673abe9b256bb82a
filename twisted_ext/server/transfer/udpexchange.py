"""
Exchanges one message with another server over UDP: SOA queries to primaries, and NOTIFY to secondaries.
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

#: Response codes of a server that refuses the request over UDP, or with this key.
_REFUSALS: Final = frozenset((Rcode.REFUSED, Rcode.NOTAUTH))

#: Advertised maximum octets of a reply.
_SIZE: Final = 1232

_draw: Final = Draw()


def _drawId() -> int:
    return int.from_bytes(_draw.take(2), "big")


class MessageSender:
    """
    Source ports for messages to other servers: one for each address family, open while replies are awaited.

    Replies are matched by port, address and id. Where a spoofed reply would do harm, use a separate sender for each message, and so an
    unpredictable port.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        """
        @param reactor: provides L{IReactorUDP} as well.
        """
        self.reactor = reactor
        self._ports: dict[int, _Port] = {}

    def port(self, remote: RemoteServer) -> _Port:
        """
        Return an open port for messages to this server.

        @raise OSError: no port can be opened.
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
    A shared UDP port.

    @ivar exchanges: exchanges awaiting a reply, by id.
    """

    # Not a connected socket: it is shared, and Twisted closes a connected one as soon as its server is unreachable.
    noisy = False
    transport: IUDPTransport

    def __init__(self, closed: Callable[[], object]) -> None:
        self.exchanges: dict[int, _Exchange] = {}
        self._closed = closed

    def add(self, exchange: _Exchange) -> int:
        """
        Register an exchange.

        @return: the id for its message.
        """
        id = _drawId()
        while id in self.exchanges:
            id = _drawId()
        self.exchanges[id] = exchange
        return id

    def remove(self, id: int) -> None:
        """
        Remove an exchange; close the port after the last one.
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
        Send the message that C{message} makes with an id.
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
        Fail, since nothing can be sent.
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
        Handle a datagram from the server with the id of this exchange.
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
                    # The reply may be spoofed.
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
    Send a message and wait for the reply; repeat it, waiting twice as long each time.

    @param sender: provides the source port.
    @param wait: seconds to wait for a reply to the first try.
    @param today: returns seconds since 1970.
    @param unsignedRefusals: whether REFUSED and NOTAUTH end this without a valid signature as well: for callers that then try another way,
        so that a spoofed refusal does no other harm.

    @return: the reply, with a valid signature if a key is configured. Fails with L{ServerFailed} on an error response, L{TimedOut} if there
        is no reply that can be trusted, L{Unreachable} if nothing can be sent.
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
