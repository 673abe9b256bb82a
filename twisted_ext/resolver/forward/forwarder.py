"""
The forwarding answer source, which sends questions to upstream servers. If thousands begin at once, they are sent as replies arrive, so
that the replies do not overflow a receive buffer with room for some hundreds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import classImplements

from twisted_ext.answers import QueryContext
from twisted_ext.errors import CallerFault, Closed, QueueFull
from twisted_ext.interfaces import IAnswerSource, IExchange, Start
from twisted_ext.limits import DATAGRAM_SIZE, LOOKUPS_BURST, LOOKUPS_WAITING, SERVER_TRIES
from twisted_ext.ratecontrol import NotYet, ServerRates
from twisted_ext.resolver.ask import QueryStart, Waiter
from twisted_ext.resolver.forward.cookies import ClientCookies
from twisted_ext.resolver.forward.failures import named
from twisted_ext.resolver.forward.holdable import Holdable
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.resolver.forward.serverstats import ServerStats, bestOf, nextOf
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.exchange import IN_CLEAR, TCP, StreamTransport
from twisted_ext.transport.random import Draw
from twisted_ext.transport.replymatch import mixed
from twisted_ext.transport.servers import Server
from twisted_ext.transport.timers import Timetable, TimetableItem
from twisted_ext.wire.codes import AD, CD, DO, RD
from twisted_ext.wire.message import EDNS, Question

if TYPE_CHECKING:
    from collections.abc import Sized

    from twisted_ext.answers import QueryContext
    from twisted_ext.resolver.ask import Waiter
    from twisted_ext.resolver.forward.lookup import ForwardedLookup
    from twisted_ext.resolver.forward.nextstep import Came
    from twisted_ext.resolver.forward.serverstats import ServerStats
    from twisted_ext.resolver.recursive.pool import ZoneServers
    from twisted_ext.wire.message import Question
    from twisted_ext.wire.tsig import Key

__all__ = ["Admission", "ForwardingSource", "Parts", "RatedLookup", "Upstream", "lookupFor", "partsFor"]

_SIZE: Final = int(DATAGRAM_SIZE.default)

#: The header without id, for queries without and with an OPT record, and that record.
Parts = tuple[bytes, bytes, bytes]

#: Combinations of query settings whose message parts are kept ready.
_MOST_PARTS: Final = 64

#: Look-ups that begin within this many seconds count as simultaneous.
_MOMENT: Final = 0.02

#: Round-trip times up to which each reply admits one more look-up. Longer ones may be due to queueing in a full receive buffer.
_BRISK: Final = 0.01

#: Seconds without any reply after which all queued look-ups begin, each with a timeout of its own.
_SILENCE: Final = 1.5


class Admission:
    """
    The admission queue of one forwarding source. It forms when many look-ups begin at once and drains as replies arrive; the number in
    progress is adjusted to what gets through without loss (additive increase, multiplicative decrease). A look-up whose first query has
    timed out does not count, because it is not load on the servers.

    @ivar queue: queued look-ups, oldest first, and the time when each was queued.
    @ivar late: the number of look-ups in progress whose first query has timed out.
    @ivar free: the number of look-ups that may begin at once; below it no accounting is done.
    @ivar size: the window: the maximum number of look-ups in progress while others are queued.
    """

    __slots__ = (
        *("queue", "late", "free", "size", "_under", "_standings", "_seconds", "_most"),
        *("_since", "_then", "_heard", "_growing", "_cutUntil", "_admitting", "_closed"),
    )

    def __init__(
        self, under: Sized, standings: Sequence[ServerStats], seconds: Callable[[], float], most: int | None
    ) -> None:
        """
        @param under: all look-ups in progress.
        """
        self.queue: OrderedDict[ForwardedLookup, float] = OrderedDict()
        self.late = 0
        self.free = int(LOOKUPS_BURST.default)
        self.size = float(self.free)
        self._under = under
        self._standings = standings
        self._seconds = seconds
        self._most = int(LOOKUPS_WAITING.pick(most))
        # The number of look-ups in progress at a recent time.
        self._since = -inf
        self._then = 0
        self._heard = 0.0
        self._growing = True
        self._cutUntil = -inf
        self._admitting = self._closed = False

    def enter(self, flight: ForwardedLookup, now: float) -> None:
        """
        Begin a look-up now, or queue it until there is room. If the queue is full, the look-up fails with L{QueueFull}.
        """
        queue = self.queue
        if flight.context.served:
            flight.launch(now)
            return
        if not queue:
            busy = len(self._under) - self.late
            if busy < self._then or now - self._since > _MOMENT:
                self._since = now
                self._then = busy
            if busy - self._then < self.free:
                flight.launch(now)
                return
            self.size = float(max(self.free, busy))
            self._growing = True
            self._heard = now
        if len(queue) >= self._most:
            text = f"{named(flight.question)}: {len(queue)} look-ups are queued already, and no more are accepted"
            flight.refuse(QueueFull(text))
            return
        queue[flight] = now
        holder = flight.context.flight
        if isinstance(holder, Holdable):
            holder.hold(now)

    def left(self, flight: ForwardedLookup) -> None:
        """
        Called when a look-up has ended or was cancelled.
        """
        if self.queue.pop(flight, None) is not None:
            return
        if flight.attempts == 1:
            self.size = min(self.size + (1.0 if self._growing and self._brisk() else 2.0 / self.size), LOOKUPS_BURST.most)
        self.admit(self._seconds())

    def _brisk(self) -> bool:
        """
        Return whether replies arrive so fast that queries cannot be queueing in a server's buffer.
        """
        return any(standing.rtt is not None and standing.rtt <= _BRISK for standing in self._standings)

    def lost(self, now: float) -> None:
        """
        Called when a look-up's first query timed out.
        """
        if now >= self._cutUntil:
            # Losses among queries that were sent together are one signal.
            self._cutUntil = now + max([standing.timeout for standing in self._standings])
            self._growing = False
            self.size = max(self.size / 2, float(self.free))
        self.admit(now)

    def admit(self, now: float) -> None:
        if self._admitting or self._closed:
            return
        if not all(standing.failures for standing in self._standings):
            self._heard = now
        silent = now - self._heard >= _SILENCE
        queue = self.queue
        self._admitting = True
        try:
            while queue and (silent or len(self._under) - self.late < self.size):
                flight, since = queue.popitem(last=False)
                context = flight.context
                if isinstance(context.flight, Holdable):
                    context.flight.proceed(now)
                # The time in the queue is not the servers' delay.
                flight.context = context.but(deadline=context.deadline + now - since)
                flight.launch(now)
        finally:
            self._admitting = False

    def close(self) -> list[ForwardedLookup]:
        self._closed = True
        return list(self.queue)


class RatedLookup(ForwardedLookup):
    """
    A look-up that asks each server no more often than its context allows. It has no probes: each of its queries is for its own answer.
    """

    __slots__ = ("_rates", "_parked", "_isGranted", "_isPart")

    def __init__(self, source: ForwardingSource | ZoneServers, question: Question, context: QueryContext, rates: ServerRates) -> None:
        super().__init__(source, question, context)
        self._rates = rates
        # Sends the query that waits for its turn.
        self._parked: Callable[[float], None] | None = None
        self._isGranted = False
        budget = context.budget
        # Whether it is a part of another one, which has sent something already.
        self._isPart = bool(context.aliases or (budget is not None and budget.isBegun))

    def overdue(self, now: float) -> None:
        go = self._parked
        if go is None or now >= self.context.deadline:
            super().overdue(now)
            return
        self._parked = None
        # It may go over TCP.
        self._isGranted = True
        go(now)
        self._isGranted = False

    def _send(self, index: int, now: float, again: bool = False) -> None:
        if not self.attempts:
            index = min([(self._waitFor(each, now), each != index, each) for each in self._usable(index, now)])[2]
        if self._isItsTurn(index, now, partial(super()._send, index, again=again)):
            # It may go over TCP.
            self._isGranted = True
            super()._send(index, now, again)
            self._isGranted = False

    def _byStream(self, index: int, now: float, because: Came | None) -> None:
        if self._isItsTurn(index, now, partial(super()._byStream, index, because=because)):
            super()._byStream(index, now, because)

    def _probe(self, chosen: int, now: float) -> None:
        pass

    def _usable(self, first: int, now: float) -> list[int]:
        """
        Return the indices of the servers that work.

        @param first: one that is to be asked in any case.
        """
        return [index for index, standing in enumerate(self._source.standings) if index == first or standing.downUntil <= now]

    def _waitFor(self, index: int, now: float) -> float:
        return self._rates.wait(self._source.upstreams[index].server.address, now)

    def _isItsTurn(self, index: int, now: float, go: Callable[[float], None]) -> bool:
        """
        Return whether the next query may be sent to a server now. If not, it is sent in its turn, or the look-up ends with L{NotYet}.

        @param go: sends it. What has waited until now is sent no more.
        """
        self._parked = None
        if self._isGranted:
            self._isGranted = False
            return True
        source, context, rates = self._source, self.context, self._rates
        wait = self._waitFor(index, now)
        if not self.attempts and wait > (rates.lookAhead if self._isPart else 0.0):
            servers = tuple([source.upstreams[each].server.address for each in self._usable(index, now)])
            self._over()
            self.refuse(NotYet(servers, wait))
            return False
        rates.count(source.upstreams[index].server.address, now)
        if not wait:
            return True
        self._parked = go
        self.due = min(now + wait, context.deadline)
        source.timetable.add(self)
        return False


def lookupFor(source: ForwardingSource | ZoneServers, question: Question, context: QueryContext, waiter: Waiter) -> ForwardedLookup:
    """
    Return the look-up of a question, to be begun.
    """
    rates = context.serverRates
    lookup = ForwardedLookup(source, question, context) if rates is None else RatedLookup(source, question, context, rates)
    lookup.waiter = waiter
    return lookup


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
