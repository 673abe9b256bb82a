"""
Exchanges one message with another server: SOA queries to primaries, and NOTIFY to secondaries. Over UDP, unless the server is one that is
only reached over TLS.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredQueue, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReactorUDP, IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.errors import BadMessage, ServerFailed, TimedOut, Unreachable
from twisted_ext.server.config.keys import RemoteServer
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Opcode, Rcode, rcodeName
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.tsig import sign, verify

if TYPE_CHECKING:
    from twisted_ext.transport.tls.links import TLSLinks

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
    Source ports for messages to other servers: one for each address family, open while replies are awaited; and the connections to servers
    over TLS.

    Replies are matched by port, address and id. Where a spoofed reply would do harm, use a separate sender for each message, and so an
    unpredictable port.
    """

    def __init__(self, reactor: IReactorTime, links: TLSLinks | None = None) -> None:
        """
        @param reactor: provides L{IReactorUDP} as well.
        @param links: connections that are shared with others, who close them.
        """
        self.reactor = reactor
        self._ports: dict[int, _Port] = {}
        self._links = links
        self._ownsLinks = links is None

    @property
    def links(self) -> TLSLinks:
        if self._links is None:
            from twisted_ext.transport.tls.links import TLSLinks

            self._links = TLSLinks(self.reactor)
        return self._links

    def close(self) -> Deferred[None]:
        """
        Close the connections over TLS, unless they are shared.

        @return: fires when none is open.
        """
        return succeed(None) if self._links is None or not self._ownsLinks else self._links.close()

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
    # Not a connected socket: it is shared, and Twisted closes a connected one as soon as its server is unreachable.
    noisy = False
    transport: IUDPTransport

    def __init__(self, closed: Callable[[], object]) -> None:
        # Exchanges awaiting a reply, by id: the server, and the datagrams from it.
        self._exchanges: dict[int, tuple[Server, DeferredQueue[bytes | None]]] = {}
        self._closed = closed

    def add(self, server: Server, datagrams: DeferredQueue[bytes | None]) -> int:
        id = _drawId()
        while id in self._exchanges:
            id = _drawId()
        self._exchanges[id] = (server, datagrams)
        return id

    def remove(self, id: int) -> None:
        del self._exchanges[id]
        if not self._exchanges:
            self._closed()
            self.transport.stopListening()

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        exchange = self._exchanges.get(int.from_bytes(datagram[:2], "big"))
        if exchange is not None and exchange[0].isAt(addr[0], addr[1]):
            exchange[1].put(datagram)


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
    Send a message and wait for the reply; repeat it over UDP, waiting twice as long each time.

    @param wait: seconds to wait for a reply to the first try.
    @param today: returns seconds since 1970.
    @param unsignedRefusals: whether REFUSED and NOTAUTH end this without a valid signature as well: for callers that then try another way,
        so that a spoofed refusal does no other harm.

    @return: the reply, with a valid signature if a key is configured. Fails with L{ServerFailed} on an error response, L{TimedOut} if there
        is no reply that can be trusted, L{Unreachable} if nothing can be sent.
    """
    edns = EDNS(_SIZE, 0, options) if options else None
    asked = Message(0, opcode << 11 | flags, (question,), answer, edns=edns)
    if remote.tls is not None:
        from twisted_ext.server.zones.transfer.streamexchange import exchangeOverStream
        from twisted_ext.transport.tls.links import connectorTo

        # As long as the tries over UDP would take together.
        seconds = wait * (2**tries - 1)
        connect = connectorTo(sender.reactor, remote.server, remote.tls, links=sender.links)
        assert connect is not None
        return exchangeOverStream(
            sender.reactor, connect, remote, asked, seconds=seconds, today=today, unsignedRefusals=unsignedRefusals
        )
    return Deferred.fromCoroutine(_exchange(sender, remote, asked, wait, tries, today, unsignedRefusals))


async def _exchange(
    sender: MessageSender,
    remote: RemoteServer,
    asked: Message,
    wait: float,
    tries: int,
    today: Callable[[], float],
    unsignedRefusals: bool,
) -> Message:
    server, key, label = remote.server, remote.key, remote.server.label
    try:
        port = sender.port(remote)
    except (OSError, CannotListenError) as error:
        raise Unreachable(f"{label}: {error}", server=label) from error
    datagrams: DeferredQueue[bytes | None] = DeferredQueue()
    asked.id = port.add(server, datagrams)
    octets = buildMessage(asked)
    mac, untrusted, rcode = b"", "", None
    timer: IDelayedCall | None = None
    try:
        for _ in range(tries):
            signed = octets
            if key is not None:
                signed, mac = sign(octets, key, today())
            timer = sender.reactor.callLater(wait, datagrams.put, None)
            try:
                port.transport.write(signed, (server.address, server.port))
            except OSError as error:
                raise Unreachable(f"{label}: {error}", server=label) from error
            while (datagram := await datagrams.get()) is not None:
                try:
                    reply = Message.fromWire(datagram).check()
                    if not _isReply(reply, asked):
                        continue
                    trusted = key is None or verify(datagram, {key.name: key}, today(), requestMac=mac).good
                except BadMessage:
                    continue
                if not trusted:
                    # The reply may be spoofed.
                    rcode = reply.rcode or None
                    untrusted = f", or not with a signature that could be trusted ({rcodeName(reply.rcode)})"
                    if not unsignedRefusals or reply.rcode not in _REFUSALS:
                        continue
                if reply.rcode:
                    raise ServerFailed(f"{label} answered {rcodeName(reply.rcode)}", server=label, rcode=reply.rcode)
                return reply
            wait *= 2
        raise TimedOut(f"{label} does not answer{untrusted}", server=label, rcode=rcode)
    finally:
        if timer is not None and timer.active():
            timer.cancel()
        port.remove(asked.id)


def _isReply(reply: Message, asked: Message) -> bool:
    if not reply.flags & QR or (reply.flags ^ asked.flags) & _OPCODE:
        return False
    return not reply.questions or reply.questions == asked.questions
