"""
A name server with canned answers, for an in-memory network or a real reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IReactorTCP,
    IReactorTime,
    IReactorUDP,
    ITCPTransport,
    IUDPTransport,
)
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from twisted_ext.errors import BadMessage
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, RA, RD, TC
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, SOA

__all__ = ["ReceivedQuery", "CannedServer", "Reply", "Tamper", "whereOf"]

#: A reply: the text of one or several rdatas, an rcode, whole RRsets, or a function that returns one of these.
Reply = str | int | Sequence[str] | Sequence[RRSet] | Callable[[Question], "str | int | Sequence[str] | Sequence[RRSet]"]

#: Called with a reply's octets and C{"udp"}, C{"tcp"} or C{"tls"}; returns what to send instead, in order.
Tamper = Callable[[bytes, str], Sequence[bytes]]

_NXDOMAIN = 3

#: Attempts to find a port that is free for both UDP and TCP.
_PORTS_TRIED = 50


def whereOf(address: IAddress) -> tuple[str, int]:
    assert isinstance(address, IPv4Address | IPv6Address)
    return address.host, address.port


@dataclass(eq=False)
class ReceivedQuery:
    """
    A query that a server received.

    @ivar message: the whole message.
    @ivar transport: C{"udp"}, C{"tcp"} or C{"tls"}.
    @ivar peer: the client's address and port.
    @ivar at: when it arrived.
    """

    message: Message
    transport: str
    peer: tuple[str, int]
    at: float

    @property
    def question(self) -> Question:
        """
        Its question.
        """
        return self.message.questions[0]

    def __repr__(self) -> str:
        return f"<Asked {self.question!r} by {self.transport} from {self.peer[0]}:{self.peer[1]}>"


class CannedServer:
    """
    A name server for UDP, TCP and TLS. Its behavior can be changed at any time.

    Names that are not listed get NXDOMAIN; listed names get NODATA for types that are not listed. Aliases are followed.

    @param records: what to reply, by name and type: C{{("www.example.org", "A"): "192.0.2.80"}}.
    @param otherwise: the reply for names that are not listed; NXDOMAIN by default.
    @ivar rcode: reply to everything with this, or L{None}.
    @ivar silent: do not reply.
    @ivar silentTo: do not reply by C{"udp"}, by C{"tcp"} or by C{"tls"}.
    @ivar truncating: truncate all UDP replies.
    @ivar delay: seconds to wait before replying.
    @ivar stumbles: the rcode for queries with EDNS, or L{None} for a server that supports EDNS.
    @ivar bare: whether such a reply is only a header.
    @ivar closesAfter: replies after which a connection is closed, or L{None}; 0 closes it at the first query.
    @ivar tamper: modifies what is sent, or L{None}.
    @ivar asked: all queries received, in order.
    """

    def __init__(self, records: Mapping[tuple[str, str], Reply] | None = None, otherwise: Reply = _NXDOMAIN) -> None:
        self._records: dict[bytes, Reply] = {}
        self._names: set[bytes] = set()
        for (name, rrType), reply in (records or {}).items():
            self.set(name, rrType, reply)
        self.otherwise = otherwise
        self.rcode: int | None = None
        self.silent = False
        self.silentTo = ""
        self.truncating = False
        self.delay = 0.0
        self.stumbles: int | None = None
        self.bare = False
        self.closesAfter: int | None = None
        self.tamper: Tamper | None = None
        self.asked: list[ReceivedQuery] = []
        self._ports: list[IListeningPort] = []
        self._connections: set[_Stream] = set()
        self._later: set[IDelayedCall] = set()
        self._clock: IReactorTime | None = None

    def set(self, name: str, rrType: str, reply: Reply) -> None:
        """
        Set the reply to a question.
        """
        question = questionOf(name, rrType)
        self._records[question.key] = reply
        self._names.add(question.key[:-4])

    def listen(
        self, reactor: IReactorTime, port: int = DNS_PORT, interface: str = "", *, datagrams: bool = True, streams: bool = True
    ) -> Server:
        """
        Start listening.

        @param reactor: that of a host on an in-memory network, or a real one.
        @param port: 0 for any free port.

        @return: the address to send queries to.
        """
        self._clock = reactor
        addresses: tuple[str, ...] = getattr(reactor, "addresses", ("127.0.0.1",))
        # Both families if the host has both, as a server listens by default.
        interfaces = [interface] if interface else sorted({"::" if ":" in address else "" for address in addresses})
        for tries in range(_PORTS_TRIED):
            try:
                number = port
                for each in interfaces:
                    number = self._listen(reactor, number, each, datagrams, streams)
                break
            except CannotListenError:
                # The port was free for one transport but not for the other.
                for opened in self._ports:
                    opened.stopListening()
                self._ports.clear()
                if port or tries == _PORTS_TRIED - 1:
                    raise
        return Server(interface or addresses[0], number)

    def listenTLS(
        self, reactor: IReactorTime, creator: IOpenSSLServerConnectionCreator, port: int = 853, interface: str = ""
    ) -> Server:
        """
        Start listening for TLS.

        @param creator: has the certificate; for example C{twisted.internet.ssl.CertificateOptions}.
        @param port: 0 for any free port.

        @return: the address to send queries to.
        """
        from twisted.protocols.tls import TLSMemoryBIOFactory

        self._clock = reactor
        addresses: tuple[str, ...] = getattr(reactor, "addresses", ("127.0.0.1",))
        factory = TLSMemoryBIOFactory(creator, False, self._factory("tls"), reactor)
        opened = IReactorTCP(reactor).listenTCP(port, cast("ServerFactory", factory), 50, interface)
        self._ports.append(opened)
        return Server(interface or addresses[0], whereOf(opened.getHost())[1])

    def _factory(self, transport: str) -> ServerFactory:
        factory: ServerFactory = ServerFactory()
        factory.protocol = partial(_Stream, self, transport)
        factory.noisy = False
        return factory

    def _listen(self, reactor: IReactorTime, port: int, interface: str, datagrams: bool, streams: bool) -> int:
        ports: list[IListeningPort] = []
        if datagrams:
            ports.append(IReactorUDP(reactor).listenUDP(port, _Datagrams(self), interface, 65535))
            port = whereOf(ports[0].getHost())[1]
        if streams:
            try:
                ports.append(IReactorTCP(reactor).listenTCP(port, self._factory("tcp"), 50, interface))
            except CannotListenError:
                for each in ports:
                    each.stopListening()
                raise
            port = whereOf(ports[-1].getHost())[1]
        self._ports.extend(ports)
        return port

    def close(self) -> Deferred[None]:
        """
        Stop listening and close all connections.

        @return: fires when everything is closed.
        """
        for call in self._later:
            call.cancel()
        self._later.clear()
        ports, self._ports = self._ports, []
        closing: list[Deferred[None]] = []
        for port in ports:
            stopped = port.stopListening()
            if stopped is not None:
                closing.append(stopped)
        for connection in list(self._connections):
            closing.append(connection.cut())
        return gatherResults(closing).addCallback(lambda _: None)

    # -- replying

    def take(self, octets: bytes, transport: str, peer: tuple[str, int], send: Callable[[bytes], object]) -> None:
        clock = self._clock
        try:
            message = Message.fromWire(octets).check()
        except BadMessage:
            return
        if clock is None or len(message.questions) != 1:
            return
        self.asked.append(ReceivedQuery(message, transport, peer, clock.seconds()))
        if self.silent or self.silentTo == transport:
            return
        replies = self.repliesTo(message, transport)
        tamper = self.tamper
        if tamper is not None:
            replies = [each for reply in replies for each in tamper(reply, transport)]
        if not self.delay:
            for each in replies:
                send(each)
            return

        def late() -> None:
            self._later.discard(call)
            for each in replies:
                send(each)

        call = clock.callLater(self.delay, late)
        self._later.add(call)

    def repliesTo(self, query: Message, transport: str) -> Sequence[bytes]:
        """
        Return the messages to reply with, before C{tamper} is applied.
        """
        return [self.replyTo(query, transport)]

    def replyTo(self, query: Message, transport: str) -> bytes:
        """
        Return the reply, before C{tamper} is applied.
        """
        flags = query.flags & RD | QR | RA
        asked = query.edns
        if asked is not None and self.stumbles is not None:
            low = self.stumbles & 15
            if self.bare:
                return buildMessage(Message(query.id, flags | low))
            edns = EDNS(1232, extendedRcode=self.stumbles >> 4) if self.stumbles > 15 else None
            return buildMessage(Message(query.id, flags | low, query.questions, edns=edns))
        edns = None if asked is None or self.stumbles is not None else EDNS(1232, asked.flags)
        size = 65535 if transport != "udp" else 512 if edns is None or asked is None else max(512, asked.payloadSize)
        if self.truncating and transport == "udp":
            return buildMessage(Message(query.id, flags | TC, query.questions, edns=edns))
        if self.rcode is not None:
            return buildMessage(Message(query.id, flags | self.rcode, query.questions, edns=edns))
        rcode, answer = self._find(query.questions[0])
        authority: tuple[RRSet, ...] = ()
        if rcode in (0, _NXDOMAIN) and not (answer and answer[-1].rrType == query.questions[0].rrType):
            authority = (rrsetOf(b"\x00", SOA, "ns.invalid. hostmaster.invalid. 1 3600 900 604800 60", 60),)
        return buildMessage(Message(query.id, flags | AA | rcode, query.questions, tuple(answer), authority, edns=edns), size)

    def _find(self, question: Question) -> tuple[int, list[RRSet]]:
        answer: list[RRSet] = []
        name = question.name
        for _ in range(16):
            asked = Question(name, question.rrType, question.rrClass)
            reply = self._records.get(asked.key)
            if reply is None:
                alias = self._records.get(Question(name, CNAME).key)
                if alias is not None and question.rrType != CNAME:
                    rcode, sets = self._resolve(alias, Question(name, CNAME))
                    answer.extend(sets)
                    name = sets[0].rdatas[0]
                    continue
                reply = [] if asked.key[:-4] in self._names else self.otherwise
            rcode, sets = self._resolve(reply, asked)
            return rcode, answer + sets
        return 0, answer

    def _resolve(self, reply: Reply, question: Question) -> tuple[int, list[RRSet]]:
        if callable(reply):
            reply = reply(question)
        if isinstance(reply, int):
            return reply, []
        if isinstance(reply, str):
            return 0, [rrsetOf(question.name, question.rrType, reply)]
        sets = [each for each in reply if isinstance(each, RRSet)]
        texts = [each for each in reply if isinstance(each, str)]
        if texts:
            sets.append(rrsetOf(question.name, question.rrType, texts))
        return 0, sets

    @property
    def connections(self) -> int:
        """
        The number of open connections.
        """
        return len(self._connections)


class _Datagrams(DatagramProtocol):
    noisy = False
    transport: IUDPTransport

    def __init__(self, server: CannedServer) -> None:
        self._server = server

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        def send(octets: bytes) -> None:
            # The port may have been closed during the delay.
            if self.transport is not None:
                self.transport.write(octets, (addr[0], addr[1]))

        self._server.take(datagram, "udp", (addr[0], addr[1]), send)


class _Stream(Protocol):
    transport: ITCPTransport

    def __init__(self, server: CannedServer, kind: str) -> None:
        self._server = server
        self._kind = kind
        self._buffer = StreamBuffer()
        self._replies = 0
        self._gone: list[Deferred[None]] = []

    def connectionMade(self) -> None:
        self._server._connections.add(self)

    def dataReceived(self, data: bytes) -> None:
        where = whereOf(self.transport.getPeer())
        for octets in self._buffer.feed(data):
            if self._server.closesAfter is not None and self._replies >= self._server.closesAfter:
                self.transport.loseConnection()
                return
            self._replies += 1
            self._server.take(octets, self._kind, where, self._send)

    def _send(self, octets: bytes) -> None:
        self.transport.write(frame(octets))
        if self._server.closesAfter is not None and self._replies >= self._server.closesAfter:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._server._connections.discard(self)
        for done in self._gone:
            done.callback(None)

    def cut(self) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._gone.append(done)
        self.transport.abortConnection()
        return done
