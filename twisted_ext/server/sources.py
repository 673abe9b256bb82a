"""
What a server answers from, put together as its settings say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.errors import BadDescription, CallerFault, Refused
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.combine.failing import FailingSource
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.resolver.combine.replaceable import ReplaceableSource
from twisted_ext.resolver.combine.route import RouteSource
from twisted_ext.resolver.policy.domainlimit import DomainLimit
from twisted_ext.resolver.policy.localrecords import LocalRecordsSource, localRecord, localRecords, readLocalFile
from twisted_ext.resolver.policy.privatereverse import PrivateReverse
from twisted_ext.resolver.policy.rebinding import RebindingLog, StopRebinding
from twisted_ext.resolver.policy.specialnames import Special
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.resolver.system.hosts import Hosts
from twisted_ext.server.operations.upstreamlog import UpstreamLog
from twisted_ext.server.upstreams import Listening, LoopWatch, SystemServers, Upstream, isNear, serversOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameFromText, nameToText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.authority.source import Zones
    from twisted_ext.server.config.settings import Settings

__all__ = ["ForwardStack", "ZoneStack", "described", "stackFor"]

_LOCAL: Final = nameFromText("local")

#: Settings that the sources which ask others are made of.
_ASKING: Final = ("recursive", "upstream", "route", "resolv-conf", "hedge")


class _Asking:
    """
    All that asks others.

    @ivar source: what is asked for everything.
    @ivar default: what is asked for names without a route.
    @ivar upstreams: each of them.
    @ivar system: what follows C{resolv.conf}, where that is used.
    """

    __slots__ = ("source", "default", "upstreams", "system")

    def __init__(
        self, source: IAnswerSource, default: IAnswerSource, upstreams: list[Upstream], system: SystemServers | None
    ) -> None:
        self.source = source
        self.default = default
        self.upstreams = upstreams
        self.system = system


@implementer(IAnswerSource)
class ForwardStack:
    """
    Local records, hosts file, special names, then others behind a cache: one look-up for all who ask the same, and where there are
    several upstreams, the next one as well where one takes long.

    It stays the same when settings change; what it is made of is exchanged, but for the cache.

    @ivar settings: those in force.
    @ivar caching: the cache, to flush, dump or load; there is one even where it is not used.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        *,
        listening: Listening | None = None,
        changed: Callable[[], object] = lambda: None,
        zones: Zones | None = None,
    ) -> None:
        """
        @param listening: where the server listens.
        @param zones: what is asked before all else.
        @param changed: called when answers given before may not hold any more, so that copies of them are to be forgotten.

        @raise BadDescription: the settings ask for what cannot be built. Nothing is left open.
        """
        self._reactor = reactor
        self._listening = listening or Listening((), 0)
        self._changed = changed
        self._zones = zones
        self.settings = settings
        self._asking = asking = self._makeAsking(settings)
        self._switching = ReplaceableSource(asking.source)
        self._coalescing = CoalescingSource(DomainLimit(self._switching), reactor)
        self.caching = CachedSource(
            self._coalescing,
            reactor,
            store=Store(settings.cacheSize),
            stale=settings.stale,
            staleWait=settings.staleWait,
            prefetch=settings.prefetch,
        )
        self._hosts: Hosts | None = None
        self._hostsSeen: object = None
        self._watch: LoopWatch | None = None
        self._upstreamLog = UpstreamLog()
        try:
            self._outermost = self._makeOutermost(settings)
        except BaseException:
            self.caching.close()
            raise
        self._now = self._outermost.answerNow

    # -- putting it together

    def _makeAsking(self, settings: Settings) -> _Asking:
        if not settings.recursive:
            nobody = FailingSource(lambda: Refused("this server asks no upstream", ede=((20, ""),)))
            return _Asking(nobody, nobody, [], None)
        upstreams: list[Upstream] = []
        system: SystemServers | None = None

        def built(description: str, setting: str, counted: bool = False) -> Upstream:
            source = described(self._reactor, description, setting, self._listening)
            upstream = Upstream(description, source, self._reactor, counted=counted)
            upstreams.append(upstream)
            return upstream

        try:
            if settings.upstream:
                several = len(settings.upstream) > 1
                first = [built(description, "upstream", several) for description in settings.upstream]
                default: IAnswerSource = first[0]
                if several:
                    default = RaceSource(first, self._reactor, delay=settings.hedge, order=lambda: sorted(first, key=_rests))
            else:
                system = SystemServers(self._reactor, settings.resolvConf, self._listening, self._moved)
                default = following = Upstream(system.path, system, self._reactor, counted=False)
                upstreams.append(following)
            routes: dict[bytes, IAnswerSource] = {}
            for route in settings.route:
                domain, _, description = route.partition("=")
                routes[nameFromText(domain)] = built(description, f"route {domain}")
        except BaseException:
            for upstream in upstreams:
                upstream.close()
            raise
        return _Asking(RouteSource(routes, default) if routes else default, default, upstreams, system)

    def _makeOutermost(self, settings: Settings) -> IAnswerSource:
        """
        Put around the cache what stands before it.

        @raise BadDescription: a record or a file cannot be used.
        """
        records = [localRecord(text) for text in settings.local]
        for path in settings.localFile:
            records += readLocalFile(path)
        domains = [nameFromText(route.partition("=")[0]) for route in settings.route]
        source: IAnswerSource = self.caching if settings.cache else self._coalescing
        if settings.stopRebinding:
            allowed = [*domains, *[nameFromText(name) for name in settings.rebindingAllow]]
            source = StopRebinding(source, allowed, RebindingLog(self._reactor))
        special = Special(local=any(isBelow(domain, _LOCAL) for domain in domains))
        sources: list[IAnswerSource] = [special, PrivateReverse(self._asksInside, domains), source]
        hosts: Hosts | None = None
        if settings.hostsFile:
            hosts = Hosts(self._reactor, settings.hostsFile)
            sources.insert(0, hosts)
        source = ChainSource(sources)
        if records:
            source = LocalRecordsSource(source, localRecords(records))
        watch: LoopWatch | None = None
        if settings.loopDetection and settings.recursive:
            source = watch = LoopWatch(source, self._reactor)
        if self._zones is not None:
            # Those may come that are not there yet.
            from twisted_ext.server.authority.source import AuthoritySource, Leading

            source = Leading(AuthoritySource(self._zones, minimalAny=settings.minimalAny, expandAlias=settings.expandAlias), source)
        self._hosts, self._watch = hosts, watch
        # What is never given takes no memory.
        self._coalescing.learning = self.caching if settings.cache else None
        return source

    def _asksInside(self) -> bool:
        """
        @return: whether names without a route are asked of somebody in a private network, or of nobody that has an address.
        """
        servers = [forwarding.upstreams[index].server for forwarding, index in serversOf(self._asking.default)]
        return not servers or any(isNear(server) for server in servers)

    def reload(self, settings: Settings) -> None:
        """
        Go over to other settings. What is in the cache stays there, and look-ups under way are finished.

        @raise BadDescription: they ask for what cannot be built; nothing has changed then.
        """
        before = self.settings
        asking = self._asking
        if any(setting.name in _ASKING for setting in before.differing(settings)):
            asking = self._makeAsking(settings)
        try:
            outermost = self._makeOutermost(settings)
        except BaseException:
            if asking is not self._asking:
                asking.source.close()
            raise
        self.settings = settings
        if asking is not self._asking:
            self._asking = asking
            self._switching.replace(asking.source)
        self.caching.tune(stale=settings.stale, staleWait=settings.staleWait, prefetch=settings.prefetch)
        self._outermost = outermost
        self._now = outermost.answerNow
        self._changed()

    # -- following what changes by itself

    def started(self) -> None:
        """
        The server listens now: find out whether an upstream leads back here.
        """
        if self._watch is not None:
            self._watch.probe(self._asking.upstreams)

    def look(self) -> None:
        """
        See whether files that are answered from are other ones. Copies of answers would hide that otherwise.
        """
        if self._hosts is not None:
            self._hosts.refresh()
            # A question that came meanwhile may have had it read.
            seen, self._hostsSeen = self._hostsSeen, self._hosts.table
            if seen is not None and seen is not self._hostsSeen:
                self._changed()
        if self._asking.system is not None:
            self._asking.system.look()
        self._upstreamLog.look(serversOf(self._asking.source), self._reactor.seconds())

    def _moved(self) -> None:
        # What one network's servers said of a name may not be so in the next one.
        self.caching.flush()
        self._changed()

    def flush(self, name: bytes | None = None, subtree: bool = False) -> int:
        """
        Forget what was learned: see L{CachedSource.flush}.
        """
        count = self.caching.flush(name, subtree)
        self._changed()
        return count

    # -- asking

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._now(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return self._outermost.answer(question, context)

    def close(self) -> Deferred[None]:
        return self.caching.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._outermost,)

    # -- telling

    def path(self) -> list[str]:
        """
        @return: in words, one line each, what a question meets that is not refused, in order.
        """
        settings = self.settings
        lines: list[str] = []
        if self._zones:
            lines.append(f"zones: {_counted(len(self._zones))}")
        if self._watch is not None:
            lines.append("loop detection: questions of our own that come back")
        if settings.local or settings.localFile:
            files = "".join([f", {path}" for path in settings.localFile])
            lines.append(f"local: {len(settings.local)} records given{files}")
        if self._hosts is not None:
            lines.append(f"hosts: {self._hosts.path}")
        lines.append("special: names that are never asked of anybody, and literal addresses")
        lines.append("private networks: names of their addresses are denied, unless an upstream inside of them is asked")
        if settings.stopRebinding:
            but = "".join([f", but for {nameToText(nameFromText(name))}" for name in settings.rebindingAllow])
            lines.append(f"rebinding: no private addresses from upstreams{but}")
        if settings.cache:
            stale = f", stale answers for {settings.stale} s" if settings.stale else ""
            prefetch = ", prefetching" if settings.prefetch else ""
            lines.append(f"cache: {settings.cacheSize} octets{prefetch}{stale}")
        lines.append("coalesce: one look-up for all who ask the same")
        lines += [f"route: {route.partition('=')[0]} to {route.partition('=')[2]}" for route in settings.route if settings.recursive]
        if not settings.recursive:
            lines.append("no upstream is asked")
        elif self._asking.system is not None:
            servers = ", ".join([self._labelOf(upstream) for upstream in self._asking.upstreams[:1]])
            lines.append(f"forward: the servers of {self._asking.system.path}: {servers}")
        else:
            hedge = f", each {settings.hedge:g} s ahead of the next" if len(settings.upstream) > 1 else ""
            lines.append(f"forward: {', '.join(settings.upstream)}{hedge}")
        return lines

    def _labelOf(self, upstream: Upstream) -> str:
        return ", ".join([forwarding.upstreams[index].server.label for forwarding, index in serversOf(upstream)]) or "none"


