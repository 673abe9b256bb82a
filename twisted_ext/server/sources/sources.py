"""
Builds the answer source of a server from its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import classImplements, implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.cache.lifetimes import Lifetimes
from twisted_ext.cache.store import Store
from twisted_ext.errors import BadDescription, CallerFault, Refused
from twisted_ext.interfaces import IAnswerSource, IDirectSource
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.resolver.combine.replaceable import ReplaceableSource
from twisted_ext.resolver.combine.route import ParentsElsewhere, RouteSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.lookup.domainlimit import DomainLimit
from twisted_ext.resolver.sources import FailingSource, LocalSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.features.base.feature import Stage
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.sources.upstreamlog import UpstreamLog
from twisted_ext.server.sources.upstreams import (
    CountedUpstream,
    ListenAddresses,
    LoopWatch,
    SystemServers,
    Upgrade,
    isNear,
    serversOf,
)
from twisted_ext.server.zones.table.source import AuthorityFirst, AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.transport.exchange import IN_CLEAR
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.store.version import DirectAnswer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import Start
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.built import Features
    from twisted_ext.server.features.views.settings import View
    from twisted_ext.server.sources.recursor import Given, Recursor
    from twisted_ext.server.sources.trusting import Trusting

__all__ = ["ForwardStack", "ZoneStack", "described", "stackFor"]

_log: Final = Logger(__name__)

_LOCAL: Final = nameFromText("local")

#: Describes a step that queries pass through. What it says may change while the server runs.
_Step: TypeAlias = "Callable[[], str]"

#: Settings from which the sources that query other servers are built.
_ASKING: Final = ("recursive", "upstream", "route", "resolv-conf", "upgrade-upstreams", "upgrade-unverified", "hedge", "cache")

#: Settings that bound the TTLs of upstream answers.
_TTLS: Final = ("min-ttl", "max-ttl", "max-negative-ttl")


@dataclass(slots=True, eq=False)
class _Asking:
    """
    The sources that query other servers.

    @ivar source: the source for all names.
    @ivar default: the source for names without a route.
    @ivar steps: what L{ForwardStack.path} says of them.
    @ivar system: the servers of C{resolv.conf}, if these are used.
    @ivar recursor: the recursive resolver, if names are resolved from the root.
    @ivar trusting: what is trusted, if anything is validated.
    @ivar follower: looks up the targets of aliases that upstreams have not followed; the recursor has its own.
    """

    source: IAnswerSource
    default: IAnswerSource
    upstreams: list[CountedUpstream]
    steps: list[_Step]
    system: SystemServers | None = None
    recursor: Recursor | None = None
    trusting: Trusting | None = None
    follower: AliasFollower | None = None


class _Outermost(NamedTuple):
    """
    The sources that are consulted first.

    @ivar views: those of each view by its name; all have the cache in common.
    @ivar steps: describe C{source}, from the outermost on.
    @ivar viewSteps: describe views.
    """

    source: IAnswerSource
    views: dict[str, IAnswerSource]
    steps: list[_Step]
    viewSteps: list[_Step]
    watch: LoopWatch | None


@implementer(IAnswerSource)
class ForwardStack:
    """
    The answer source of a forwarder: local records, hosts file and special names, then the upstreams behind a cache. Equal queries share
    one look-up; with several upstreams, the next one is queried as well if one takes long. With the role C{recurse}, a recursive resolver
    takes the place of the upstreams.

    The object stays the same when settings change; its parts are replaced, except for the cache.

    @ivar caching: the cache, to flush, dump or load; exists even if it is not used.
    @ivar views: the source of each view by its name. They have the cache in common.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        features: Features,
        *,
        listening: ListenAddresses | None = None,
        changed: Callable[[], object] = lambda: None,
        zones: Zones | None = None,
        recursing: Callable[[Given, Recursor | None], Recursor] | None = None,
    ) -> None:
        """
        @param zones: the zones, which are consulted first.
        @param features: those that are switched on.
        @param recursing: makes the recursive resolver, for tests.
        @param changed: called when earlier answers may be out of date, so that copies of them have to be dropped.

        @raise BadDescription: the settings cannot be used. Nothing is left open.
        """
        self._reactor = reactor
        self._listening = listening or ListenAddresses((), 0)
        self._changed = changed
        self._zones = zones
        self.settings = settings
        self._recursing = recursing or self._newRecursor
        self._asking = asking = self._makeAsking(settings, _givenIn(settings))
        self._replaceable = ReplaceableSource(asking.source)
        self._coalescing = CoalescingSource(DomainLimit(self._replaceable), reactor)
        self.caching = CachedSource(
            self._coalescing,
            reactor,
            store=Store(settings.cacheSize, lifetimes=_lifetimesOf(settings)),
            stale=settings.stale,
            staleWait=settings.staleWait,
            prefetch=settings.prefetch,
        )
        self._joinAliases(asking, settings)
        self._upstreamLog = UpstreamLog()
        try:
            self._use(self._makeOutermost(settings, features), settings)
        except BaseException:
            self.caching.close()
            raise

    # -- building the sources

    def _makeAsking(self, settings: Settings, given: Given | None = None, former: _Asking | None = None) -> _Asking:
        if not settings.recursive:
            refusing = FailingSource(lambda: Refused("this server asks no upstream", ede=((20, ""),)))
            return _Asking(refusing, refusing, [], [lambda: "no upstream is asked"])
        upstreams: list[CountedUpstream] = []
        steps: list[_Step] = []
        system: SystemServers | None = None
        recursor: Recursor | None = None
        trusting: Trusting | None = None
        upgrade = self._upgradeFor(settings)

        def built(description: str, setting: str, counted: bool = False) -> CountedUpstream:
            source = described(self._reactor, description, setting, self._listening)
            if upgrade is not None and setting == "upstream":
                source = _designatedFor(self._reactor, source, upgrade, description, settings)
            if trusting is not None:
                trusting.join(source)
            upstream = CountedUpstream(description, source, self._reactor, counted=counted)
            upstreams.append(upstream)
            return upstream

        try:
            if given is not None:
                recursor = self._recursing(given, None if former is None else former.recursor)
            trusting = _trustingFor(settings, recursor, None if former is None else former.trusting)
            if recursor is not None:
                default: IAnswerSource = recursor.source
                validated = "validated" if settings.validate else "without validation"
                if settings.opportunistic:
                    validated += ", over TLS where servers support it"
                steps.append(lambda: f"recurse: from {settings.rootHints or 'the built-in servers of the root'}, {validated}")
                if settings.localRoot:
                    steps.insert(-1, lambda: f"local root: a copy of the root zone by transfer from {', '.join(settings.localRoot)}")
            elif settings.upstream:
                several = len(settings.upstream) > 1
                hedge = f", each {settings.hedge:g} s ahead of the next" if several else ""
                steps.append(lambda: f"forward: {', '.join(settings.upstream)}{hedge}")
                first = [built(description, "upstream", several) for description in settings.upstream]
                default = first[0]
                if several:
                    default = RaceSource(first, self._reactor, delay=settings.hedge, order=lambda: sorted(first, key=attrgetter("rests")))
            else:
                system = SystemServers(self._reactor, settings.resolvConf, self._listening, self._moved, upgrade)
                default = following = CountedUpstream(system.path, system, self._reactor, counted=False)
                upstreams.append(following)
                steps.append(lambda: f"forward: the servers of {following.description}: {_labelOf(following)}")
            if upgrade is not None and recursor is None:
                steps.append(partial(_upgradesOf, upstreams[:]))
            routes: dict[bytes, IAnswerSource] = {}
            for route in settings.route:
                domain, _, description = route.partition("=")
                routed = built(description, f"route {domain}")
                name = nameFromText(domain)
                routes[name] = routed if recursor is None else recursor.beside(routed, name.lower())
                steps.insert(-1, partial("route: {} to {}".format, domain, description))
            for stub in settings.stub if recursor is not None else ():
                steps.insert(-1, partial("stub: {} at {}".format, *stub.split("=")))
        except BaseException:
            for upstream in upstreams:
                upstream.close()
            if recursor is not None:
                recursor.source.close()
            raise
        source: IAnswerSource = default
        if routes:
            source = RouteSource(routes, default)
            # Others need no validator, which takes long to load.
            if any("validate:" in route for route in settings.route):
                _joinParents(source, routes)
        follower: AliasFollower | None = None
        if recursor is None:
            source = follower = AliasFollower(source)
        return _Asking(source, default, upstreams, steps, system, recursor, trusting, follower)

    def _upgradeFor(self, settings: Settings) -> Upgrade | None:
        if settings.upgradeUpstreams == "no":
            return None
        from twisted_ext.resolver.strings.descriptions import Site
        from twisted_ext.resolver.strings.designated import upgraded

        strict = settings.upgradeUpstreams == "require"
        opportunistic = settings.upgradeUnverified and not strict
        return partial(upgraded, Site(self._reactor, self._listening.has), strict=strict, opportunistic=opportunistic)

    def _newRecursor(self, given: Given, former: Recursor | None) -> Recursor:
        from twisted_ext.server.sources.recursor import Recursor

        return Recursor(self._reactor, given, self._listening, former)

    def _joinAliases(self, asking: _Asking, settings: Settings) -> None:
        """
        Have the targets of aliases looked up through the cache, like questions of clients.
        """
        targets = self.caching if settings.cache else self._coalescing
        if asking.recursor is not None:
            asking.recursor.follow(targets)
        if asking.follower is not None:
            asking.follower.targets = targets

    def _makeOutermost(self, settings: Settings, features: Features) -> _Outermost:
        """
        Wrap the cache in the sources that are consulted before it, for clients in no view and for each view. Nothing changes by that.

        @raise BadDescription: a record or a file cannot be used.
        """
        # Built from the innermost source to the outermost, and described in the opposite order.
        steps: list[_Step] = [lambda: "coalesce: one look-up for equal queries"]
        source: IAnswerSource = self._coalescing
        if settings.cache:
            source = self.caching
            stale = f", stale answers for {settings.stale} s" if settings.stale else ""
            prefetch = ", prefetching" if settings.prefetch else ""
            steps.append(lambda: f"cache: {settings.cacheSize} octets{prefetch}{stale}{_boundsOf(settings)}")
        watch = LoopWatch(self._reactor) if settings.loopDetection and settings.recursive else None
        views = {name: self._makeAround(source, each.site.settings, each, watch, []) for name, each in features.views.items()}
        viewSteps: list[_Step] = [partial(_viewSaid, view, features) for view in viewsOf(settings)]
        source = self._makeAround(source, settings, features, watch, steps)
        return _Outermost(source, views, steps[::-1], viewSteps, watch)

    def _use(self, outermost: _Outermost, settings: Settings) -> None:
        """
        Answer from these sources from now on.
        """
        self._outermost = outermost
        self._ask = outermost.source.ask
        self.views = outermost.views
        # Do not store answers that the cache would never return.
        self._coalescing.learning = self.caching if settings.cache else None
        self.caching.store.apart = frozenset([domain.lower() for domain in settings.routedDomains()])

    def _makeAround(
        self, source: IAnswerSource, settings: Settings, features: Features, watch: LoopWatch | None, steps: list[_Step]
    ) -> IAnswerSource:
        """
        Wrap the cache, or what stands for it, in what is consulted before it.
        """
        for stage in (Stage.UPSTREAM, Stage.LOCAL, Stage.OUTER):
            source = features.around(source, stage, steps)
        if watch is not None:
            source = watch.around(source)
            steps.append(lambda: "loop detection: queries of this server that come back to it")
        zones = self._zones
        if zones is not None:
            # Zones may be added later, so do this even if there are none now.
            source = AuthorityFirst(AuthoritySource(zones, minimalAny=settings.minimalAny, expandAlias=settings.expandAlias), source)
            steps.append(lambda: f"zones: {_counted(len(zones))}" if zones else "")
        return source

    def asksInside(self) -> bool:
        """
        Return whether names without a route go to a server in a private network, or to a source that has no server address.
        """
        if self._asking.recursor is not None:
            return False
        servers = [forwarding.upstreams[index].server for forwarding, index in serversOf(self._asking.default)]
        return not servers or any(isNear(server) for server in servers)

    def reload(self, settings: Settings, features: Features) -> None:
        """
        Apply new settings. The cache is kept, and look-ups under way are finished.

        @param features: those that these settings switch on.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        before = self.settings
        asking = self._asking
        # The files may have changed although the settings have not.
        given = _givenIn(settings)
        former = asking.recursor
        rebuilt = given is not None and former is not None and not former.isBuiltFor(given)
        if rebuilt or any(setting.name in _ASKING for setting in before.differing(settings)):
            asking = self._makeAsking(settings, given, asking)
        trusting = asking.trusting
        trusted = None if asking is not self._asking or trusting is None else trusting.read(settings)
        try:
            lifetimes = _lifetimesOf(settings)
            outermost = self._makeOutermost(settings, features)
        except BaseException:
            if asking is not self._asking:
                asking.source.close()
            raise
        self.settings = settings
        if asking is not self._asking:
            self._joinAliases(asking, settings)
            self._asking = asking
            self._replaceable.replace(asking.source)
            if rebuilt:
                self.caching.flush()
        else:
            changed = former is not None and given is not None and former.apply(given)
            if trusting is not None and trusting.apply(trusted, changed):
                changed = True
            if changed:
                self.caching.flush()
        if any(setting.name in _TTLS for setting in before.differing(settings)):
            self.caching.store.lifetimes = lifetimes
            # What was cached before may outlive the new bounds.
            self.caching.flush()
        self.caching.tune(stale=settings.stale, staleWait=settings.staleWait, prefetch=settings.prefetch)
        self._use(outermost, settings)
        self._changed()

    # -- changes of files and networks

    def started(self) -> None:
        """
        Called once the server listens: check whether an upstream forwards back to this server.
        """
        if self._outermost.watch is not None:
            self._outermost.watch.probe(self._asking.upstreams)
        if self._asking.recursor is not None:
            self._asking.recursor.started()

    def look(self) -> None:
        """
        Check for changed servers of C{resolv.conf}, and for what upstreams do.
        """
        if self._asking.system is not None:
            self._asking.system.look()
        for name in () if self._asking.trusting is None else self._asking.trusting.ended():
            self.flush(name, True)
        self._upstreamLog.look(serversOf(self._asking.source), self._reactor.seconds())

    def _moved(self) -> None:
        # The answers of one network's servers may not hold in the next network.
        self.caching.flush()
        self._changed()

    def flush(self, name: bytes | None = None, subtree: bool = False) -> int:
        count = self.caching.flush(name, subtree)
        if self._asking.recursor is not None:
            self._asking.recursor.forget(name, subtree)
        if self._asking.trusting is not None:
            self._asking.trusting.forget(name, subtree)
        self._changed()
        return count

    def suspend(self, name: bytes, until: int | None) -> None:
        """
        See L{Trusting.suspend}.
        """
        if self._asking.trusting is not None:
            self._asking.trusting.suspend(name, until)
            self.flush(name, True)

    @property
    def recursor(self) -> Recursor | None:
        """
        The recursive resolver, if there is one.
        """
        return self._asking.recursor

    @property
    def trusting(self) -> Trusting | None:
        """
        What is trusted, if anything is validated.
        """
        return self._asking.trusting

    # -- answering

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._ask(question, context)

    def close(self) -> Deferred[None]:
        return self.caching.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._outermost.source,)

    # -- description

    def path(self) -> list[str]:
        """
        Describe the steps that an accepted query passes through, in order, one line each.
        """
        return [line for step in (*self._outermost.steps, *self._asking.steps, *self._outermost.viewSteps) if (line := step())]


def _viewSaid(view: View, features: Features) -> str:
    different = features.views[view.name].differences(features)
    return f"view {view.name}, {', '.join(view.clients)}: {'; '.join(different) or 'as for all'}"


def _lifetimesOf(settings: Settings) -> Lifetimes:
    """
    @raise BadDescription: the bounds contradict each other.
    """
    if settings.minTtl > settings.maxTtl:
        raise BadDescription(f"min-ttl is {settings.minTtl}, which is more than max-ttl, {settings.maxTtl}")
    return Lifetimes(settings.maxTtl, settings.minTtl, settings.maxNegativeTtl)


def _joinParents(source: RouteSource, routes: Mapping[bytes, IAnswerSource]) -> None:
    """
    Have routes that validate find the keys of the parents of their domains as those of other names are found.
    """
    from twisted_ext.resolver.recursive.validating import ValidatingSource

    for domain, routed in routes.items():
        for validating in behind(routed, ValidatingSource):
            validating.supportFrom(ParentsElsewhere(domain.lower(), validating.inner, source))


def _boundsOf(settings: Settings) -> str:
    said = [f"{name} {settings.given[name]} s" for name in _TTLS if name in settings.given]
    return f", {', '.join(said)}" if said else ""


def _givenIn(settings: Settings) -> Given | None:
    if settings.role != "recurse":
        return None
    # Imported for this role only: it takes a tenth of a second.
    from twisted_ext.server.sources.recursor import readGiven

    return readGiven(settings)


def _trustingFor(settings: Settings, recursor: Recursor | None, former: Trusting | None) -> Trusting | None:
    """
    Return what is trusted, L{None} if nothing is validated.

    @param former: its predecessor, whose exceptions go on.
    """
    if not settings.isValidating:
        return None
    # Imported for those that validate only: it takes a tenth of a second.
    from twisted_ext.server.sources.trusting import Trusting

    return Trusting(settings, None if recursor is None or not settings.validate else recursor, former)


def _designatedFor(
    reactor: IReactorTime, source: IAnswerSource, upgrade: Upgrade, description: str, settings: Settings
) -> IAnswerSource:
    """
    Return the upgraded source for an upstream that is asked in the clear; others as they are.

    @raise BadDescription: its queries are signed, and must not be in the clear.
    """
    if not isinstance(source, ForwardingSource) or source.transport.kind != IN_CLEAR:
        return source
    if source.key is not None:
        # What it designates need not know the key.
        if settings.upgradeUpstreams == "require":
            source.close()
            raise BadDescription(
                f"upstream {description}: upgrade-upstreams = require cannot be combined with tsig; name an encrypted server"
            )
        return source
    servers = [upstream.server for upstream in source.upstreams]
    if len(servers) == 1:
        # Its options remain.
        return upgrade(servers, lambda server: source)
    streams = source.stream
    source.close()
    return upgrade(servers, lambda server: ForwardingSource(reactor, [server], stream=streams))


def _upgradesOf(upstreams: Iterable[CountedUpstream]) -> str:
    from twisted_ext.resolver.combine.designated import DesignatedSource

    states = [each.state for upstream in upstreams for each in behind(upstream, DesignatedSource)]
    return f"upgrade: {'; '.join(states)}" if states else ""


def _labelOf(upstream: CountedUpstream) -> str:
    return ", ".join([forwarding.upstreams[index].server.label for forwarding, index in serversOf(upstream)]) or "none"


def _counted(zones: int) -> str:
    return "1 zone" if zones == 1 else f"{zones} zones"


def stackFor(
    reactor: IReactorTime,
    settings: Settings,
    zones: Zones,
    features: Features,
    *,
    listening: ListenAddresses | None = None,
    changed: Callable[[], object] = lambda: None,
) -> ForwardStack | ZoneStack:
    """
    Return the answer source for a server with these settings; see L{ForwardStack}.

    @raise BadDescription: they cannot be used.
    """
    if settings.role == "serve":
        return ZoneStack(settings, zones, features, changed)
    return ForwardStack(reactor, settings, features, listening=listening, changed=changed, zones=zones)


@implementer(IDirectSource)
class ZoneStack:
    """
    The answer source of an authoritative-only server. Names outside its zones are refused, but for those by which clients ask what it
    designates.

    @ivar authority: answers from the zones, before anything else does.
    """

    caching = None
    recursor = None
    trusting = None
    views: Mapping[str, IAnswerSource] = {}

    def __init__(self, settings: Settings, zones: Zones, features: Features, changed: Callable[[], object] = lambda: None) -> None:
        self.settings = settings
        self._zones = zones
        self._changed = changed
        self._use(settings, features)

    def _use(self, settings: Settings, features: Features) -> None:
        self.authority = AuthoritySource(self._zones, minimalAny=settings.minimalAny, expandAlias=settings.expandAlias)
        self._steps: list[_Step] = []
        nothing = _NothingElse()
        self._others = features.around(nothing, Stage.LOCAL, self._steps)
        self._ask = self.authority.ask if self._others is nothing else self._askBoth

    def reload(self, settings: Settings, features: Features) -> None:
        """
        Apply new settings.

        @param features: those that these settings switch on.
        """
        self.settings = settings
        self._use(settings, features)
        self._changed()

    def asksInside(self) -> bool:
        """
        Return L{False}: no server is asked.
        """
        return False

    def started(self) -> None:
        """
        Called once the server listens; does nothing.
        """

    def _askBoth(self, question: Question, context: QueryContext) -> Answer | Start | None:
        answer = self.authority.ask(question, context)
        return self._others.ask(question, context) if answer is None else answer

    def suspend(self, name: bytes, until: int | None) -> None:
        """
        Do nothing: what is served here needs no validation.
        """

    def look(self) -> None:
        """
        Do nothing: changed zones are detected elsewhere.
        """

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._ask(question, context)

    def directAnswer(self, question: Question, dnssecOk: bool) -> DirectAnswer | None:
        return self.authority.directAnswer(question, dnssecOk)

    def close(self) -> Deferred[None]:
        return self.authority.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (cast(IAnswerSource, self.authority),)

    def path(self) -> list[str]:
        others = [line for step in self._steps[::-1] if (line := step())]
        return [f"zones: {_counted(len(self._zones))}", *others, "no upstream is asked"]


class _NothingElse(LocalSource):
    """
    Stands behind the sources of a server that asks no upstream.
    """

    def ask(self, question: Question, context: QueryContext) -> None:
        return None


classImplements(_NothingElse, IAnswerSource)


def described(reactor: IReactorTime, description: str, setting: str, listening: ListenAddresses) -> IAnswerSource:
    """
    Build the source that a description names.

    @raise BadDescription: it cannot be built, or is this server itself.
    """
    try:
        source = sourceFromString(reactor, description, listening.has)
    except CallerFault as fault:
        raise BadDescription(f"{setting}: {fault}") from None
    for forwarding, index in serversOf(source):
        server = forwarding.upstreams[index].server
        if listening.has(server):
            source.close()
            raise BadDescription(f"{setting}: {server.label} is this server itself; it would ask itself forever")
    return source
