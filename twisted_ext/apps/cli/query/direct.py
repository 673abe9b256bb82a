"""
Sends queries of C{txdns query} with explicit control over every field: header bits, opcode, id, OPT record, signature, source address.

Other queries go through L{twisted_ext.resolver}, which sets those fields.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IListeningPort,
    IReactorTCP,
    IReactorTime,
    IReactorUDP,
    ITCPTransport,
    IUDPTransport,
)
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, QueryContext
from twisted_ext.apps.cli.query.args import PAYLOAD, QueryOptions
from twisted_ext.errors import BadMessage, DNSFault, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource, IExchange
from twisted_ext.outcomes import answerFromMessage
from twisted_ext.resolver.forward.failures import mostTelling
from twisted_ext.transport.exchange import PendingQuery
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, AD, CD, CO, DO, QR, RA, RD, TC, Rcode, Z
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.options import Cookie, Padding
from twisted_ext.wire.tsig import Key, sign, signatureError, verify

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start
    from twisted_ext.transport.exchange import Channel

__all__ = ["DirectSource", "Exchange", "KeptConnections"]

_OPCODE: Final = 0x7800

#: Octets of an EDNS option before its data.
_OPTION_HEAD: Final = 4

#: The header bits and the options that set them.
_BITS: Final = (("aaflag", AA), ("tcflag", TC), ("recurse", RD), ("raflag", RA), ("zflag", Z), ("adflag", AD), ("cdflag", CD))


@dataclass(slots=True)
class Exchange:
    """
    A query and its reply.

    @ivar kind: the transport: C{"udp"}, C{"tcp"}, C{"tls"}...
    @ivar truncated: whether the UDP reply was truncated, and this one came over TCP.
    @ivar doubt: why the TSIG signature of the reply is not valid; C{""} if it is, or none was expected.
    """

    query: Message
    reply: Message
    server: Server
    kind: str
    seconds: float
    truncated: bool
    doubt: str


@implementer(IAnswerSource)
class DirectSource:
    """
    Queries servers in turn, with the header and OPT fields of C{options}.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        servers: Sequence[Server],
        options: QueryOptions,
        key: Key | None = None,
        *,
        sending: Callable[[Message, Server], object] = lambda query, server: None,
        remark: Callable[[str], object] = lambda text: None,
        refused: Callable[[Exchange], object] = lambda exchange: None,
        encrypted: Mapping[Server, IExchange] = MappingProxyType({}),
        kept: KeptConnections | None = None,
    ) -> None:
        """
        @param reactor: provides L{IReactorUDP} and L{IReactorTCP} as well.
        @param key: signs queries. Replies that it has not signed are refused.
        @param sending: called with each query before it is sent.
        @param remark: called with the reason before a query is repeated.
        @param refused: called with a reply that rejects the cookie, before the query is repeated.
        @param kept: the connections of C{+keepopen}.
        @param encrypted: how to reach servers that are not queried over UDP and TCP. These exchanges choose the ids of queries.
        """
        self._encrypted = encrypted
        self.last: Exchange | None = None
        self._reactor = reactor
        self._servers = servers
        self._options = options
        self._key = key
        self._sending = sending
        self._remark = remark
        self._refused = refused
        self._kept = kept if options.flags["keepopen"] else None

    def ask(self, question: Question, context: QueryContext) -> Start:
        return partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return Deferred.fromCoroutine(self._answer(question, context))

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()

    async def _answer(self, question: Question, context: QueryContext) -> Answer:
        done = await self.exchange(question, self._servers)
        return answerFromMessage(question, done.reply, Origin(done.kind, done.server.label, 1, done.seconds))

    async def exchange(self, question: Question, servers: Sequence[Server]) -> Exchange:
        """
        Query each server in turn, C{options.tries} times, and return the first reply, with any rcode.
        """
        began = self._reactor.seconds()
        faults: dict[str, DNSFault] = {}
        attempts, most = 0, self._options.tries * len(servers)
        for _ in range(self._options.tries):
            for server in servers:
                attempts += 1
                try:
                    done = self.last = await self._exchange(question, server)
                    if done.reply.rcode != Rcode.SERVFAIL or self._options.flags["fail"] is not False or attempts == most:
                        return done
                except TimedOut:
                    faults.pop(server.label, None)
                except DNSFault as fault:
                    faults[server.label] = fault
        labels = [server.label for server in servers]
        raise mostTelling(question, list(faults.values()), labels, attempts, self._reactor.seconds() - began)

    async def _exchange(self, question: Question, server: Server) -> Exchange:
        options = self._options
        sent = tuple(options.ednsOptions)
        version = options.ednsVersion
        stream = bool(options.flags["tcp"])
        truncated = False
        #: After a second BADCOOKIE the query goes over TCP (RFC 7873, section 5.3).
        refreshed = 0
        while True:
            query = self._query(question, sent, version)
            self._sending(query, server)
            done = await self._once(query, server, stream, truncated)
            reply = done.reply
            if reply.flags & TC and not stream and server not in self._encrypted and not options.flags["ignore"]:
                stream = truncated = True
                self._remark("Truncated, retrying in TCP mode.")
                continue
            known = reply.edns.version if reply.edns is not None else version
            if reply.rcode == Rcode.BADVERS and known < version and options.flags["ednsnegotiation"]:
                version = known
                self._remark(f"BADVERS, retrying with EDNS version {version}.")
                continue
            ours = next((octets[:8] for code, octets in sent if code == Cookie.code), b"")
            theirs = reply.edns.option(Cookie.code) if reply.edns is not None else None
            if reply.rcode == Rcode.BADCOOKIE and options.flags["badcookie"] and ours and theirs and refreshed < 2:
                stream = stream or refreshed == 1
                refreshed += 1
                if options.flags["showbadcookie"]:
                    self._refused(done)
                self._remark(f"BADCOOKIE, retrying{' in TCP mode' if stream else ''}.")
                sent = tuple([(code, theirs if code == Cookie.code else octets) for code, octets in sent])
                continue
            return done

    def _query(self, question: Question, sent: tuple[tuple[int, bytes], ...], version: int) -> Message:
        options = self._options
        flags = options.opcode << 11
        for word, bit in _BITS:
            if options.flags[word]:
                flags |= bit
        number = int.from_bytes(os.urandom(2), "big") if options.queryId is None else options.queryId
        dnssec = options.dnssecOk
        edns = None
        ednsFlags = options.ednsFlags | (DO if dnssec else 0) | (CO if options.flags["coflag"] else 0)
        if options.flags["edns"] or ednsFlags or sent or version or options.padding or options.payloadSize is not None:
            size = PAYLOAD if options.payloadSize is None else options.payloadSize
            edns = EDNS(size, ednsFlags, sent, version)
        questions = () if options.flags["header-only"] else (question,)
        query = Message(number, flags, questions, edns=edns)
        if edns is None or not options.padding:
            return query
        room = -(len(buildMessage(query)) + _OPTION_HEAD) % options.padding
        return Message(number, flags, questions, edns=EDNS(edns.payloadSize, ednsFlags, (*sent, (Padding.code, bytes(room))), version))

    async def _once(self, query: Message, server: Server, stream: bool, truncated: bool) -> Exchange:
        wire, mac = buildMessage(query), b""
        if self._key is not None:
            wire, mac = sign(wire, self._key, time())
        began = self._reactor.seconds()
        asking = _Asking(self._reactor, query, server, self._options)
        exchange = self._encrypted.get(server)
        if exchange is not None:
            asking.byExchange(exchange, wire)
        elif stream:
            asking.byStream(wire, self._kept)
        else:
            asking.byDatagram(wire)
        octets = await asking.deferred
        doubt = ""
        if self._key is not None:
            try:
                verdict = verify(octets, {self._key.name: self._key}, time(), requestMac=mac)
            except BadMessage as error:
                doubt = str(error)
            else:
                code = verdict.error or (verdict.record.error if verdict.record is not None else 0)
                doubt = "" if verdict.good else "the reply is not signed" if verdict.record is None else signatureError(code)
        kind = exchange.kind if exchange is not None else "tcp" if stream else "udp"
        return Exchange(query, Message.fromWire(octets).check(), server, kind, self._reactor.seconds() - began, truncated, doubt)


