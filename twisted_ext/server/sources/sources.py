"""
Builds the answer source of a server from its settings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from twisted.internet.defer import Deferred, succeed
from zope.interface import classImplements, implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.interfaces import IAnswerSource, IDirectSource
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.server.config.setting import TTLS
from twisted_ext.server.features.base.feature import Stage
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.sources.asking import Step
from twisted_ext.server.sources.backends import Backends, Prepared
from twisted_ext.server.sources.upstreams import ListenAddresses, LoopWatch
from twisted_ext.server.zones.table.source import AuthorityFirst, AuthoritySource
from twisted_ext.server.zones.table.viewzones import ViewZones
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.message import Question
from twisted_ext.zone.store.version import DirectAnswer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import Start
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.built import Features
    from twisted_ext.server.features.views.settings import View
    from twisted_ext.server.sources.recursor import Given, Recursor
    from twisted_ext.server.sources.trusting import Trusting

__all__ = ["ForwardStack", "ZoneStack", "stackFor"]


class _Outermost(NamedTuple):
    """
    The sources that are consulted first.

    @ivar views: those of each view by its name.
    @ivar steps: describe C{source}, from the outermost on.
    @ivar viewSteps: describe views.
    """

    source: IAnswerSource
    views: dict[str, IAnswerSource]
    steps: list[Step]
    viewSteps: list[Step]
    watch: LoopWatch | None


@implementer(IAnswerSource)
class ForwardStack:
    """
    The answer source of a forwarder: local records, hosts file and special names, then the upstreams behind a cache. Equal queries share
    one look-up; with several upstreams, the next one is queried as well if one takes long. With the role C{recurse}, a recursive resolver
    takes the place of the upstreams.

    The object stays the same when settings change; its parts are replaced, except for caches.

    @ivar backends: the caches, and what is asked behind them.
    @ivar views: the source of each view by its name.
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
        self._changed = changed
        self._zones = zones
        self.backends = Backends(reactor, listening or ListenAddresses((), 0), changed, recursing)
        self._apply(settings, features)

    def _apply(self, settings: Settings, features: Features) -> None:
        prepared = self.backends.prepare(settings, [(name, each.site.settings) for name, each in features.views.items()])
        try:
            outermost = self._makeOutermost(prepared, settings, features)
        except BaseException:
            prepared.discard()
            raise
        self.settings = settings
        self.backends.apply(prepared)
        # Answer from these sources from now on.
        self._outermost = outermost
        self._ask = outermost.source.ask
        self.views = outermost.views

    # -- building the sources

    def _makeOutermost(self, prepared: Prepared, settings: Settings, features: Features) -> _Outermost:
        """
        Wrap caches in the sources that are consulted before them, for clients in no view and for each view. Nothing changes by that.

        @raise BadDescription: a record or a file cannot be used.
        """
        # Built from the innermost source to the outermost, and described in the opposite order.
        steps: list[Step] = [lambda: "coalesce: one look-up for equal queries"]
        if settings.cache:
            stale = f", stale answers for {settings.stale} s" if settings.stale else ""
            prefetch = ", prefetching" if settings.prefetch else ""
            steps.append(lambda: f"cache: {prepared.octets} octets{prefetch}{stale}{_boundsOf(settings)}")
        isAsking = any(each.settings.recursive for each in prepared.wanted)
        watch = LoopWatch(self._reactor) if settings.loopDetection and isAsking else None
        views = {
            name: self._makeAround(prepared.sourceOf(name), each.site.settings, each, watch, [], name)
            for name, each in features.views.items()
        }
        variants = features.site.variants
        viewSteps: list[Step] = [
            partial(_viewSaid, view, features, self.backends, variants.get(view.name)) for view in viewsOf(settings)
        ]
        source = self._makeAround(prepared.sourceOf(""), settings, features, watch, steps)
        return _Outermost(source, views, steps[::-1], viewSteps, watch)

    def _makeAround(
        self, source: IAnswerSource, settings: Settings, features: Features, watch: LoopWatch | None, steps: list[Step], view: str = ""
    ) -> IAnswerSource:
        """
        Wrap the cache, or what stands for it, in what is consulted before it.

        @param view: the view whose clients get that; C{""} for those in none.
        """
        for stage in (Stage.CACHE, Stage.UPSTREAM, Stage.LOCAL, Stage.OUTER):
            source = features.around(source, stage, steps)
        if watch is not None:
            source = watch.around(source)
            steps.append(lambda: "loop detection: queries of this server that come back to it")
        zones = self._zones
        if zones is not None:
            # Zones may be added later, so do this even if there are none now.
            of = features.site.variants.get(view, zones)
            source = AuthorityFirst(AuthoritySource(of, minimalAny=settings.minimalAny, expandAlias=settings.expandAlias), source)
            steps.append(lambda: f"zones: {_counted(len(zones))}" if zones else "")
        return source

    def asksInside(self, view: str = "") -> bool:
        """
        Return whether clients of a view get answers for names without a route from a server in a private network, or from a source that
        has no server address.

        @param view: C{""} for clients in no view.
        """
        return self.backends.of(view).asking.isInside()

    def reload(self, settings: Settings, features: Features) -> None:
        """
        Apply new settings. Look-ups under way are finished, and caches are kept, but for those that no view asks any more.

        @param features: those that these settings switch on.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        self._apply(settings, features)
        self._changed()

    # -- changes of files and networks

    def started(self) -> None:
        """
        Called once the server listens: check whether an upstream forwards back to this server.
        """
        if self._outermost.watch is not None:
            self._outermost.watch.probe([upstream for each in self.backends.all for upstream in each.asking.upstreams])
        if self.backends.recursor is not None:
            self.backends.recursor.started()

    def look(self) -> None:
        """
        Check for changed servers of C{resolv.conf}, and for what upstreams do.
        """
        self.backends.look()

    def flush(self, name: bytes | None = None, subtree: bool = False) -> int:
        count = self.backends.flush(name, subtree)
        self._changed()
        return count

    def suspend(self, name: bytes, until: int | None) -> None:
        """
        See L{Trusting.suspend}.
        """
        trusting = self.backends.trusting
        if trusting is not None:
            trusting.suspend(name, until)
            self.flush(name, True)

    def validates(self, name: bytes) -> Deferred[bool]:
        """
        See L{Trusting.validates}.
        """
        return self.backends.validates(name)

    @property
    def caching(self) -> CachedSource:
        """
        The cache for clients in no view.
        """
        return self.backends.common.caching

    @property
    def recursor(self) -> Recursor | None:
        """
        The recursive resolver, if there is one.
        """
        return self.backends.recursor

    @property
    def trusting(self) -> Trusting | None:
        """
        What is trusted, if anything is validated.
        """
        return self.backends.trusting

    # -- answering

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._ask(question, context)

    def close(self) -> Deferred[None]:
        return self.backends.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._outermost.source,)

    # -- description

    def path(self) -> list[str]:
        """
        Describe the steps that an accepted query passes through, in order, one line each.
        """
        steps = (*self._outermost.steps, *self.backends.common.asking.steps, *self._outermost.viewSteps)
        return [line for step in steps if (line := step())]


def _viewSaid(view: View, features: Features, backends: Backends, zones: ViewZones | None) -> str:
    different = [] if zones is None else [f"zones: {_counted(len(zones.own))} of its own"]
    different += features.views[view.name].differences(features)
    backend = backends.of(view.name)
    if backend is not backends.common:
        common = [step() for step in backends.common.asking.steps]
        bounds = _boundsOf(view.settings).removeprefix(", ")
        different += [bounds] if bounds != _boundsOf(features.site.settings).removeprefix(", ") else []
        different += [said for step in backend.asking.steps if (said := step()) and said not in common]
    return f"view {view.name}, {', '.join(view.clients)}: {'; '.join(different) or 'as for all'}"


def _boundsOf(settings: Settings) -> str:
    said = [f"{name} {settings.given[name]} s" for name in TTLS if name in settings.given]
    return f", {', '.join(said)}" if said else ""


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
class _ZonesFirst:
    """
    Zones, and for other names what features add.

    @ivar authority: answers from the zones, before anything else does.
    """

    def __init__(self, zones: Zones | ViewZones, features: Features) -> None:
        self._lookIn(zones, features)

    def _lookIn(self, zones: Zones | ViewZones, features: Features) -> None:
        self._steps: list[Step] = []
        settings = features.site.settings
        self.authority = AuthoritySource(zones, minimalAny=settings.minimalAny, expandAlias=settings.expandAlias)
        nothing = _NothingElse()
        self._others = features.around(nothing, Stage.LOCAL, self._steps)
        self._ask = self.authority.ask if self._others is nothing else self._askBoth

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._ask(question, context)

    def _askBoth(self, question: Question, context: QueryContext) -> Answer | Start | None:
        answer = self.authority.ask(question, context)
        return self._others.ask(question, context) if answer is None else answer

    def directAnswer(self, question: Question, dnssecOk: bool) -> DirectAnswer | None:
        return self.authority.directAnswer(question, dnssecOk)

    def close(self) -> Deferred[None]:
        return self.authority.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (cast(IAnswerSource, self.authority),)


class ZoneStack(_ZonesFirst):
    """
    The answer source of an authoritative-only server. Names outside its zones are refused, but for those by which clients ask what it
    designates.

    @ivar zones: those for all clients.
    @ivar views: what each view is answered by.
    """

    backends = None
    caching = None
    recursor = None
    trusting = None

    def __init__(self, settings: Settings, zones: Zones, features: Features, changed: Callable[[], object] = lambda: None) -> None:
        self.settings = settings
        self.zones = zones
        self._changed = changed
        self._use(features)

    def _use(self, features: Features) -> None:
        self._lookIn(self.zones, features)
        self._variants = features.site.variants
        self.views: dict[str, IAnswerSource] = {
            name: _ZonesFirst(self._variants.get(name, self.zones), each) for name, each in features.views.items()
        }

    def reload(self, settings: Settings, features: Features) -> None:
        """
        Apply new settings.

        @param features: those that these settings switch on.
        """
        self.settings = settings
        self._use(features)
        self._changed()

    def asksInside(self, view: str = "") -> bool:
        """
        Return L{False}: no server is asked.
        """
        return False

    def started(self) -> None:
        """
        Called once the server listens; does nothing.
        """

    def suspend(self, name: bytes, until: int | None) -> None:
        """
        Do nothing: what is served here needs no validation.
        """

    def validates(self, name: bytes) -> Deferred[bool]:
        """
        Return L{False}: nothing is validated.
        """
        return succeed(False)

    def look(self) -> None:
        """
        Do nothing: changed zones are detected elsewhere.
        """

    def path(self) -> list[str]:
        others = [line for step in self._steps[::-1] if (line := step())]
        views = [self._viewSaid(view) for view in viewsOf(self.settings)]
        return [f"zones: {_counted(len(self.zones))}", *others, "no upstream is asked", *views]

    def _viewSaid(self, view: View) -> str:
        zones = self._variants.get(view.name)
        said = "as for all" if zones is None else f"zones: {_counted(len(zones.own))} of its own"
        return f"view {view.name}, {', '.join(view.clients)}: {said}"


class _NothingElse(LocalSource):
    """
    Stands behind the sources of a server that asks no upstream.
    """

    def ask(self, question: Question, context: QueryContext) -> None:
        return None


classImplements(_NothingElse, IAnswerSource)
