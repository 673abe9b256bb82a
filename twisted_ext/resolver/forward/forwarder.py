"""
The forwarding answer source, which sends questions to upstream servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import classImplements

from twisted_ext.answers import QueryContext
from twisted_ext.errors import CallerFault, Closed
from twisted_ext.interfaces import IAnswerSource, IExchange, Start
from twisted_ext.limits import DATAGRAM_SIZE, SERVER_TRIES
from twisted_ext.resolver.ask import QueryStart, Waiter
from twisted_ext.resolver.forward.admission import Admission
from twisted_ext.resolver.forward.cookies import ClientCookies
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.resolver.forward.ratedlookup import lookupFor
from twisted_ext.resolver.forward.serverstats import ServerStats, bestOf, nextOf
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.exchange import IN_CLEAR, TCP, StreamTransport
from twisted_ext.transport.random import Draw
from twisted_ext.transport.replymatch import mixed
from twisted_ext.transport.servers import Server
from twisted_ext.transport.timers import Timetable, TimetableItem
from twisted_ext.wire.codes import AD, CD, DO, RD
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted_ext.wire.tsig import Key

__all__ = ["ForwardingSource", "Parts", "Upstream", "partsFor"]

_SIZE: Final = int(DATAGRAM_SIZE.default)

#: The header without id, for queries without and with an OPT record, and that record.
Parts = tuple[bytes, bytes, bytes]

#: Combinations of query settings whose message parts are kept ready.
_MOST_PARTS: Final = 64


@dataclass(slots=True, eq=False)
class Upstream:
    """
    One upstream server and the exchanges to reach it: C{datagram} over UDP, and C{stream} over TCP, which is made when it is first used.
    """

    server: Server
    datagram: DatagramExchange
    _connect: Callable[[Server], IExchange]
    _stream: IExchange | None = None

    @property
    def stream(self) -> IExchange:
        if self._stream is None:
            self._stream = self._connect(self.server)
        return self._stream

    def exchanges(self) -> list[IExchange]:
        return [self.datagram] if self._stream is None else [self.datagram, self._stream]


class ForwardingSource(LocalSource):
    """
    Forwards to these servers only: over UDP, and over TCP if a reply is truncated or stray datagrams suggest spoofing.

    While no look-up is in progress, it holds no sockets and timers, unless keep-alive is enabled.

    @param servers: tried in this order until they have been measured.
    @param stream: use connections only. This is the only way with a transport other than L{TCP}.
    @param transport: how to connect: by L{TCP} unless something else is given.
    @param mixCase: send names in mixed case, and accept only replies that preserve it (0x20; an attacker has to guess one more bit per
        letter). Servers that do not preserve it are detected and remembered.
    @param cookies: send DNS cookies, and accept only replies with the right one from servers that support them (RFC 7873).
    @param tries: UDP queries to one server in one look-up.
    @param mostWaiting: look-ups that may wait until the servers can take them.
    @param rotate: begin each look-up with the next working server, to spread the load, and not with the fastest.
    @ivar standings: the statistics of each of C{upstreams}, in the same order.
    @ivar untried: a zero for each server.
    @cvar authoritative: whether the servers answer from zones of their own, so that a failure is not repeated to the same one.
    @cvar signed: whether the servers are known to serve a signed zone, so that queries without EDNS are useless.
    @ivar waiting: look-ups under way.
    @ivar queued: look-ups that have not begun.
    @ivar free: look-ups under way above which L{admission} decides about further ones.
    @ivar closed: whether no more look-ups are accepted.
    """

    authoritative = False
    signed = False

    def __init__(
        self,
        reactor: IReactorTime,
        servers: Sequence[Server],
        *,
        stream: bool = False,
        transport: StreamTransport | None = None,
        mixCase: bool = False,
        cookies: bool = False,
        tries: int | None = None,
        rotate: bool = False,
        datagrams: Datagrams | None = None,
        mostWaiting: int | None = None,
        key: Key | None = None,
    ) -> None:
        """
        @param key: signs all queries, and has to sign the replies (TSIG, RFC 8945).

        @raise CallerFault: C{servers} is empty.
        """
        if not servers:
            raise CallerFault("no server to query; give at least one")
        self._reactor = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self.tries = int(SERVER_TRIES.pick(tries))
        self.transport: StreamTransport = transport or TCP()
        # What another transport protects must not be sent in the clear.
        self.stream = stream or self.transport.kind != IN_CLEAR
        draw = Draw()
        self.mix: Callable[[Question], bytes] | None = (lambda question: mixed(question, draw)) if mixCase else None
        self.cookies = ClientCookies(draw) if cookies else None
        self.key = key
        datagrams = datagrams or Datagrams(reactor, draw=draw)
        connect = partial(self.transport.exchange, reactor, draw)
        distinct = dict.fromkeys(servers)
        if key is None:
            self.upstreams = tuple([Upstream(server, DatagramExchange(datagrams, server), connect) for server in distinct])
        else:
            self.upstreams = _signed(key, datagrams, connect, distinct)
        self.standings = tuple([ServerStats() for _ in self.upstreams])
        self.untried = (0,) * len(self.upstreams)
        self.alone = len(self.upstreams) == 1
        self._rotate = rotate
        self._turn = -1
        self.timetable = Timetable(reactor)
        self.waiting: set[TimetableItem] = self.timetable.waiting
        self.admission = admission = Admission(self.waiting, self.standings, self.seconds, mostWaiting)
        self.queued = admission.queue
        self.free = admission.free
        self.parts: Parts = partsFor(QueryContext(0.0))
        self._parts: dict[bytes, Parts] = {}
        self.closed = False

    def ask(self, question: Question, context: QueryContext) -> Start:
        return _Start(self, question)

    def close(self) -> Deferred[None]:
        self.closed = True
        for queued in self.admission.close():
            if queued in self.queued:
                queued.end(Closed("the resolver was closed while the look-up waited"))
        # The callbacks of one look-up may end another.
        while self.waiting:
            flight = next(iter(self.waiting))
            assert isinstance(flight, ForwardedLookup)
            flight.end(Closed("the resolver was closed while the look-up ran"))
        closing = [exchange.close() for upstream in self.upstreams for exchange in upstream.exchanges()]
        return gatherResults(closing).addCallback(lambda _: None) if closing else succeed(None)

    @property
    def way(self) -> str:
        """
        Return the transport that queries are first sent over, as in L{Origin.source<twisted_ext.answers.Origin.source>}.
        """
        return self.transport.kind if self.stream else "udp"

    def settle(self) -> None:
        """
        Close sockets and cancel timers, because no look-up is in progress any more.
        """
        self.timetable.settle()
        for upstream in self.upstreams:
            for exchange in upstream.exchanges():
                exchange.settle()

    def first(self, now: float) -> int:
        if self._rotate or self.stream:
            for standing in self.standings:
                standing.reconsidered(now)
        if not self._rotate:
            return bestOf(self.standings, self.untried, 1) or 0
        self._turn = nextOf(self.standings, self._turn)
        return self._turn

    def partsOf(self, context: QueryContext) -> Parts:
        variant = context.variant
        if not variant:
            return self.parts
        parts = self._parts.get(variant)
        if parts is None:
            if len(self._parts) >= _MOST_PARTS:
                self._parts.clear()
            parts = self._parts[variant] = partsFor(context)
        return parts

    def __repr__(self) -> str:
        return f"<Forwarding to {', '.join([upstream.server.label for upstream in self.upstreams])}>"


classImplements(ForwardingSource, IAnswerSource)


class _Start(QueryStart):
    """
    Starts a forwarded look-up.
    """

    __slots__ = ("_source", "_question")

    def __init__(self, source: ForwardingSource, question: Question) -> None:
        self._source = source
        self._question = question

    def prepare(self, waiter: Waiter, context: QueryContext) -> ForwardedLookup:
        source = self._source
        if source.closed:
            raise Closed("the resolver is closed")
        return lookupFor(source, self._question, context, waiter)

    def now(self) -> float:
        return self._source.seconds()


def _signed(
    key: Key, datagrams: Datagrams, connect: Callable[[Server], IExchange], servers: Iterable[Server]
) -> tuple[Upstream, ...]:
    from twisted_ext.resolver.forward.signed import SignedDatagrams, SignedExchange

    def connected(server: Server) -> IExchange:
        return SignedExchange(connect(server), key)

    return tuple([Upstream(server, SignedDatagrams(datagrams, server, key), connected) for server in servers])


def partsFor(context: QueryContext) -> Parts:
    flags = (RD if context.recursionDesired else 0) | (AD if context.authenticData else 0) | (CD if context.checkingDisabled else 0)
    start = flags.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x00\x00"
    opt = EDNS(_SIZE, DO if context.dnssecOk else 0, context.options).toWire() if context.edns else b""
    return start + b"\x00", start + b"\x01", opt