class _Asking:
    """
    A query in progress. C{deferred} fires with the octets of the reply, or fails with L{TimedOut} or L{Unreachable}.
    """

    def __init__(self, reactor: IReactorTime, query: Message, server: Server, options: QueryOptions) -> None:
        self.deferred: Deferred[bytes] = Deferred(self._cancel)
        self.server = server
        self.query = query
        self._reactor = reactor
        self._ended = False
        self._lasting = False
        self._close: Callable[[], object] = lambda: None
        self.options = options
        self._timer: IDelayedCall | None = reactor.callLater(options.seconds, self._late)

    def byDatagram(self, wire: bytes) -> None:
        options = self.options
        interface = options.local or ("::" if self.server.family == socket.AF_INET6 else "")
        try:
            opened: IListeningPort = IReactorUDP(self._reactor).listenUDP(options.localPort, _Datagrams(self, wire), interface, 65535)
        except CannotListenError as error:
            self.fail(error.socketError)
            return
        self._close = opened.stopListening
        if self._ended:
            opened.stopListening()

    def byStream(self, wire: bytes, kept: KeptConnections | None = None) -> None:
        """
        @param kept: where to find an open connection, and to leave it open for later queries.
        """
        options = self.options
        bindAddress = None if options.local is None else (options.local, options.localPort)
        server = self.server
        self._lasting = kept is not None
        stream = kept.find(server, options) if kept is not None else None
        if stream is not None:
            self._close = stream.transport.abortConnection
            stream.send(self, wire)
            return
        try:
            connector: IConnector = IReactorTCP(self._reactor).connectTCP(
                server.address, server.port, _Streams(self, wire, kept), timeout=options.seconds, bindAddress=bindAddress
            )
        except OSError as error:
            self.fail(error)
            return
        self._close = connector.disconnect
        if self._ended:
            connector.disconnect()

    def byExchange(self, exchange: IExchange, wire: bytes) -> None:
        pending = _Pending(self, wire[2:])
        try:
            channel, key = exchange.ask(pending, self._reactor.seconds())
        except DNSFault as fault:
            self.abandon(fault)
            return
        if self._ended:
            return

        def release() -> None:
            if not pending.over:
                channel.release(key)
            exchange.settle()

        self._close = release

    def abandon(self, fault: DNSFault) -> None:
        if self._end():
            self.deferred.errback(fault)

    def take(self, octets: bytes, anyId: bool = False) -> bool:
        """
        Handle a received message. Messages that do not match the query are ignored.

        @param anyId: whether the transport has matched the id.
        """
        try:
            reply = Message.fromWire(octets).check()
        except BadMessage:
            return False
        query = self.query
        if reply.id != query.id and not anyId or not reply.flags & QR or (reply.flags ^ query.flags) & _OPCODE:
            return False
        if reply.questions and query.questions and reply.questions != query.questions:
            return False
        if self._end(good=True):
            self.deferred.callback(octets)
        return True

    def fail(self, error: BaseException | str) -> None:
        if self._end():
            why = error if isinstance(error, str) else getattr(error, "strerror", None) or str(error)
            self.deferred.errback(Unreachable(f"{self.server.label} cannot be reached: {why}", server=self.server.label))

    def _late(self) -> None:
        self._timer = None
        if self._end():
            self.deferred.errback(TimedOut(f"{self.server.label} did not reply", server=self.server.label))

    def _cancel(self, deferred: Deferred[bytes]) -> None:
        self._end()

    def _end(self, good: bool = False) -> bool:
        if self._ended:
            return False
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (good and self._lasting):
            self._close()
        return True