def _counted(zones: int) -> str:
    return "1 zone" if zones == 1 else f"{zones} zones"


def stackFor(
    reactor: IReactorTime,
    settings: Settings,
    zones: Zones,
    *,
    listening: Listening | None = None,
    changed: Callable[[], object] = lambda: None,
) -> ForwardStack | ZoneStack:
    """
    @return: what a server with these settings answers from; see L{ForwardStack}.

    @raise BadDescription: they ask for what cannot be built.
    """
    if settings.role == "serve":
        return ZoneStack(settings, zones, changed)
    return ForwardStack(reactor, settings, listening=listening, changed=changed, zones=zones)


@implementer(IAnswerSource)
class ZoneStack:
    """
    Zones alone. Names of no zone are refused.

    @ivar settings: those in force.
    @ivar caching: there is none.
    """

    caching = None

    def __init__(self, settings: Settings, zones: Zones, changed: Callable[[], object] = lambda: None) -> None:
        """
        @param changed: called when answers given before may not hold any more.
        """
        self.settings = settings
        self._zones = zones
        self._changed = changed
        self._use(settings)

    def _use(self, settings: Settings) -> None:
        from twisted_ext.server.authority.source import Alone

        self._source = Alone(self._zones, minimalAny=settings.minimalAny, expandAlias=settings.expandAlias)
        self._now = self._source.answerNow

    def reload(self, settings: Settings) -> None:
        """
        Go over to other settings.
        """
        self.settings = settings
        self._use(settings)
        self._changed()

    def started(self) -> None:
        """
        The server listens now.
        """

    def look(self) -> None:
        """
        See whether something has changed that is answered from; zones are looked after elsewhere.
        """

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._now(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return self._source.answer(question, context)

    def close(self) -> Deferred[None]:
        return self._source.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (cast(IAnswerSource, self._source),)

    def path(self) -> list[str]:
        """
        @return: in words, one line each, what a question meets that is not refused, in order.
        """
        return [f"zones: {_counted(len(self._zones))}", "no upstream is asked"]


def _rests(upstream: Upstream) -> bool:
    return upstream.rests


def described(reactor: IReactorTime, description: str, setting: str, listening: Listening) -> IAnswerSource:
    """
    @param setting: where it stands, for errors.

    @return: what a description says.

    @raise BadDescription: it cannot be built, or is this server itself.
    """
    try:
        source = sourceFromString(reactor, description)
    except CallerFault as fault:
        raise BadDescription(f"{setting}: {fault}") from None
    for forwarding, index in serversOf(source):
        server = forwarding.upstreams[index].server
        if listening.has(server):
            source.close()
            raise BadDescription(f"{setting}: {server.label} is this server itself; it would ask itself forever")
    return source
