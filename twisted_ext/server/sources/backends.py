"""
Backends: of each the cache, and the servers that are asked behind it. Views whose settings ask the same servers have one in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed

from twisted_ext.cache.lifetimes import Lifetimes
from twisted_ext.cache.store import Store
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine.replaceable import ReplaceableSource
from twisted_ext.resolver.lookup.domainlimit import DomainLimit
from twisted_ext.resolver.sources import closeAll
from twisted_ext.server.config.setting import ASKING, TTLS
from twisted_ext.server.features.views.settings import backendKey
from twisted_ext.server.sources.asking import Asking, askingFor
from twisted_ext.server.sources.upstreamlog import UpstreamLog
from twisted_ext.server.sources.upstreams import serversOf

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.sources.recursor import Given, Recursor
    from twisted_ext.server.sources.trusting import Trusted, Trusting
    from twisted_ext.server.sources.upstreams import ListenAddresses

__all__ = ["Backend", "Backends", "Prepared"]

#: Octets of memory that each of several caches has at least: it holds some two thousand answers. With less, it would forget what is asked
#: for each minute, and a server with many of them would ask its upstreams for nearly every query.
_LEAST_OCTETS: Final = 1 << 20


def _lifetimesOf(settings: Settings) -> Lifetimes:
    """
    @raise BadDescription: the bounds contradict each other.
    """
    if settings.minTtl > settings.maxTtl:
        raise BadDescription(f"min-ttl is {settings.minTtl}, which is more than max-ttl, {settings.maxTtl}")
    return Lifetimes(settings.maxTtl, settings.minTtl, settings.maxNegativeTtl)


class Backend:
    """
    A cache, and the servers that are asked for what it does not have.

    @ivar asking: the sources that query these servers.
    @ivar caching: the cache, to flush, dump or load; exists even if it is not used.
    @ivar views: the views whose clients it is for; C{""} for clients in none.
    """

    def __init__(self, reactor: IReactorTime, settings: Settings, asking: Asking, octets: int) -> None:
        """
        @param octets: memory for the cache.

        @raise BadDescription: the settings contradict each other.
        """
        self.settings = settings
        self.asking = asking
        self.views: Sequence[str] = ()
        self._replaceable = ReplaceableSource(asking.source)
        self._coalescing = CoalescingSource(DomainLimit(self._replaceable), reactor)
        self.caching = CachedSource(
            self._coalescing,
            reactor,
            store=Store(octets, lifetimes=_lifetimesOf(settings)),
            stale=settings.stale,
            staleWait=settings.staleWait,
            prefetch=settings.prefetch,
        )
        self._log = UpstreamLog()

    def sourceFor(self, settings: Settings) -> IAnswerSource:
        """
        Return what answers with these settings.
        """
        return self.caching if settings.cache else self._coalescing

    def apply(self, settings: Settings, asking: Asking, octets: int, views: Sequence[str]) -> bool:
        """
        Go over to other settings. Look-ups under way are finished.

        @return: whether other bounds of TTLs have emptied the cache.
        """
        before, self.settings = self.settings, settings
        self.views = views
        asking.follow(self.sourceFor(settings))
        if asking is not self.asking:
            self.asking = asking
            self._replaceable.replace(asking.source)
        store = self.caching.store
        store.resize(octets, self.caching.now())
        emptied = before.valuesOf(TTLS) != settings.valuesOf(TTLS)
        if emptied:
            store.lifetimes = _lifetimesOf(settings)
            # What was cached before may outlive the new bounds.
            self.caching.flush()
        self.caching.tune(stale=settings.stale, staleWait=settings.staleWait, prefetch=settings.prefetch)
        # Do not store answers that the cache would never return.
        self._coalescing.learning = self.caching if settings.cache else None
        store.apart = frozenset([domain.lower() for domain in settings.routedDomains()])
        return emptied

    def look(self, now: float) -> None:
        """
        Check for changed servers of C{resolv.conf}, and for what upstreams do.
        """
        if self.asking.system is not None:
            self.asking.system.look()
        views = [view for view in self.views if view] if "" not in self.views else []
        self._log.look(serversOf(self.asking.source), now, views)

    def whenIdle(self, callback: Callable[[], object]) -> None:
        """
        Call C{callback} once no look-up is under way.
        """
        self._coalescing.whenIdle(callback)

    def close(self) -> Deferred[None]:
        return self.caching.close()


@dataclass(slots=True, eq=False)
class _Wanted:
    """
    A backend as new settings want it.

    @ivar views: see L{Backend.views}.
    @ivar backend: what is to go on, or has been made.
    @ivar isNew: whether it has been made for these settings.
    @ivar asking: its sources from then on.
    """

    settings: Settings
    views: list[str]
    backend: Backend | None = None
    isNew: bool = False
    asking: Asking | None = None

    def backendOf(self) -> Backend:
        assert self.backend is not None
        return self.backend


@dataclass(slots=True, eq=False)
class Prepared:
    """
    What new settings want, made and checked. Nothing has changed yet: it has either to be applied or to be discarded.

    @ivar held: keeps a resolver that was made until it is known who uses it.
    """

    wanted: list[_Wanted]
    octets: int
    given: Given | None = None
    recursor: Recursor | None = None
    trusting: Trusting | None = None
    trusted: Trusted | None = None
    held: IAnswerSource | None = None
    byView: dict[str, _Wanted] = field(default_factory=dict)

    def sourceOf(self, view: str) -> IAnswerSource:
        """
        Return what answers the clients of a view, C{""} for those in none.
        """
        wanted = self.byView[view]
        return wanted.backendOf().sourceFor(wanted.settings)

    def discard(self) -> None:
        for each in self.wanted:
            if each.isNew and each.backend is not None:
                each.backend.close()
            elif each.asking is not None and (each.backend is None or each.asking is not each.backend.asking):
                each.asking.source.close()


class Backends:
    """
    The backends of a server. They have nothing in common but the recursive resolver, if there is one: what it knows is which servers zones
    have, and that is the same for all.

    @ivar all: that for clients in no view first.
    @ivar recursor: the recursive resolver, if names are resolved from the root.
    @ivar trusting: what is trusted, if anything is validated.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        listening: ListenAddresses,
        changed: Callable[[], object],
        recursing: Callable[[Given, Recursor | None], Recursor] | None = None,
    ) -> None:
        """
        @param listening: where the server itself listens.
        @param changed: called when earlier answers may be out of date.
        @param recursing: makes the recursive resolver, for tests.
        """
        self._reactor = reactor
        self._listening = listening
        self._changed = changed
        self._recursing = recursing or self._newRecursor
        self._given: Given | None = None
        self.all: Sequence[Backend] = ()
        self._byView: dict[str, Backend] = {}
        # Those that nothing asks any more, while look-ups are under way.
        self._retired: list[Backend] = []
        self.recursor: Recursor | None = None
        self.trusting: Trusting | None = None

    @property
    def common(self) -> Backend:
        """
        The backend for clients in no view.
        """
        return self.all[0]

    def of(self, view: str) -> Backend:
        # A request may outlive the view that it began in.
        return self._byView.get(view, self.common)

    def sourceOf(self, view: str) -> IAnswerSource | None:
        """
        Return what answers the clients of a view; L{None} if there is no such view.
        """
        backend = self._byView.get(view)
        return None if backend is None else backend.sourceFor(backend.settings)

    def _newRecursor(self, given: Given, former: Recursor | None) -> Recursor:
        from twisted_ext.server.sources.recursor import Recursor

        return Recursor(self._reactor, given, self._listening, former)

    # -- going over to other settings

    def prepare(self, settings: Settings, views: Sequence[tuple[str, Settings]] = ()) -> Prepared:
        """
        Make what settings want that is not there already.

        @param views: the names and the settings of views.

        @raise BadDescription: they cannot be used. Nothing has changed then.
        """
        found = {backendKey(settings): _Wanted(settings, [""])}
        byView = {"": found[backendKey(settings)]}
        for name, own in views:
            byView[name] = wanted = found.setdefault(backendKey(own), _Wanted(own, []))
            wanted.views.append(name)
        count = len(found)
        octets = settings.cacheSize // count
        if count > 1 and settings.cache and octets < _LEAST_OCTETS:
            raise BadDescription(
                f"views ask {count} different sets of servers, each with a cache of its own, and cache-size leaves less than 1M for each; "
                f"write cache-size = {count}M or more"
            )
        prepared = Prepared([*found.values()], octets, byView=byView)
        self._match(prepared.wanted)
        try:
            self._prepareTrust(prepared, settings)
            for each in prepared.wanted:
                try:
                    self._prepareOne(prepared, each)
                except BadDescription as error:
                    if not each.views[0]:
                        raise
                    raise BadDescription(f"view {each.views[0]}: {error}") from None
        except BaseException:
            prepared.discard()
            raise
        finally:
            if prepared.held is not None:
                prepared.held.close()
        return prepared

    def _match(self, wanted: Sequence[_Wanted]) -> None:
        """
        Find which backends go on: those that are wanted as they are; and that for clients in no view, so that its cache survives a change
        of its upstreams. Not if a view used it that does not from now on: its queries under way would get answers from the new upstreams.
        """
        former = {backendKey(each.settings): each for each in self.all}
        for each in wanted:
            each.backend = former.pop(backendKey(each.settings), None)
        if wanted[0].backend is None and self.all and self.common in former.values():
            if not {view for each in wanted[1:] for view in each.views}.intersection(self.common.views):
                wanted[0].backend = self.common

    def _prepareTrust(self, prepared: Prepared, settings: Settings) -> None:
        # The files may have changed although the settings have not.
        given = _givenIn(settings) if any(each.settings.recursive for each in prepared.wanted) else None
        prepared.given, prepared.recursor = given, self.recursor if given is not None else None
        if given is not None and (self.recursor is None or not self.recursor.isBuiltFor(given)):
            prepared.recursor = self._recursing(given, self.recursor)
            prepared.held = prepared.recursor.lend()
        if any(each.settings.recursive and each.settings.isValidating for each in prepared.wanted):
            # Imported for those that validate only: it takes a tenth of a second.
            from twisted_ext.server.sources.trusting import Trusting

            recursor = prepared.recursor if settings.validate else None
            former = self.trusting
            if former is not None and former.recursor is recursor:
                prepared.trusting, prepared.trusted = former, former.read(settings)
            else:
                prepared.trusting = Trusting(settings, recursor, former)

    def _prepareOne(self, prepared: Prepared, wanted: _Wanted) -> None:
        _lifetimesOf(wanted.settings)
        backend = wanted.backend
        goesOn = backend is not None and prepared.recursor is self.recursor
        if goesOn and backend is not None and backend.settings.valuesOf(ASKING) == wanted.settings.valuesOf(ASKING):
            wanted.asking = backend.asking
            return
        wanted.asking = askingFor(self._reactor, wanted.settings, self._listening, lambda: self._moved(wanted), prepared.recursor)
        if backend is None:
            wanted.backend, wanted.isNew = Backend(self._reactor, wanted.settings, wanted.asking, prepared.octets), True

    def apply(self, prepared: Prepared) -> None:
        """
        Put what was prepared into force.
        """
        former, recursor = self.all, self.recursor
        before, after = self._given, prepared.given
        isRebuilt = recursor is not None and prepared.recursor is not None and recursor is not prepared.recursor
        self._given, self.recursor = after, prepared.recursor
        changed = False
        if before is not None and after is not None and recursor is not None and not isRebuilt:
            changed = recursor.apply(after)
        self.all = [each.backendOf() for each in prepared.wanted]
        self._byView = {name: each.backendOf() for name, each in prepared.byView.items()}
        for each in prepared.wanted:
            assert each.asking is not None
            each.backendOf().apply(each.settings, each.asking, prepared.octets, each.views)
        wasTrusting, self.trusting = self.trusting, prepared.trusting
        if self.trusting is not None:
            self.trusting.cover([upstream for each in self.all for upstream in each.asking.upstreams])
            if self.trusting is wasTrusting and self.trusting.apply(prepared.trusted, changed):
                changed = True
        if changed or isRebuilt:
            for backend in self.all:
                backend.caching.flush()
        kept = set(map(id, self.all))
        for backend in former:
            if id(backend) not in kept:
                self._retired.append(backend)
                backend.whenIdle(partial(self._end, backend))

    def _end(self, backend: Backend) -> None:
        self._retired.remove(backend)
        backend.close()

    def _moved(self, wanted: _Wanted) -> None:
        # The answers of one network's servers may not hold in the next network.
        wanted.backendOf().caching.flush()
        self._changed()

    # -- what changes by itself, and what operators change

    def look(self) -> None:
        for name in () if self.trusting is None else self.trusting.ended():
            self.flush(name, True)
            self._changed()
        now = self._reactor.seconds()
        for each in self.all:
            each.look(now)

    def flush(self, name: bytes | None = None, subtree: bool = False) -> int:
        """
        Forget what is known of a name, or of all names for L{None}.

        @return: how many answers were in the caches.
        """
        count = sum([each.caching.flush(name, subtree) for each in self.all])
        if self.recursor is not None:
            self.recursor.forget(name, subtree)
        if self.trusting is not None:
            self.trusting.forget(name, subtree)
        return count

    def validates(self, name: bytes) -> Deferred[bool]:
        """
        See L{Trusting.validates}; for the clients of all views.
        """
        if self.trusting is None:
            return succeed(False)
        sources = [each.asking.sourceOf(name) for each in self.all]
        return Deferred.fromCoroutine(self.trusting.validates(name, sources))

    def sources(self) -> Iterator[IAnswerSource]:
        for each in self.all:
            yield each.sourceFor(each.settings)

    def close(self) -> Deferred[None]:
        return closeAll([each.caching for each in (*self.all, *self._retired)])


def _givenIn(settings: Settings) -> Given | None:
    if settings.role != "recurse":
        return None
    # Imported for this role only: it takes a tenth of a second.
    from twisted_ext.server.sources.recursor import readGiven

    return readGiven(settings)
