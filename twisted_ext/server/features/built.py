"""
The features that are switched on in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from inspect import iscoroutinefunction, isfunction
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, gatherResults

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.packetcache.doors import NO_DOORS
from twisted_ext.server.features import order
from twisted_ext.server.features.views.selectors import Selectors, checkedAddress
from twisted_ext.server.features.views.settings import viewsOf

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource, IQueryObserver
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.packetcache.doors import Doors
    from twisted_ext.packetcache.table import CookieOptions
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.base.feature import Active, Keeper, Part, Site, Stage
    from twisted_ext.server.features.base.offer import Offer
    from twisted_ext.server.features.base.verb import Verb
    from twisted_ext.server.reply.gates import Gate
    from twisted_ext.server.reply.packetcaches import Admit
    from twisted_ext.server.reply.rrl import ResponseRateLimit
    from twisted_ext.server.zones.load.zonesets import ZoneSets

__all__ = ["Features", "Keepers"]

#: What a gate must not return.
_LATER: Final = ("Deferred", "Awaitable", "Coroutine", "Future")


class Features:
    """
    The features that the settings of a site switch on, and those of its views.

    @ivar site: where they are.
    @ivar active: each by its name, in the order in which a query meets them.
    @ivar views: those of each view by its name. What a view has as the site does it shares with it.
    """

    def __init__(self, site: Site, former: Features | None = None, outer: Features | None = None) -> None:
        """
        Make them. They are in force once C{begin} is called; the former ones are until then, and have to be closed after it.

        @param former: those in force.
        @param outer: those of the site, for those of a view.

        @raise twisted_ext.errors.BadDescription: the settings cannot be used. Nothing has changed then.
        """
        self.site = site
        self.active: dict[str, Active] = {}
        self.views: dict[str, Features] = {}
        # Those that nobody else closes.
        self._own: dict[str, Active] = {}
        before = {} if former is None else former._own
        try:
            for feature in order.ORDER:
                if site.settings.role not in feature.roles:
                    continue
                if outer is not None and not feature.differs(site.settings, outer.site.settings):
                    if feature.name in outer.active:
                        self.active[feature.name] = outer.active[feature.name]
                    continue
                made = feature.make(site, before.get(feature.name))
                if made is not None:
                    _expectDecided(feature.name, made)
                    self.active[feature.name] = self._own[feature.name] = made
            for view in () if outer is not None else viewsOf(site.settings):
                ofView = replace(site, settings=view.settings, view=view.name)
                try:
                    self.views[view.name] = Features(ofView, None if former is None else former.views.get(view.name), self)
                except BadDescription as error:
                    raise BadDescription(f"view {view.name}: {error}") from None
        except BaseException:
            self.close(former)
            raise

    def begin(self) -> None:
        for active in self._all():
            active.begin()

    def close(self, heirs: Features | None = None) -> None:
        """
        @param heirs: those which go on with what they share.
        """
        for name, active in self._own.items():
            active.close(None if heirs is None else heirs._own.get(name))
        for name, view in self.views.items():
            view.close(None if heirs is None else heirs.views.get(name))

    def _all(self) -> list[Active]:
        return [*self._own.values(), *[active for view in self.views.values() for active in view._all()]]

    def take(self, name: str, state: JSON) -> None:
        """
        Give the feature of this name what its keeper has published, wherever it is switched on.
        """
        for each in (self, *self.views.values()):
            if name in each._own:
                each._own[name].take(state)

    def takeOver(self, published: Mapping[str, JSON], former: Features) -> None:
        """
        Give features what their keepers have published, if they have no predecessor that has it.
        """
        for name, state in published.items():
            if name in self._own and name not in former._own:
                self._own[name].take(state)
        for name, view in self.views.items():
            view.takeOver(published, former.views.get(name, _NONE))

    def listening(self, offer: Offer | None) -> None:
        for active in self._all():
            active.listening(offer)

    def look(self) -> None:
        for active in self._all():
            active.look()

    def rereads(self) -> list[str]:
        """
        Return what a reload reads again although no setting has changed.
        """
        return list(dict.fromkeys([active.rereads for active in self._all() if active.rereads]))

    def nameOf(self, address: str) -> str:
        """
        Return the name that one of them knows for a client, C{""} for none.
        """
        return next((name for active in self.active.values() if (name := active.nameOf(address))), "")

    def figures(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for active in self._all():
            for key, number in active.figures().items():
                found[key] = found.get(key, 0) + number
        return found

    def run(self, name: str, verb: Verb, arguments: Mapping[str, str]) -> object:
        """
        Execute a command of the feature of this name.

        @raise CallerFault: it is not switched on.
        """
        if verb.ofViews and verb.gather is not None:
            everywhere = [each._own[name] for each in (self, *self.views.values()) if name in each._own]
            return verb.gather([cast("JSON", verb.execute(each, arguments)) for each in everywhere])
        place = self.placeOf(arguments["client"]) if verb.ofClient else self
        asked = [each for key, each in place.active.items() if key == name or verb.path in each.answers]
        if not asked:
            raise CallerFault(f"{name} is not switched on{f' in view {place.site.view}' if place.site.view else ''}")
        if verb.gather is None:
            return verb.execute(asked[0], arguments)
        return verb.gather([cast("JSON", verb.execute(each, arguments)) for each in asked])

    def placeOf(self, address: str) -> Features:
        """
        Return the features of the view that a client is in.

        @raise CallerFault: this is not an address.
        """
        views = viewsOf(self.site.settings)
        number = Selectors([view.clients for view in views]).find(checkedAddress(address))
        return self if number < 0 else self.views[views[number].name]

    # -- what they add

    def admitting(self) -> list[Admit]:
        return [active.admits for active in self.active.values() if active.admits is not None]

    def isPersonal(self, client: str, view: str) -> bool:
        """
        Return whether the replies to a client are for it alone.

        @param client: its address; C{""} for none.
        @param view: the name of the view that it is in; C{""} for none.
        """
        place = self.views.get(view, self)
        return any(active.isPersonal(client) for active in place.active.values())

    def doors(self) -> Doors:
        """
        Return how clients come in, as far as one of them goes by it.
        """
        found = NO_DOORS
        for active in self.active.values():
            if active.doors is not None:
                found = found.beside(active.doors)
        return found

    def requireCookies(self) -> bool:
        """
        Return whether some clients are answered over UDP only with a valid cookie.
        """
        return any(active.requiresCookies for active in self.active.values())

    def isRoundRobin(self) -> bool:
        """
        Return whether addresses take turns.
        """
        return any(active.isRoundRobin for active in self.active.values())

    def cookies(self) -> CookieOptions | None:
        return next((active.cookies for active in self.active.values() if active.cookies is not None), None)

    def limiting(self) -> ResponseRateLimit | None:
        return next((active.limiting for active in self.active.values() if active.limiting is not None), None)

    def gates(self, stage: Stage) -> list[Gate]:
        return [part.gate for part in self._partsAt(stage) if part.gate is not None]

    def observers(self) -> list[IQueryObserver]:
        """
        Return the observers that have something to watch now.
        """
        found = [active.observer() for active in self.active.values()]
        return [each for each in found if each is not None]

    def around(self, source: IAnswerSource, stage: Stage, steps: list[Callable[[], str]]) -> IAnswerSource:
        """
        Return C{source} with the sources of a stage around it.

        @param steps: gets what they say of themselves, the innermost one first.
        """
        for part in reversed(self._partsAt(stage)):
            if part.wrap is not None:
                source = part.wrap(source)
                steps.append(part.says)
        return source

    def differences(self, others: Features) -> list[str]:
        """
        Return what these say of themselves that others do not.
        """
        known = {part.says() for active in others.active.values() for part in active.parts}
        return [said for active in self._own.values() for part in active.parts if (said := part.says()) and said not in known]

    def _partsAt(self, stage: Stage) -> list[Part]:
        return [part for active in self.active.values() for part in active.parts if part.stage is stage]


def _expectDecided(name: str, active: Active) -> None:
    """
    Check that the gates of a feature decide at once: what they return is taken for a refusal, and a request does not wait.

    @raise BadDescription: one says that it decides later.
    """
    for part in active.parts:
        gate: object = part.gate
        call = gate if gate is None or isfunction(gate) else type(gate).__call__
        said = str(getattr(call, "__annotations__", {}).get("return", ""))
        if iscoroutinefunction(call) or any(word in said for word in _LATER):
            active.close(None)
            raise BadDescription(
                f"{name}: its gate decides later, and a gate has to decide at once; a source can wait: wrap one at a later stage"
            )


class _Nothing(Features):
    """
    Stands for the predecessors of a view that is new.
    """

    def __init__(self) -> None:
        self.active, self.views, self._own = {}, {}, {}


_NONE: Final = _Nothing()


class Keepers:
    """
    The halves of all features that a server has once.

    @ivar states: what they have published last, by the names of their features.
    """

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        self.states: dict[str, JSON] = {}
        self._keepers: dict[str, Keeper] = {}
        for feature in order.ORDER:
            keeper = feature.keeper(reactor, settings) if settings.role in feature.roles else None
            if keeper is not None:
                self._keepers[feature.name] = keeper

    def serve(self, sets: ZoneSets) -> None:
        """
        See L{Keeper.serve}.
        """
        for keeper in self._keepers.values():
            keeper.serve(sets)

    def begin(self, publish: Callable[[str, JSON], object]) -> None:
        """
        @param publish: called with the name of a feature and what it is to take in each process that answers; L{None} for nothing any more.
        """
        self._publish = publish
        for name, keeper in self._keepers.items():
            keeper.begin(partial(self._published, name))

    def _published(self, name: str, state: JSON) -> None:
        if state is not None:
            self.states[name] = state
        elif self.states.pop(name, None) is None:
            return
        self._publish(name, state)

    def apply(self, settings: Settings) -> None:
        for keeper in self._keepers.values():
            keeper.apply(settings)

    def settled(self) -> Deferred[list[str]]:
        """
        Wait until what was applied last is published, see L{Keeper.settling}.
        """
        waiting = [each for keeper in self._keepers.values() if (each := keeper.settling()) is not None]
        return gatherResults(waiting).addCallback(lambda found: [line for lines in found for line in lines])

    def look(self) -> None:
        for keeper in self._keepers.values():
            keeper.look()

    def figures(self) -> dict[str, float]:
        return {key: number for keeper in self._keepers.values() for key, number in keeper.figures().items()}

    def samples(self) -> dict[str, dict[str, float]]:
        return {key: labeled for keeper in self._keepers.values() for key, labeled in keeper.samples().items()}

    def facts(self) -> dict[str, JSON]:
        return {key: fact for keeper in self._keepers.values() for key, fact in keeper.facts().items()}

    def run(self, name: str, verb: Verb, arguments: Mapping[str, str]) -> object:
        """
        Execute a command of the keeper of the feature of this name.

        @raise CallerFault: this server has none.
        """
        keeper = self._keepers.get(name)
        if keeper is None:
            feature = next(each for each in order.ORDER if each.name == name)
            needs = feature.needs or f"a server with the role {' or '.join(feature.roles)}"
            raise CallerFault(f"{' '.join(verb.words)} takes {needs}")
        keeper.seen(self.states)
        return verb.execute(keeper, arguments)

    def close(self) -> None:
        for keeper in self._keepers.values():
            keeper.close()