class _Pending(PendingQuery):
    """
    A query that an encrypted transport carries.

    @ivar query: the message without its id.
    @ivar over: whether the transport has released it.
    """

    def __init__(self, asking: _Asking, query: bytes) -> None:
        self.query = query
        self.over = False
        self._asking = asking

    def replied(self, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
        return self._asking.take(octets, True)

    def doubted(self, now: float, channel: Channel, key: bytes) -> None:
        """
        Called for UDP only.
        """

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        self.over = True
        self._asking.abandon(fault)


class _Datagrams(DatagramProtocol):
    noisy = False
    transport: IUDPTransport

    def __init__(self, asking: _Asking, wire: bytes) -> None:
        self._asking = asking
        self._wire = wire

    def startProtocol(self) -> None:
        server = self._asking.server
        try:
            self.transport.connect(server.address, server.port)
            self.transport.write(self._wire, None)
        except OSError as error:
            self._asking.fail(error)

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        self._asking.take(datagram)

    def connectionRefused(self) -> None:
        self._asking.fail("Connection refused")

    def stopProtocol(self) -> None:
        # Reactors that poll close a connected port when the kernel reports that nothing listens there.
        self._asking.fail("Connection refused")


class _Streams(ClientFactory):
    noisy = False

    def __init__(self, asking: _Asking, wire: bytes, kept: KeptConnections | None) -> None:
        self._asking = asking
        self._wire = wire
        self._kept = kept

    def buildProtocol(self, addr: object) -> Protocol:
        stream = _Stream(self._asking, self._wire)
        if self._kept is not None:
            self._kept.add(self._asking.server, self._asking.options, stream)
        return stream

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self._asking.fail(f"over TCP: {reason.getErrorMessage()}")


class _Stream(Protocol):
    transport: ITCPTransport

    def __init__(self, asking: _Asking, wire: bytes) -> None:
        self._asking = asking
        self._wire = wire
        self._buffer = StreamBuffer()
        self.lost = False

    def connectionMade(self) -> None:
        self.transport.write(frame(self._wire))

    def send(self, asking: _Asking, wire: bytes) -> None:
        """
        Send another query over an idle connection.
        """
        self._asking = asking
        self.transport.write(frame(wire))

    def dataReceived(self, data: bytes) -> None:
        try:
            for octets in self._buffer.feed(data):
                self._asking.take(octets)
        except BadMessage as error:
            self._asking.fail(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        self._asking.fail("the server closed the connection without a reply")


class KeptConnections:
    """
    The TCP connections of C{+keepopen}, one for each server and source address. Queries are sent one after the other.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[Server, str | None, int], _Stream] = {}

    def add(self, server: Server, options: QueryOptions, stream: _Stream) -> None:
        self._streams[server, options.local, options.localPort] = stream

    def find(self, server: Server, options: QueryOptions) -> _Stream | None:
        stream = self._streams.get((server, options.local, options.localPort))
        return None if stream is None or stream.lost else stream

    def close(self) -> None:
        for stream in self._streams.values():
            stream.transport.loseConnection()
