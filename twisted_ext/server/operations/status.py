"""
The status of one process that answers queries, and what can be done to it.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger

from twisted_ext.answers import QueryContext, Question
from twisted_ext.cache.choice import Choice
from twisted_ext.cache.entries import nameOfKey, unpack
from twisted_ext.errors import BadRecord, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.figures import JSON, Figures, figuresOf
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.server.limits import CONTROL_SHOWN, HEALTH_PAUSE
from twisted_ext.server.operations.operations import Operations, areSilent, upstreamReasons
from twisted_ext.server.operations.querytrace import QueryTracer, TracedSource
from twisted_ext.server.operations.table import verbAt
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.sources.upstreamfigures import upstreamsOf
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rrtypes import ANY, NS, A, typeName, typeNumber

if TYPE_CHECKING:
    from twisted_ext.cache.dump import LoadResult
    from twisted_ext.cache.store import Store
    from twisted_ext.packetcache.packetcache import PacketCache
    from twisted_ext.resolver.caching.cached import CachedSource
    from twisted_ext.resolver.lookup.explain import Explanation
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.base.verb import Verb
    from twisted_ext.server.features.built import Features, Keepers
    from twisted_ext.server.listeners.tls.encryption import Encryption
    from twisted_ext.server.sources.recursor import Recursor
    from twisted_ext.server.sources.trusting import Trusting
    from twisted_ext.server.zones.load.zonesets import ZoneSets

__all__ = ["Answering", "Serving", "Status"]

_T = TypeVar("_T")

#: What is counted of caches.
_CACHE: Final = ("entries", "octets", "hits", "misses", "stale", "failures", "prefetches", "evictions")

#: Seconds between two samples of the history.
_EVERY: Final = 1.0

#: Samples after which the counts of query names are halved, so that recent queries weigh more.
_AGING: Final = 300

#: Samples between two looks at the latency of upstreams, which the history keeps once a minute.
_UPSTREAMS: Final = 10


class Cache(Protocol):
    """
    A cache, with what is asked behind it.

    @ivar views: the views whose clients it is for; C{""} for clients in none.
    """

    views: Sequence[str]
    caching: CachedSource


class Answering(Protocol):
    """
    An object that answers queries.

    @ivar around: returns what is asked instead of a source, L{None} for the source itself.
    """

    around: Callable[[IAnswerSource], IAnswerSource] | None


class Serving(Protocol):
    """
    What is looked at: a process that answers queries. Its parts may be replaced when the settings are read again.
    """

    @property
    def counters(self) -> Counters: ...

    @property
    def source(self) -> IAnswerSource:
        """
        The source that answers.
        """

    @property
    def backends(self) -> Sequence[Cache]:
        """
        The caches, that for clients in no view first; none if no other server is asked.
        """

    @property
    def recursor(self) -> Recursor | None: ...

    @property
    def trusting(self) -> Trusting | None: ...

    @property
    def views(self) -> Mapping[str, IAnswerSource]:
        """
        The sources of views by their names.
        """

    @property
    def features(self) -> Features: ...

    @property
    def packetCache(self) -> PacketCache | None: ...

    @property
    def responder(self) -> Answering:
        """
        What answers queries; look-ups are traced around its sources.
        """

    @property
    def listening(self) -> Sequence[str]:
        """
        The listening addresses, as displayed: C{'udp 127.0.0.1:53'}.
        """

    def changed(self) -> object:
        """
        Invalidate the packet cache.
        """

    def observe(self) -> object:
        """
        Tell or no longer tell observers of queries, once they have something to watch or no longer.
        """

    def reload(self) -> Deferred[list[str]]:
        """
        See L{Operations.reload}.
        """

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        """
        See L{Operations.inTurn}.
        """

    def goOverTo(self, settings: Settings) -> list[str]:
        """
        See L{Operations.goOver}.
        """


class Status(Operations):
    """
    The operations of one process that answers queries.

    @ivar tracing: the traces of live queries.
    """

    log = Logger(__name__)

    def __init__(
        self,
        reactor: IReactorTime,
        serving: Serving,
        zoneSets: ZoneSets | None = None,
        keepers: Keepers | None = None,
        encryption: Encryption | None = None,
        *,
        today: Callable[[], float] = time,
    ) -> None:
        super().__init__(today, zoneSets, keepers, encryption)
        self.serving = serving
        self.tracing = QueryTracer()
        self._reactor = reactor
        self._ticks = 0
        # When upstreams that do not reply may be asked again.
        self._retryAt = float("-inf")
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
        counters = self.serving.counters
        figures = figuresOf(counters, withNames=False)
        figures.numbers["blocked"] = self._blocked()
        now = self._reactor.seconds()
        self.history.note(figures, now)
        if self._ticks % _UPSTREAMS == 0:
            self.history.noteUpstreams(self._upstreams(now))
        self._ticks += 1
        if self._ticks % _AGING == 0:
            counters.names.halve()
            counters.slowest.turn()
            if counters.activity is not None:
                counters.activity.clients.halve()
        if counters.activity is not None and counters.activity.live.look(now):
            self.serving.observe()

    def _ended(self, failure: object) -> None:
        self.log.error("the statistics are not recorded any more: {failure}", failure=failure)

    # -- health

    @property
    def inForce(self) -> Settings:
        return self.serving.features.site.settings

    def reasons(self, wanted: Collection[str]) -> Deferred[list[str]]:
        now = self._reactor.seconds()
        if "upstreams" not in wanted:
            return succeed([])
        upstreams = self._forwarded(now)
        if areSilent(upstreams) and now >= self._retryAt:
            # No client may come before this server is ready, so nothing else would find out that they are back.
            self._retryAt = now + HEALTH_PAUSE.default
            context = QueryContext(deadline=now + HEALTH_PAUSE.default)
            for each in [each for source in self._sources() for each in behind(source, ForwardingSource)]:
                lookUp(each, Question(ROOT, NS), context).addErrback(lambda _: None)
        return succeed(upstreamReasons(upstreams))

    # -- seeing

    def facts(self) -> dict[str, JSON]:
        return {"listening": [*self.serving.listening], "tracing": self.tracing.on}

    def figures(self) -> Deferred[Figures]:
        serving = self.serving
        figures = figuresOf(serving.counters)
        numbers = figures.numbers
        usage = resource.getrusage(resource.RUSAGE_SELF)
        numbers["cpuSeconds"] = round(usage.ru_utime + usage.ru_stime, 3)
        numbers["residentOctets"] = _residentOctets()
        for backend in serving.backends:
            counted = backend.caching.stats
            for key in _CACHE:
                label = f"cache{key.capitalize()}"
                numbers[label] = numbers.get(label, 0) + float(getattr(counted, key))
        numbers.update(self.ownNumbers())
        numbers.update(serving.features.figures())
        blocked = self._blocked()
        if blocked or "blocked" in numbers:
            numbers["blocked"] = blocked
        if serving.packetCache is not None:
            numbers["laneEntries"] = serving.packetCache.entries
            numbers["laneOctets"] = serving.packetCache.octets
        now = self._reactor.seconds()
        figures.upstreams = self._upstreams(now)
        if serving.recursor is not None:
            numbers.update(serving.recursor.numbers(now))
        return succeed(figures)

    def _blocked(self) -> int:
        packetCache = self.serving.packetCache
        return self.serving.counters.blocked + (0 if packetCache is None else packetCache.blocked)

    def _upstreams(self, now: float) -> list[dict[str, JSON]]:
        recursor = self.serving.recursor
        return self._forwarded(now) + ([] if recursor is None else recursor.authorities(now))

    def _sources(self) -> list[IAnswerSource]:
        """
        Return the sources behind which are all servers that are asked.
        """
        return [backend.caching for backend in self.serving.backends] or [self.serving.source]

    def _forwarded(self, now: float) -> list[dict[str, JSON]]:
        """
        Describe the upstreams. Those that are asked for some views only have the names of these as C{views}.
        """
        backends = self.serving.backends
        if not backends:
            return upstreamsOf(self.serving.source, now)
        found: list[dict[str, JSON]] = []
        for backend in backends:
            views: dict[str, JSON] = {} if "" in backend.views else {"views": [*backend.views]}
            found += [each | views for each in upstreamsOf(backend.caching, now)]
        return found

    def clients(self, client: str) -> dict[str, JSON]:
        """
        Describe the most active clients.

        @param client: an address whose latest names are wanted instead.

        @return: C{shown}, whether clients are counted; C{total} and C{clients}, see L{Activity.clientsJSON}; or C{client} and C{names}, see
            L{Activity.namesJSON}.
        """
        activity = self.serving.counters.activity
        if activity is None:
            return {"shown": False}
        if client:
            return {"shown": True, "client": client, "names": activity.namesJSON(client)}
        return {"shown": True, **self._named(activity.clientsJSON(), "clients")}

    def queries(self, after: int) -> Deferred[dict[str, JSON]]:
        activity = self.serving.counters.activity
        if activity is None:
            return succeed({"shown": False})
        if activity.live.watch(self._reactor.seconds()):
            self.serving.observe()
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
            host = self.serving.features.nameOf(str(each["client"]))
            named.append({**each, "host": host} if host else each)
        return {**said, key: named}

    def cached(self, name: str, view: str = "") -> dict[str, JSON]:
        """
        Describe the cached answers for a name.

        @param view: only those that clients of this view get; C{""} for all.
        """
        entries: list[JSON] = []
        for each in self._cachesOf(view):
            views: dict[str, JSON] = {} if "" in each.views else {"views": [*each.views]}
            entries += _keptFor(each.caching.store, nameFromText(name), self._reactor.seconds(), views)
        return {"entries": entries}

    def _cachesOf(self, view: str) -> Sequence[Cache]:
        """
        Return all caches, or that of a view.

        @raise CallerFault: there are none, or there is no such view.
        """
        backends = self.serving.backends
        if not backends:
            raise CallerFault("this server keeps no cache")
        found = [each for each in backends if not view or view in each.views]
        if not found:
            known = ", ".join([name for each in backends for name in each.views if name])
            raise CallerFault(f"there is no view {view!r}; {f'there are {known}' if known else 'there are none'}")
        return found

    def explain(self, name: str, rrType: str, client: str) -> Deferred[dict[str, JSON]]:
        """
        Return the steps of a look-up, as C{txdns explain +json} prints them.

        @param rrType: C{""} for A. It may change places with the client.
        @param client: the address of the client whose view is to be asked; C{""} for clients in no view.
        """
        from twisted_ext.resolver.lookup.explain import explained

        # A type has neither dots nor colons, an address has.
        if "." in rrType or ":" in rrType:
            rrType, client = client, rrType
        number = typeNumber(rrType) if rrType else A
        if number is None:
            raise BadRecord(f"{rrType!r} is not a record type: write a mnemonic such as MX, or a number as TYPE65280")
        question, source = Question(nameFromText(name), number), self.serving.source
        view = self.serving.features.placeOf(client).site.view if client else ""
        source = self.serving.views.get(view, source)

        def told(explanation: Explanation) -> dict[str, JSON]:
            return {**explanation.data, "view": view} if view else explanation.data

        context = QueryContext(self._reactor.seconds() + LOOKUP_SECONDS.default)
        return explained(source, self._reactor, question, context).addCallback(told)

    def chain(self, name: str, rrType: str) -> Deferred[dict[str, JSON]]:
        """
        Return the chain of trust of an answer.

        @param rrType: C{""} for A.

        @return: C{security}, C{said}, the chain as lines, and C{svg}, a drawing of it.
        """
        # Here, for few servers are asked for it.
        from twisted_ext.dnssec.evidence import Evidence
        from twisted_ext.dnssec.inspection import inspect
        from twisted_ext.dnssec.trustanchors import TrustAnchors
        from twisted_ext.drawing.chaindrawing import svgOf
        from twisted_ext.drawing.chaintext import chainLines
        from twisted_ext.drawing.palette import Palette
        from twisted_ext.resolver.recursive.evidence import proved

        number = typeNumber(rrType) if rrType else A
        if number is None:
            raise BadRecord(f"{rrType!r} is not a record type: write a mnemonic such as MX, or a number as TYPE65280")

        def told(evidence: Evidence) -> dict[str, JSON]:
            inspection = inspect(evidence, TrustAnchors(evidence.anchors))
            trusting = self.serving.trusting
            suspended = "" if trusting is None else trusting.exceptionFor(nameFromText(name))
            lines = [*([f"{name}: {suspended}; without that:"] if suspended else []), *chainLines(inspection, Palette(False), True)]
            return {"security": inspection.verdict.security.value, "said": [*lines], "svg": svgOf(inspection)}

        context = QueryContext(self._reactor.seconds() + LOOKUP_SECONDS.default)
        return proved(self.serving.source, Question(nameFromText(name), number), context).addCallback(told)

    def traces(self) -> dict[str, JSON]:
        """
        Return the last traces, oldest first.
        """
        return {"traces": self.tracing.kept()}

    # -- doing

    @property
    def _recursor(self) -> Recursor:
        found = self.serving.recursor
        if found is None:
            raise CallerFault("this server does not resolve from the root; txdns recurse does")
        return found

    def delegations(self, below: str) -> dict[str, JSON]:
        """
        Describe the delegations that a recursive resolver knows, see L{Recursor.delegations}.

        @param below: only at and below this name; C{""} for all.
        """
        return self._recursor.delegations(nameFromText(below or ".").lower())

    def anchors(self) -> dict[str, JSON]:
        """
        Describe the trust anchors, see L{Trusting.anchors}.
        """
        trusting = self.serving.trusting
        if trusting is None:
            raise CallerFault("this server validates nothing; txdns recurse does, and forwarders with validate: in an upstream or route")
        return trusting.anchors()

    def flush(
        self, name: str, below: bool, everything: bool, rrType: str = "", view: str = "", bogus: bool = False, negative: bool = False
    ) -> dict[str, JSON]:
        """
        Flush the cache entries of a name.

        @param below: of its subdomains too.
        @param everything: of all names; there is no name then.
        @param rrType: only those of this type; C{""} and ANY for all. It may change places with the view.
        @param view: only in the cache of this view; C{""} for all.
        @param bogus: only what has failed validation, of all names if there is none.
        @param negative: only denials and failures, in the same way.

        @return: C{flushed}, how many answers; if only some are meant, failures too.
        """
        serving = self.serving
        isSome = bogus or negative
        if everything and (name or below or isSome) or not (everything or name or isSome) or (below and not name):
            raise CallerFault("write: txdns control cache flush NAME, cache flush --below NAME, --all, --bogus or --negative")
        if rrType and (typeNumber(rrType) is None or any(rrType in each.views for each in serving.backends)):
            rrType, view = view, rrType
        number = typeNumber(rrType) if rrType else ANY
        if number is None:
            raise BadRecord(f"{rrType!r} is not a record type: write a mnemonic such as MX, or a number as TYPE65280")
        if everything and number != ANY:
            raise CallerFault("a type is for a name; write: txdns control cache flush --below . TYPE")
        choice = Choice(0 if number == ANY else number, bogus, negative)
        wire = nameFromText(name) if name else None
        caches = self._cachesOf(view)
        for each in (serving.recursor, serving.trusting):
            if each is not None:
                each.forget(wire, below, choice)
        try:
            return {"flushed": sum([each.caching.flush(wire, below, choice) for each in caches])}
        finally:
            serving.changed()

    def dump(self, view: str = "") -> Iterator[str]:
        backend = self._cachesOf(view)[0]
        return backend.caching.dump("" if "" in backend.views else view)

    def load(self, lines: Iterable[str]) -> Deferred[LoadResult]:
        views = {view: each.caching.store for each in self._cachesOf("") for view in each.views if "" not in each.views}
        loading = self._cachesOf("")[0].caching.loading(lines, "the file", views)
        done: list[LoadResult] = []

        def steps() -> Iterator[None]:
            done.append((yield from loading))

        return self._cooperator.cooperate(steps()).whenDone().addCallback(lambda _: done[0])

    def reload(self) -> Deferred[list[str]]:
        return self.serving.reload()

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        return self.serving.inTurn(work)

    def elsewhere(self, work: Callable[[], _T]) -> Deferred[_T]:
        return inThread(self._reactor, work)

    def goOver(self, settings: Settings) -> Deferred[list[str]]:
        return maybeDeferred(self.serving.goOverTo, settings)

    def trace(self, on: bool, below: str = "") -> dict[str, JSON]:
        """
        Start or stop tracing live queries.

        @param below: trace only this name and its subdomains; C{""} for all names.
        """
        apex, responder = nameFromText(below) if below else None, self.serving.responder
        if on:
            responder.around = lambda source: TracedSource(source, self.tracing, self._reactor)
            self.tracing.turnOn(apex)
        else:
            responder.around = None
            self.tracing.turnOff()
        # What nobody sees can only be made from zones while nothing is traced.
        self.serving.observe()
        return {"tracing": on}

    def whereAnswered(self, owner: str, verb: Verb, arguments: Mapping[str, str]) -> Deferred[dict[str, JSON]]:
        def joined(said: JSON) -> dict[str, JSON]:
            if verb.join is not None:
                return verb.join([said])
            assert isinstance(said, dict)
            return said

        return self.ownPartOf(verb.path, arguments).addCallback(joined)

    def ownPartOf(self, path: str, arguments: Mapping[str, str]) -> Deferred[JSON]:
        """
        Execute an operation, and return what this process has to say.
        """

        def run() -> object:
            owner, verb = verbAt(path)
            return self.serving.features.run(owner, verb, arguments) if owner else verb.execute(self, arguments)

        return cast("Deferred[JSON]", maybeDeferred(run))


def _residentOctets() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        # Not Linux: use the peak size instead, usually in kilobytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _keptFor(store: Store, name: bytes, now: float, more: Mapping[str, JSON]) -> list[JSON]:
    """
    Describe the cache entries of a name.

    @param more: what is added to each.

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
                **more,
            }
        )
    return shown
