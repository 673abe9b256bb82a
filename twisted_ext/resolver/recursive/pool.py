"""
The authoritative servers that a recursive resolver has met: their sockets and statistics, by address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from random import Random
from sys import maxsize
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed, DNSFault, TimedOut, Unreachable
from twisted_ext.limits import SERVER_TRIES
from twisted_ext.recursion.limits import SERVERS
from twisted_ext.resolver.ask import Query, Waiter
from twisted_ext.resolver.forward.cookies import ClientCookies
from twisted_ext.resolver.forward.forwarder import Admission, Parts, Upstream, lookupFor, partsFor
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.resolver.forward.serverstats import ServerStats
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.exchange import TCP, StreamTransport
from twisted_ext.transport.random import Draw
from twisted_ext.transport.replymatch import mixed
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.timers import Timetable, TimetableItem
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted_ext.resolver.recursive.encrypted import EncryptedAuthorities

__all__ = ["PoolPause", "ServerPool", "ZoneServers"]

#: Servers within this many seconds of the fastest one are asked as often: their difference is noise, and the choice is harder to predict
#: (RFC 5452, section 4.4).
_BAND: Final = 0.005

#: One look-up in this many begins with any working server, so that a slow one that has become fast is noticed.
_EXPLORE: Final = 20

#: One look-up in this many may begin with a server that did not reply when it was last queried, once its back-off is over: such look-ups
#: wait for its timeout, and are too few to count among a hundred.
_REVISIT: Final = 200

#: Consecutive queries without a reply after which a server that has replied before is expected not to reply to the next one.
_SILENT: Final = 3

#: Queries to one server in one step of a look-up: after them, TCP is tried once.
_TRIES: Final = 2

_GROUPS: Final = 4096


def _isSilent(standing: ServerStats) -> bool:
    return standing.failures >= _SILENT or (standing.failures > 0 and standing.rtt is None)


class ZoneServers:
    """
    Some of the servers of a pool, for look-ups that may ask any of them. Has what L{ForwardedLookup} needs of its source.
    """

    stream = False
    authoritative = True
    # Their look-ups are bounded by the work of each resolution.
    free = maxsize

    def __init__(self, pool: ServerPool, addresses: tuple[str, ...], signed: bool = False) -> None:
        """
        @param signed: whether the zone is known to be signed: its servers support EDNS, whatever a datagram says.
        """
        self._pool = pool
        self.signed = signed
        known = [pool.at(address) for address in addresses]
        self.upstreams = tuple([upstream for upstream, _ in known])
        self.standings = tuple([standing for _, standing in known])
        self.untried = (0,) * len(known)
        self.alone = len(known) == 1
        self.tries = pool.tries
        self.mix = pool.mix
        self.cookies = pool.cookies
        self.seconds = pool.seconds
        self.parts = pool.parts
        self.partsOf = pool.partsOf
        self.timetable = pool.timetable
        self.waiting = pool.waiting
        self.admission = pool.admission
        self.queued = pool.admission.queue
        self.settle = pool.settle

    def first(self, now: float) -> int:
        standings = self.standings
        random = self._pool.random
        working = [index for index, standing in enumerate(standings) if standing.downUntil <= now and not _isSilent(standing)]
        if not working or (len(working) < len(standings) and not random.randrange(_REVISIT)):
            # Those whose back-off is over as well.
            working = [index for index, standing in enumerate(standings) if standing.downUntil <= now]
        if not working:
            return random.randrange(len(standings))
        if len(working) == 1:
            return working[0]
        unmeasured = [index for index in working if standings[index].rtt is None]
        if unmeasured:
            return random.choice(unmeasured)
        if not random.randrange(_EXPLORE):
            return random.choice(working)
        times = [(standings[index].rtt or 0.0, index) for index in working]
        best = min(times)[0]
        return random.choice([index for time, index in times if time <= best * 1.25 + _BAND])


class PoolPause:
    """
    A pause between the queries of a look-up.

    @ivar due: when it ends.
    """

    __slots__ = ("due", "_pool", "_waiter")

    def __init__(self, pool: ServerPool, waiter: Waiter) -> None:
        """
        @param waiter: gets a L{TimedOut} when the pause is over.
        """
        self.due = 0.0
        self._pool = pool
        self._waiter = waiter

    def begin(self, now: float) -> None:
        self._pool.timetable.add(self)

    def overdue(self, now: float) -> None:
        """
        Go on with the look-up.
        """
        self.end(TimedOut("the pause is over"))

    def cancel(self) -> None:
        self._over()
        self._waiter.errback(CancelledError())

    def end(self, fault: DNSFault) -> None:
        self._over()
        self._waiter.errback(fault)

    def _over(self) -> None:
        pool = self._pool
        pool.waiting.discard(self)
        if not pool.waiting:
            pool.settle()


class ServerPool:
    """
    All servers, within a limit.

    @ivar waiting: look-ups under way.
    @ivar forgotten: queries sent to servers that are not remembered any more.
    @ivar encryption: asks servers over TLS as well; L{None} for UDP and TCP only. Set it before the first look-up.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        port: int = DNS_PORT,
        mixCase: bool = False,
        cookies: bool = True,
        tries: int | None = None,
        most: int | None = None,
        transport: StreamTransport | None = None,
        datagrams: Datagrams | None = None,
        usable: Callable[[str], bool] | None = None,
    ) -> None:
        """
        @param port: that of all servers; another one is for tests.
        @param mixCase: send names in mixed case (0x20).
        @param cookies: send DNS cookies (RFC 7873).
        @param most: servers to remember.
        @param usable: whether to query a server at an address; all by default.
        """
        draw = Draw()
        self.seconds: Callable[[], float] = reactor.seconds
        self.random = Random()
        self.tries = _TRIES if tries is None else int(SERVER_TRIES.pick(tries))
        self.mix: Callable[[Question], bytes] | None = (lambda question: mixed(question, draw)) if mixCase else None
        self.cookies = ClientCookies(draw) if cookies else None
        self._port = port
        self._usable = usable
        self._most = int(SERVERS.pick(most))
        self._datagrams = datagrams or Datagrams(reactor, draw=draw)
        self._connect = partial((transport or TCP()).exchange, reactor, draw)
        self._known: dict[str, tuple[Upstream, ServerStats]] = {}
        self.forgotten = 0
        self._used: set[Upstream] = set()
        # Of zones that are not known to be signed, and of those that are.
        self._groups: tuple[dict[tuple[str, ...], ZoneServers], dict[tuple[str, ...], ZoneServers]] = ({}, {})
        self.timetable = Timetable(reactor)
        self.waiting: set[TimetableItem] = self.timetable.waiting
        # Queries go to many servers, so a queue for each of them would hold up the others.
        self.admission = Admission(self.waiting, (), self.seconds, None)
        self.parts: Parts = partsFor(QueryContext(0.0, recursionDesired=False))
        self._parts: dict[bytes, Parts] = {}
        self.encryption: EncryptedAuthorities | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._known)

    def servers(self) -> Iterator[tuple[Server, ServerStats]]:
        """
        Return the remembered servers, each with what is known of it.
        """
        return ((upstream.server, standing) for upstream, standing in self._known.values())

    def at(self, address: str) -> tuple[Upstream, ServerStats]:
        """
        Return the server at an address, known or new.

        @param address: with a port if it is not that of all servers, as C{192.0.2.1:5353} or C{[2001:db8::1]:5353}.
        """
        found = self._known.get(address)
        if found is None:
            server = Server.fromText(address, self._port)
            found = self._known[address] = (Upstream(server, DatagramExchange(self._datagrams, server), self._connect), ServerStats())
            if len(self._known) > self._most:
                self._makeRoom()
        self._used.add(found[0])
        return found

    def isUsual(self, server: Server) -> bool:
        """
        Return whether a server is at the usual port, and at an address that means the same everywhere.
        """
        return server.port == self._port and "%" not in server.address

    def areDown(self, addresses: Iterable[str]) -> bool:
        """
        Return whether none of the servers at these addresses is expected to reply.
        """
        now = self.seconds()
        for address in addresses:
            found = self._known.get(address)
            if found is None:
                return False
            standing = found[1]
            if standing.downUntil <= now and not (standing.failures and _isSilent(standing)):
                return False
        return True

    def lookUp(self, addresses: tuple[str, ...], question: Question, context: QueryContext, signed: bool = False) -> Deferred[Answer]:
        """
        Send a question to one of the servers, and to others if it does not answer.

        @param signed: whether their zone is known to be signed, and signatures are wanted.
        @param context: says whether to set RD, which has to be clear for authoritative servers.
        """
        deferred: Deferred[Answer] = Deferred(lambda _: query.cancel())
        try:
            query = self.prepare(deferred, addresses, question, context, signed)
        except DNSFault as fault:
            return fail(fault)
        query.begin(self.seconds())
        return deferred

    def prepare(
        self, waiter: Waiter, addresses: tuple[str, ...], question: Question, context: QueryContext, signed: bool = False
    ) -> Query:
        """
        Prepare what C{lookUp} does, without a Deferred.

        @param waiter: receives the answer once the query has been begun.

        @raise DNSFault: nothing can be sent.
        """
        if self._closed:
            raise Closed("the resolver is closed")
        groups = self._groups[signed]
        servers = groups.get(addresses)
        if servers is None:
            wanted = addresses if self._usable is None else tuple(filter(self._usable, addresses))
            if not wanted:
                raise Unreachable(f"{question}: {', '.join(addresses[:3])} may not be queried")
            if len(groups) >= _GROUPS:
                groups.clear()
            make = ZoneServers if self.encryption is None else self.encryption.servers
            servers = groups[addresses] = make(self, wanted, signed)
        else:
            self._used.update(servers.upstreams)
        if self.encryption is not None:
            return self.encryption.prepare(servers, question, context, waiter)
        return lookupFor(servers, question, context, waiter)

    def partsOf(self, context: QueryContext) -> Parts:
        variant = context.variant
        parts = self._parts.get(variant)
        if parts is None:
            if len(self._parts) >= 64:
                self._parts.clear()
            parts = self._parts[variant] = partsFor(context)
        return parts

    def settle(self) -> None:
        """
        Close sockets and cancel timers, because no look-up is in progress any more.
        """
        self.timetable.settle()
        used, self._used = self._used, set()
        for upstream in used:
            for exchange in upstream.exchanges():
                exchange.settle()

    def close(self) -> Deferred[None]:
        self._closed = True
        encrypted = [] if self.encryption is None else [self.encryption.close()]
        while self.waiting:
            lookup = next(iter(self.waiting))
            assert isinstance(lookup, ForwardedLookup | PoolPause)
            lookup.end(Closed("the resolver was closed while the look-up ran"))
        closing = encrypted + [exchange.close() for upstream, _ in self._known.values() for exchange in upstream.exchanges()]
        return gatherResults(closing).addCallback(lambda _: None) if closing else succeed(None)

    def _makeRoom(self) -> None:
        # The oldest tenth; those in use stay alive in their look-ups.
        for groups in self._groups:
            groups.clear()
        for address in list(islice(self._known, self._most // 10 + 1)):
            upstream, standing = self._known.pop(address)
            self.forgotten += standing.queries
            for exchange in upstream.exchanges():
                exchange.settle()
