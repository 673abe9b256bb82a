"""
All zones of a server: those for all clients, and those that views have of their own. Each of these sets has a table, files and services of
its own; what comes in is given to the set of the client's view that has the zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from twisted_ext.errors import CallerFault
from twisted_ext.server.features.views.settings import POLICY_VIEW
from twisted_ext.server.reply.opcodes import EarlyRefusal
from twisted_ext.server.zones.load.validate import checkZones, viewsWithZones, zonesIn
from twisted_ext.server.zones.load.zonefacts import figuresOf, metricsOf
from twisted_ext.server.zones.load.zoneset import ZoneSet
from twisted_ext.server.zones.table.viewzones import ViewZones
from twisted_ext.server.zones.table.zonetable import Place, countsOf, variantIn

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import ZoneFigures
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.reply.opcodes import OpcodeHandler, Outcome
    from twisted_ext.server.reply.requests import Request
    from twisted_ext.server.zones.transfer.transferlimits import TransferLimits
    from twisted_ext.zone.zone import Zone

__all__ = ["ReadZones", "ZoneSets"]

#: Figures that are times, of which the first one counts.
_FIRST: Final = ("zonesSignatureExpiry", "zonesParentAsked")

_log: Final = Logger(__name__)

#: The zones of each view that has some, by its name; those for all clients under C{""}.
ReadZones = dict[str, list["ZoneSettings"]]


class ZoneSets:
    """
    The sets of zones.

    @ivar common: the zones for all clients.
    @ivar views: those of views that have some, by name.
    @ivar handlers: the handlers for requests other than QUERY; empty as long as no set has any.
    @ivar connected: called when there may be other handlers or keys than before.
    @ivar added: called with a set that was made after the start.
    @ivar dropped: called with the name of a view whose set is gone.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        changed: Callable[[], object] = lambda: None,
        fromPython: Callable[[str], Zone] | None = None,
        *,
        worker: bool = False,
    ) -> None:
        """
        @param changed: called when zones have been added or removed.
        @param worker: whether this is a worker process, whose zones the parent manages.
        @param fromPython: makes the zone of a file of Python code.

        @raise BadDescription: see L{ZoneSet}; or a view that a zone names does not exist.
        """
        self._reactor = reactor
        self._changed = changed
        self._worker = worker
        self.handlers: Mapping[int, OpcodeHandler] = {}
        self.connected: Callable[[], object] = lambda: None
        self.added: Callable[[str, ZoneSet], object] = lambda view, zoneSet: None
        self.dropped: Callable[[str], object] = lambda view: None
        self._broken: Callable[[str], object] = lambda said: None
        self._isLevelling = False
        # The sets that are being closed, by the names of their views.
        self._closing: list[tuple[str, Deferred[None]]] = []
        self._settings = settings
        self._limits: TransferLimits | None = None
        self.common = ZoneSet(reactor, settings, changed, fromPython, worker=worker, limits=self._shared)
        self.common.connected = self._connected
        self.views: dict[str, ZoneSet] = {}
        for view in viewsWithZones(settings):
            self._add(view, ZoneSet(reactor, settings, changed, worker=worker, view=view, limits=self._shared))

    def _shared(self) -> TransferLimits:
        # Loaded where zones are transferred only.
        from twisted_ext.server.zones.transfer.transferlimits import TransferLimits

        self._limits = self._limits or TransferLimits(self._settings)
        return self._limits

    def _add(self, view: str, zoneSet: ZoneSet) -> None:
        zoneSet.connected = self._connected
        zoneSet.broken = self._broken
        self.views[view] = zoneSet

    @property
    def all(self) -> list[ZoneSet]:
        return [self.common, *self.views.values()]

    @property
    def any(self) -> bool:
        return any(each.any for each in self.all)

    @property
    def useless(self) -> Callable[[str], object]:
        """
        Called with a message if none of the initial zones can be served. With zones of views the others may be of use.
        """
        return self.common.useless

    @useless.setter
    def useless(self, useless: Callable[[str], object]) -> None:
        self.common.useless = lambda said: None if self.views else useless(said)

    @property
    def broken(self) -> Callable[[str], object]:
        """
        Called with a message if this process cannot safely continue.
        """
        return self._broken

    @broken.setter
    def broken(self, broken: Callable[[str], object]) -> None:
        self._broken = broken
        for each in self.all:
            each.broken = broken

    @property
    def keys(self) -> Keys | None:
        """
        The TSIG keys; L{None} if none are used.
        """
        return next((each.keys for each in self.all if each.keys is not None), None)

    def of(self, view: str) -> ZoneSet | None:
        """
        Return the set of a view, C{""} for all clients; L{None} if it has none of its own.
        """
        return self.views.get(view) if view else self.common

    def named(self, text: str) -> tuple[ZoneSet, bytes]:
        """
        Return the set with a zone, and its folded name.

        @param text: its name; of a zone of a view, C{corp.example..partners}.

        @raise CallerFault: there is no such view, or it has no zones of its own.
        """
        apex, view = variantIn(text)
        found = self.of(view)
        if found is None:
            raise CallerFault(f"no view {view[:80]} has zones of its own here")
        return found, apex

    def at(self, text: str) -> Place | None:
        """
        Return a zone by its name as L{named} takes it; L{None} if there is none.
        """
        apex, view = variantIn(text)
        found = self.of(view)
        return None if found is None else found.zones.at(apex)

    def setOf(self, place: Place) -> ZoneSet:
        """
        Return the set that a zone is in.
        """
        return self.views[place.view] if place.view else self.common

    def places(self) -> Iterator[Place]:
        """
        Return all zones.
        """
        for each in self.all:
            yield from each.zones

    def __len__(self) -> int:
        return sum([len(each.zones) for each in self.all])

    # -- starting, reloading and stopping

    def begin(self) -> None:
        """
        See L{ZoneSet.begin}.
        """
        for each in self.all:
            each.begin()
        self._level()

    def read(self, settings: Settings) -> Deferred[ReadZones]:
        """
        Read the zones, in short turns if there are many, as an operator has asked for it.

        @return: fails with L{BadDescription} if the settings cannot be used.
        """
        found: ReadZones = {}
        reading = self.common.list.read(settings, accept=True)

        def rest(zones: list[ZoneSettings]) -> ReadZones:
            found[""] = zones
            # There are few, and all are in the settings.
            for view in viewsWithZones(settings):
                found[view] = zonesIn(settings, view=view)
            return found

        return reading.addCallback(rest)

    def check(self, settings: Settings, zones: ReadZones) -> None:
        """
        @param zones: the result of L{read}.

        @raise BadDescription: they cannot be used.
        """
        self.common.list.check(settings, zones[""])
        for view in zones:
            if view:
                checkZones(settings, zones[view])

    def variantsFor(self, settings: Settings) -> dict[str, ViewZones]:
        """
        Return what clients of views with zones of their own are answered from with these settings, by the names of the views. A view that
        gets its first zones has an empty set until L{reload}.

        @raise BadDescription: there is no such view.
        """
        found = viewsWithZones(settings)
        for view in found:
            if view in self.views:
                continue
            made = ZoneSet(
                self._reactor, settings, self._changed, worker=self._worker, view=view, limits=self._shared, isNew=True
            )
            self._add(view, made)
            self.added(view, made)
        return {view: ViewZones(self.views[view].zones, self.common.zones, fallbacks) for view, fallbacks in found.items()}

    def settle(self, settings: Settings) -> None:
        """
        End the sets of views that have no zones any more.
        """
        wanted = viewsWithZones(settings)
        for view in [view for view in self.views if view not in wanted]:
            gone = self.views.pop(view)
            closing = gone.close().addErrback(lambda failure: _log.failure("while the zones of a view end", failure))
            self._closing.append((view, closing))
            closing.addCallback(self._closed, (view, closing))
            self.dropped(view)

    def _closed(self, result: object, closed: tuple[str, Deferred[None]]) -> None:
        if closed in self._closing:
            self._closing.remove(closed)

    def reload(self, settings: Settings, zones: ReadZones) -> Deferred[list[str]]:
        """
        See L{ZoneSet.reload}.
        """
        self.variantsFor(settings)
        self.settle(settings)
        # A view that gets zones again right after it has lost them has the folder that the former ones still write to.
        closing = [each for view, each in self._closing if view in self.views]
        return gatherResults(closing, consumeErrors=True).addCallback(lambda _: self._reload(settings, zones))

    def _reload(self, settings: Settings, zones: ReadZones) -> Deferred[list[str]]:
        reloading = [self.common.reload(settings, zones[""])]
        reloading += [each.reload(settings, zones[view]) for view, each in self.views.items()]
        self._level()

        def done(lists: list[list[str]]) -> list[str]:
            return [line for lines in lists for line in lines]

        return gatherResults(reloading, consumeErrors=True).addCallback(done)

    def rekey(self) -> Deferred[list[str]]:
        """
        See L{ZoneSet.rekey}. If one set cannot do with the keys, others may have them already: have the former ones read again.
        """

        async def rekeyed() -> list[str]:
            return [line for each in self.all for line in await each.rekey()]

        return Deferred.fromCoroutine(rekeyed())

    def close(self) -> Deferred[None]:
        """
        @return: fires when everything is stopped.
        """
        closing = [each.close() for each in self.all]
        return gatherResults([*closing, *[each for _, each in self._closing]], consumeErrors=True).addCallback(lambda _: None)

    # -- requests other than QUERY

    def _connected(self) -> None:
        self._level()
        self.connected()

    def _level(self) -> None:
        """
        Once one set has handlers, all have: a set without them would leave its zones to others.
        """
        if self._isLevelling or self._worker:
            return
        if any(each.handlers for each in self.all):
            self._isLevelling = True
            try:
                for each in self.all:
                    each.connect()
            finally:
                self._isLevelling = False
            keys = dict.fromkeys([key for each in self.all for key in each.handlers])
            self.handlers = self.common.handlers if not self.views else {key: _ByView(self, key) for key in keys}

    def passOn(self, handlers: Mapping[int, OpcodeHandler], keys: Keys) -> None:
        """
        In a worker: use these handlers and keys from now on, which pass requests on to the parent.
        """
        self.handlers, self.common.keys = handlers, keys

    def answering(self, request: Request) -> ZoneSet:
        """
        Return the set that answers for the zone that a request names: that of the client's view if it has the zone, otherwise that for
        all. A zone of rules is that of all clients if no other has its name.
        """
        view, apex = request.record.group.view, request.question.name.lower()
        own = None if view is None else self.views.get(view.shown)
        if own is not None and own.zones.at(apex) is not None:
            return own
        policies = self.views.get(POLICY_VIEW)
        return self.common if policies is None or self.common.zones.at(apex) is not None or policies.zones.at(apex) is None else policies

    def isHopeless(self, key: int, request: Request, signed: bool) -> bool:
        """
        See L{EarlyRefusal}. Which view a client is in may depend on its key, which has not been checked yet.
        """
        apex = request.question.name.lower()
        possible = {self.answering(request)}
        if signed:
            possible |= {self.common, *[each for each in self.views.values() if each.zones.at(apex) is not None]}
        return all(_isHopeless(each.handlers[key], request, signed) for each in possible)

    def expiring(self, request: Request) -> float | None:
        """
        Return the seconds for which the zone of a query may be served (RFC 7314).
        """
        return self.answering(request).expiring(request.question.name.lower())

    # -- figures

    def figures(self) -> dict[str, float]:
        """
        Return numbers for L{Figures<twisted_ext.metrics.figures.Figures>}; none without zones.
        """
        found: dict[str, float] = {}
        for each in self.all:
            for name, number in figuresOf(each).items():
                known = found.get(name)
                found[name] = number if known is None else min(known, number) if name in _FIRST else known + number
        return found

    def counts(self) -> dict[str, int]:
        """
        Return what L{countsOf} does, of all sets.
        """
        found: dict[str, int] = {}
        for each in self.all:
            for name, count in countsOf(each.zones).items():
                found[name] = found.get(name, 0) + count
        return found

    def metrics(self, most: int) -> list[ZoneFigures]:
        """
        Return the metrics of each zone; none if there are more than C{most}.
        """
        return [] if len(self) > most else [figures for each in self.all for figures in metricsOf(each)]


class _ByView:
    """
    Has the set of a client's view handle its requests.
    """

    def __init__(self, sets: ZoneSets, key: int) -> None:
        self._sets = sets
        self._key = key

    def __call__(self, request: Request) -> Outcome:
        return self._sets.answering(request).handlers[self._key](request)

    def isHopeless(self, request: Request, signed: bool) -> bool:
        return self._sets.isHopeless(self._key, request, signed)


def _isHopeless(handler: OpcodeHandler, request: Request, signed: bool) -> bool:
    foreseeing: object = handler
    return isinstance(foreseeing, EarlyRefusal) and foreseeing.isHopeless(request, signed)
