"""
Status and control operations of a running server, independent of the interface that they are reached by.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger

from twisted_ext._compiled import isCompiled
from twisted_ext._version import __version__
from twisted_ext.answers import QueryContext, Question
from twisted_ext.cache.entries import nameOfKey, unpack
from twisted_ext.errors import CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.figures import JSON, Figures, ZoneFigures, figuresOf
from twisted_ext.metrics.history import History
from twisted_ext.server.authority.zonetable import Zones, countsOf
from twisted_ext.server.features.order import verbAt
from twisted_ext.server.limits import CONTROL_SHOWN
from twisted_ext.server.operations.querytrace import QueryTracer, TracedSource
from twisted_ext.server.operations.upstreamfigures import upstreamsOf
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.cache.dump import LoadResult
    from twisted_ext.cache.store import Store
    from twisted_ext.packetcache.packetcache import PacketCache
    from twisted_ext.resolver.caching.cached import CachedSource
    from twisted_ext.resolver.lookup.explain import Explanation
    from twisted_ext.server.authority.zonetable import Place
    from twisted_ext.server.features.built import Features, Keepers
    from twisted_ext.server.listeners.tls.encryption import Encryption
    from twisted_ext.server.recursor import Recursor

__all__ = ["SourceHolder", "Operations", "ServerStatus", "WhichZones", "shownZones"]

#: Seconds between two samples of the history.
_EVERY: Final = 1.0

#: Samples after which the counts of query names are halved, so that recent queries weigh more.
_AGING: Final = 300

#: Samples between two looks at the latency of upstreams, which the history keeps once a minute.
_UPSTREAMS: Final = 10


class WhichZones(NamedTuple):
    """
    Selects the zones that a client of the control socket asks for.

    @ivar apex: a folded name, or L{None} for all zones.
    @ivar broken: only those with problems.
    @ivar begin: how many to skip, for a list in several parts; L{None} for the first part only, where zones with problems come first.
    """

    apex: bytes | None = None
    broken: bool = False
    begin: int | None = None


class Operations(Protocol):
    """
    The operations that the control socket, the status page and the manhole use, for a server of one or of several processes.
    """

    history: History
    started: float

    def status(self) -> Deferred[dict[str, JSON]]:
        """
        Return facts about this server: version, process ID, listening addresses.
        """

    def figures(self) -> Deferred[Figures]: ...

    def zoneMetrics(self) -> list[ZoneFigures]:
        """
        Return the metrics of each zone; none if there are too many.
        """

    def cached(self, name: bytes) -> Deferred[list[JSON]]: ...

    def flush(self, name: bytes | None, subtree: bool) -> Deferred[int]:
        """
        Flush the cache entries of a name, with C{subtree} of its subdomains too, or of all names.

        @return: how many answers were flushed.
        """

    def dump(self) -> Iterator[str]: ...

    def load(self, lines: Iterable[str]) -> Deferred[LoadResult]:
        """
        Load the lines of a L{dump}, skipping those that cannot be used.
        """

    def reload(self) -> Deferred[list[str]]:
        """
        Read the settings again.

        @return: lines that describe the result. Fails with a L{CallerFault} if the settings are not valid; the old ones stay in force then.
        """

    def served(self, which: WhichZones) -> Deferred[dict[str, JSON]]:
        """
        Describe zones.

        @return: C{zones}, each with C{zone}, C{state}, C{serial}, C{records}, C{file}, and C{said} if it has problems; C{count}, the number
            of zones selected; C{more}, the number of these after the last one returned.
        """

    def reloadZone(self, apex: bytes) -> Deferred[list[str]]:
        """
        Reload a zone.

        @param apex: a folded name.

        @return: lines that describe the result. Fails with a L{CallerFault} if there is no such zone.
        """

    def explain(self, question: Question, client: str = "") -> Deferred[dict[str, JSON]]:
        """
        Return the steps of a look-up, as C{txdns explain +json} prints them. Fails with a L{CallerFault} if the client is not an address.

        @param client: the address of the client whose view is to be asked; C{""} for clients in no view.
        """

    def delegations(self, below: bytes) -> Deferred[dict[str, JSON]]:
        """
        Describe the delegations that a recursive resolver knows, see L{Recursor.delegations}. Fails with a L{CallerFault} without one.

        @param below: a folded name; only at and below it.
        """

    def anchors(self) -> Deferred[dict[str, JSON]]:
        """
        Describe the trust anchors of a recursive resolver, see L{Recursor.anchors}. Fails with a L{CallerFault} without one.
        """

    def suspend(self, text: str) -> Deferred[None]:
        """
        Add a negative trust anchor, see L{Recursor.suspend}.
        """

    def resume(self, name: bytes) -> Deferred[None]:
        """
        Remove a negative trust anchor. Fails with a L{CallerFault} if there is none.
        """

    def clients(self, client: str = "") -> Deferred[dict[str, JSON]]:
        """
        Describe the most active clients.

        @param client: an address whose latest names are wanted instead.

        @return: C{shown}, whether clients are counted; C{total} and C{clients}, see L{Activity.clientsJSON}; or C{names}, see
            L{Activity.namesJSON}.
        """

    def queries(self, after: int) -> Deferred[dict[str, JSON]]:
        """
        Return the latest queries, and collect them for some more seconds.

        @param after: the number of the last one that the caller knows; 0 for none.

        @return: C{shown}, whether queries are shown at all; C{queries}, C{next} and C{skipped}, see L{LiveQueries.after}.
        """

    def trace(self, on: bool, below: bytes | None) -> Deferred[None]:
        """
        Start or stop tracing live queries.

        @param below: trace only this name and its subdomains; L{None} for all names.
        """

    def traces(self) -> Deferred[list[JSON]]:
        """
        Return the last traces, oldest first.
        """

    def do(self, path: str, arguments: Mapping[str, str]) -> Deferred[dict[str, JSON]]:
        """
        Execute a command of a feature. Fails with a L{CallerFault} if there is none, or if the feature is not switched on.

        @param path: see L{Verb<twisted_ext.server.features.base.feature.Verb>}.
        @param arguments: by the lower-case names of the words that it takes.
        """


class SourceHolder(Protocol):
    """
    An object that answers from a replaceable source.
    """

    source: IAnswerSource


class ServerStatus(Service):
    """
    The status and control of one serving process. The server sets the attributes when it is built, and again after a reload.

    @ivar source: the source that answers, or L{None} before it has been built.
    @ivar caching: the cache in it, if there is one.
    @ivar flushed: called after entries of the cache were flushed: invalidates the packet cache.
    @ivar recursing: returns the recursive resolver, if there is one.
    @ivar watchingQueries: called when the live list of queries is looked at for the first time, and when that has ended.
    @ivar responder: the object whose C{source} is replaced in order to trace look-ups; L{None} where they cannot be traced.
    @ivar keepers: the halves of features that a server has once, if this process has them.
    @ivar encryption: the certificates, if there are any.
    @ivar features: returns the features that are switched on.
    @ivar views: returns the sources of views by their names.
    @ivar listening: the listening addresses, as displayed: C{'udp 127.0.0.1:53'}.
    @ivar started: seconds since 1970.
    """

    log = Logger(__name__)

    def __init__(self, reactor: IReactorTime, counters: Counters, *, today: Callable[[], float] = time) -> None:
        self.counters = counters
        self.source: IAnswerSource | None = None
        self.caching: CachedSource | None = None
        self.packetCache: PacketCache | None = None
        self.zones: Zones | None = None
        self.keepers: Keepers | None = None
        self.encryption: Encryption | None = None
        self.features: Callable[[], Features | None] = lambda: None
        self.views: Callable[[], Mapping[str, IAnswerSource]] = dict
        self.zoneFigures: Callable[[], dict[str, float]] = dict
        self.hostAt: Callable[[str], str] = lambda address: ""
        self.zoneMetrics: Callable[[], list[ZoneFigures]] = list
        self.reloadingZone: Callable[[bytes], Deferred[list[str]]] | None = None
        self.flushed: Callable[[], object] = lambda: None
        self.reloading: Callable[[], Deferred[list[str]]] | None = None
        self.watchingQueries: Callable[[], object] = lambda: None
        self.responder: SourceHolder | None = None
        self.recursing: Callable[[], Recursor | None] = lambda: None
        self.listening: tuple[str, ...] = ()
        self.tracing = QueryTracer()
        self.history = History(today)
        self.started = today()
        self._reactor = reactor
        self._today = today
        self._ticks = 0
        self._ticking: LoopingCall | None = None
        self._cooperator = Cooperator(scheduler=lambda step: reactor.callLater(0, step))

    def startService(self) -> None:
        self.running = 1
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = self._reactor
        self._ticking.start(_EVERY).addErrback(self._ended)

    def stopService(self) -> None:
        self.running = 0
        if self._ticking is not None and self._ticking.running:
            self._ticking.stop()
        self._cooperator.stop()

    def _tick(self) -> None:
        figures = figuresOf(self.counters, withNames=False)
        figures.numbers["blocked"] = self._blocked()
        now = self._reactor.seconds()
        self.history.note(figures, now)
        if self._ticks % _UPSTREAMS == 0:
            self.history.noteUpstreams(self._upstreams(now))
        self._ticks += 1
        if self._ticks % _AGING == 0:
            self.counters.names.halve()
            self.counters.slowest.turn()
            if self.counters.activity is not None:
                self.counters.activity.clients.halve()
        if self.counters.activity is not None and self.counters.activity.live.look(now):
            self.watchingQueries()

    def _ended(self, failure: object) -> None:
        self.log.error("the statistics are not recorded any more: {failure}", failure=failure)

    # -- seeing

    def status(self) -> Deferred[dict[str, JSON]]:
        zones: dict[str, JSON] = {"zones": {**countsOf(self.zones)}} if self.zones else {}
        return succeed(
            zones
            | ({} if self.keepers is None else self.keepers.facts())
            | {
                "version": __version__,
                "compiled": isCompiled(),
                "process": os.getpid(),
                "user": os.geteuid(),
                "started": round(self.started, 3),
                "uptime": round(self._today() - self.started, 3),
                "listening": [*self.listening],
                "tracing": self.tracing.on,
                "perSecond": round(self.history.perSecond(), 1),
            }
        )

    def figures(self) -> Deferred[Figures]:
        figures = figuresOf(self.counters)
        numbers = figures.numbers
        usage = resource.getrusage(resource.RUSAGE_SELF)
        numbers["cpuSeconds"] = round(usage.ru_utime + usage.ru_stime, 3)
        numbers["residentOctets"] = _residentOctets()
        if self.caching is not None:
            counted = self.caching.stats
            numbers["cacheEntries"] = counted.entries
            numbers["cacheOctets"] = counted.octets
            numbers["cacheHits"] = counted.hits
            numbers["cacheMisses"] = counted.misses
            numbers["cacheStale"] = counted.stale
            numbers["cacheFailures"] = counted.failures
            numbers["cachePrefetches"] = counted.prefetches
            numbers["cacheEvictions"] = counted.evictions
        numbers.update(self.zoneFigures())
        if self.keepers is not None:
            numbers.update(self.keepers.figures())
        features = self.features()
        if features is not None:
            numbers.update(features.figures())
        if self.encryption is not None:
            numbers.update(self.encryption.figures())
        blocked = self._blocked()
        if blocked or "blocked" in numbers:
            numbers["blocked"] = blocked
        if self.packetCache is not None:
            numbers["laneEntries"] = self.packetCache.entries
            numbers["laneOctets"] = self.packetCache.octets
        now = self._reactor.seconds()
        figures.upstreams = self._upstreams(now)
        recursor = self.recursing()
        if recursor is not None:
            numbers.update(recursor.numbers(now))
        return succeed(figures)

    def _blocked(self) -> int:
        return self.counters.blocked + (0 if self.packetCache is None else self.packetCache.blocked)

    def _upstreams(self, now: float) -> list[dict[str, JSON]]:
        recursor = self.recursing()
        return upstreamsOf(self.source, now) + ([] if recursor is None else recursor.authorities(now))

    def clients(self, client: str = "") -> Deferred[dict[str, JSON]]:
        activity = self.counters.activity
        if activity is None:
            return succeed({"shown": False})
        if client:
            return succeed({"shown": True, "client": client, "names": activity.namesJSON(client)})
        return succeed({"shown": True, **self._named(activity.clientsJSON(), "clients")})

    def queries(self, after: int) -> Deferred[dict[str, JSON]]:
        activity = self.counters.activity
        if activity is None:
            return succeed({"shown": False})
        if activity.live.watch(self._reactor.seconds()):
            self.watchingQueries()
        return succeed({"shown": True, **self._named(activity.live.after(after), "queries")})

    def _named(self, said: dict[str, JSON], key: str) -> dict[str, JSON]:
        """
        Add the names of clients, as far as this server knows them without a look-up.
        """
        described = said[key]
        assert isinstance(described, list)
        named: list[JSON] = []
        for each in described:
            assert isinstance(each, dict)
            host = self.hostAt(str(each["client"]))
            named.append({**each, "host": host} if host else each)
        return {**said, key: named}

    def cached(self, name: bytes) -> Deferred[list[JSON]]:
        if self.caching is None:
            return _withoutCache()
        return succeed(_keptFor(self.caching.store, name, self._reactor.seconds()))

    def explain(self, question: Question, client: str = "") -> Deferred[dict[str, JSON]]:
        from twisted_ext.resolver.lookup.explain import explained

        source, features = self.source, self.features()
        if source is None:
            return fail(CallerFault("the server has not begun to answer yet"))
        if client and features is not None:
            try:
                source = self.views().get(features.placeOf(client).site.view, source)
            except CallerFault:
                return fail()

        def told(explanation: Explanation) -> dict[str, JSON]:
            return explanation.data

        context = QueryContext(self._reactor.seconds() + LOOKUP_SECONDS.default)
        return explained(source, self._reactor, question, context).addCallback(told)

    def traces(self) -> Deferred[list[JSON]]:
        return succeed(self.tracing.kept())

    def served(self, which: WhichZones) -> Deferred[dict[str, JSON]]:
        return succeed(shownZones(self.zones, which))

    # -- doing

    def reloadZone(self, apex: bytes) -> Deferred[list[str]]:
        if self.reloadingZone is None:
            return fail(CallerFault("this server has no zones"))
        return self.reloadingZone(apex)

    def _recursor(self) -> Recursor:
        found = self.recursing()
        if found is None:
            raise CallerFault("this server does not resolve from the root; txdns recurse does")
        return found

    def delegations(self, below: bytes) -> Deferred[dict[str, JSON]]:
        return maybeDeferred(lambda: self._recursor().delegations(below.lower()))

    def anchors(self) -> Deferred[dict[str, JSON]]:
        return maybeDeferred(lambda: self._recursor().anchors())

    def suspend(self, text: str) -> Deferred[None]:
        return maybeDeferred(lambda: self._judgeAnew(self._recursor().suspend(text)))

    def resume(self, name: bytes) -> Deferred[None]:
        return maybeDeferred(lambda: self._judgeAnew(self._recursor().resume(name)))

    def _judgeAnew(self, name: bytes) -> None:
        if self.caching is not None:
            self.caching.flush(name, True)
        self.flushed()

    def flush(self, name: bytes | None, subtree: bool) -> Deferred[int]:
        recursor = self.recursing()
        if recursor is not None:
            recursor.forget(name, subtree)
        if self.caching is None:
            self.flushed()
            return _withoutCache()
        count = self.caching.flush(name, subtree)
        self.flushed()
        return succeed(count)

    def dump(self) -> Iterator[str]:
        if self.caching is None:
            raise CallerFault(_NO_CACHE)
        return self.caching.dump()

    def load(self, lines: Iterable[str]) -> Deferred[LoadResult]:
        if self.caching is None:
            return _withoutCache()
        loading = self.caching.loading(lines, "the file")
        done: list[LoadResult] = []

        def steps() -> Iterator[None]:
            done.append((yield from loading))

        return self._cooperator.cooperate(steps()).whenDone().addCallback(lambda _: done[0])

    def reload(self) -> Deferred[list[str]]:
        if self.reloading is None:
            return fail(CallerFault("this server has no settings to read again"))
        return self.reloading()

    def trace(self, on: bool, below: bytes | None) -> Deferred[None]:
        responder = self.responder
        if responder is None:
            return fail(CallerFault("this server's look-ups cannot be traced"))
        source = responder.source
        inner = source.inner if isinstance(source, TracedSource) else source
        if on:
            responder.source = TracedSource(inner, self.tracing, self._reactor)
            self.tracing.turnOn(below)
        else:
            responder.source = inner
            self.tracing.turnOff()
        return succeed(None)


    def do(self, path: str, arguments: Mapping[str, str]) -> Deferred[dict[str, JSON]]:
        def joined(said: JSON) -> dict[str, JSON]:
            _, verb = verbAt(path)
            if verb.join is not None and not verb.ofKeeper:
                return verb.join([said])
            assert isinstance(said, dict)
            return said

        return self.ownPartOf(path, arguments).addCallback(joined)

    def ownPartOf(self, path: str, arguments: Mapping[str, str]) -> Deferred[JSON]:
        """
        Execute a command of a feature, and return what this process has to say.
        """

        def run() -> object:
            name, verb = verbAt(path)
            holder = self.keepers if verb.ofKeeper else self.features()
            if holder is None:
                raise CallerFault(f"{name} is not switched on")
            return holder.run(name, verb, arguments)

        return cast("Deferred[JSON]", maybeDeferred(run))


def shownZones(zones: Zones | None, which: WhichZones) -> dict[str, JSON]:
    """
    Describe the selected zones, as L{Operations.served} returns them.
    """
    places: list[Place] = []
    if zones is not None and which.apex is not None:
        place = zones.at(which.apex)
        places = [] if place is None else [place]
    elif zones is not None:
        places = list(zones)
        if which.broken:
            places = [place for place in places if _isWrong(place)]
        elif which.begin is None:
            places.sort(key=_isWrong, reverse=True)
    begin = which.begin or 0
    shown = places[begin : begin + int(CONTROL_SHOWN.default)]
    return {"zones": [place.toJSON() for place in shown], "count": len(places), "more": max(len(places) - begin - len(shown), 0)}


def _isWrong(place: Place) -> bool:
    return bool(place.said) or place.state != "serving"


T = TypeVar("T")

_NO_CACHE: Final = "this server keeps no cache"


def _withoutCache() -> Deferred[T]:
    return fail(CallerFault(_NO_CACHE))


def _residentOctets() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        # Not Linux: use the peak size instead, usually in kilobytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _keptFor(store: Store, name: bytes, now: float) -> list[JSON]:
    """
    Describe the cache entries of a name.

    @return: one object for each entry: C{name}, C{type} (the query type; C{ANY} for an NXDOMAIN), C{outcome}, C{rcode}, C{left} (seconds,
        below zero for stale entries), C{age}, C{server}, C{security}, C{records}.
    """
    from twisted_ext.resolver.lookup.explain import recordLines

    folded = name.lower()
    shown: list[JSON] = []
    # Keys begin with the name, so that only the wanted entries are unpacked.
    for key in [key for key in store.keys() if key.startswith(folded)]:
        if len(shown) >= CONTROL_SHOWN.default:
            break
        if nameOfKey(key) != folded:
            continue
        entry = store.ready.get(key)
        if entry is None:
            packed = store.packed(key)
            if packed is None:
                continue
            entry = unpack(key, packed, store.servers)
        kept = entry.kept
        rrType = int.from_bytes(key[len(folded) : len(folded) + 2], "big")
        shown.append(
            {
                "name": nameToText(folded),
                # The cache files NXDOMAIN, which holds for all types, under type 0.
                "type": typeName(rrType) if rrType else "ANY",
                "outcome": kept.outcome.value,
                "rcode": rcodeName(kept.rcode),
                "left": round(entry.expires - now, 3),
                "age": round(now - entry.learned, 3),
                "server": kept.origin.server if kept.origin is not None else "",
                "security": kept.security.value,
                "records": [line for rrset in kept.answer for line in recordLines(rrset)],
            }
        )
    return shown
