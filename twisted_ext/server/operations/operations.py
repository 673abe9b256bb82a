"""
What a running server offers to its control socket, status page and manhole, whether it is one process or several.

Load balancers, and scripts that start one server after the other, ask whether it is ready before they send clients there.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from twisted_ext._compiled import isCompiled
from twisted_ext._version import __version__
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.history import History
from twisted_ext.server.features.order import declaredFigures
from twisted_ext.server.limits import CONTROL_SHOWN
from twisted_ext.server.operations.table import verbAt
from twisted_ext.server.zones.load.zonefacts import factsOf
from twisted_ext.server.zones.table.zonetable import LOADING, SERVING, variantText
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_ext.cache.dump import LoadResult
    from twisted_ext.metrics.figures import JSON, Figures, ZoneFigures
    from twisted_ext.server.config.addedvalues import AddedValue
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.base.verb import Verb
    from twisted_ext.server.features.built import Keepers
    from twisted_ext.server.listeners.tls.encryption import Encryption
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.load.zonesets import ZoneSets
    from twisted_ext.server.zones.table.zonetable import Place

__all__ = [
    "CHECKS", "Operations", "areSilent", "checksIn", "commonOf", "heldReasons", "readiness", "unsignedReasons", "upstreamReasons",
    "workerReasons", "zoneReasons",
]  # fmt: skip

_T = TypeVar("_T")

#: What may be looked at.
CHECKS: Final = ("zones", "held", "signed", "upstreams", "workers")


def checksIn(text: str, default: Collection[str]) -> Collection[str]:
    """
    Return what is to be looked at.

    @param text: words with commas between them; C{""} for the default.

    @raise CallerFault: there is no such word.
    """
    words = [each.strip() for each in text.split(",")] if text else list(default)
    for word in words:
        if word not in CHECKS:
            raise CallerFault(f"{word!r} is nothing to look at; there are {', '.join(CHECKS)}")
    return words


def zoneReasons(counts: Mapping[str, int]) -> list[str]:
    """
    Return why a server is not ready because of its zones. A zone that is broken is so on all servers, and one that has expired was given up
    by its primaries: neither is a reason to ask none of them, unless nothing else can be served.

    @param counts: see L{countsOf<twisted_ext.server.zones.table.zonetable.countsOf>}.
    """
    every, loading = counts["all"], counts.get(LOADING, 0)
    if loading:
        return [f"{loading} of {_counted(every, 'zone')} {'is' if loading == 1 else 'are'} being loaded"]
    return [f"none of {_counted(every, 'zone')} can be served"] if every and not counts[SERVING] else []


def heldReasons(counts: Mapping[str, int]) -> list[str]:
    """
    Return why a server is not ready because versions of zones wait, for operators who have asked for that: another server may have them.
    """
    held = counts["held"]
    return [f"the next version of {held} of {_counted(counts['all'], 'zone')} waits, as it has lost much"] if held else []


def unsignedReasons(counts: Mapping[str, int]) -> list[str]:
    """
    Return why a server is not ready because of zones without the signatures that they are to have, for operators who have asked for that.
    """
    bare = counts["unsigned"]
    return [f"{bare} of {_counted(counts['all'], 'zone')} {'has' if bare == 1 else 'have'} no signatures yet"] if bare else []


#: What is looked at of zones.
_OF_ZONES: Final[dict[str, Callable[[Mapping[str, int]], list[str]]]] = {
    "zones": zoneReasons,
    "held": heldReasons,
    "signed": unsignedReasons,
}


def areSilent(upstreams: Sequence[Mapping[str, JSON]]) -> bool:
    """
    Return whether there are upstreams, and none of them replies. Authoritative servers are none.

    @param upstreams: see L{upstreamsOf<twisted_ext.server.sources.upstreamfigures.upstreamsOf>}.
    """
    asked = [each for each in upstreams if not str(each.get("way")).startswith("authority")]
    return bool(asked) and not any(each.get("up") for each in asked)


def upstreamReasons(upstreams: Sequence[Mapping[str, JSON]]) -> list[str]:
    return [f"none of {_counted(len(upstreams), 'upstream')} replies"] if areSilent(upstreams) else []


def workerReasons(serving: int, every: int) -> list[str]:
    """
    Return why a server is not ready because of its workers. The system goes on giving queries to one that has ended, until another one
    replaces it.
    """
    missing = every - serving
    return [f"{missing} of {_counted(every, 'worker')} {'does' if missing == 1 else 'do'} not answer"] if missing else []


def readiness(reasons: Sequence[str]) -> dict[str, JSON]:
    """
    Return the answer: C{ready}, C{reasons}; and C{said} and C{failed} for C{txdns control}.
    """
    said: list[JSON] = [f"not ready: {each}" for each in reasons] or ["ready"]
    return {"ready": not reasons, "reasons": [*reasons], "said": said, "failed": bool(reasons)}


def commonOf(said: Sequence[JSON]) -> list[str]:
    """
    Return the reasons that all workers give: an upstream that one of them has heard of works.
    """
    found = [each["reasons"] for each in said if isinstance(each, dict)]
    several = [[str(reason) for reason in reasons] for reasons in found if isinstance(reasons, list)]
    return [reason for reason in several[0] if all(reason in others for others in several)] if several else []


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Operations(Service):
    """
    The operations of a server. What is asked of the processes that answer queries is left to subclasses.

    @ivar zoneSets: the zones; L{None} where there are none, or where another process has them.
    @ivar keepers: the halves of features that a server has once, if this process has them.
    @ivar encryption: the certificates of encrypted listeners; L{None} without any.
    @ivar alterSettings: changes settings while the server runs; L{None} where they cannot be changed.
    @ivar history: the recent figures.
    @ivar started: in seconds since 1970.
    """

    def __init__(
        self, today: Callable[[], float], zoneSets: ZoneSets | None, keepers: Keepers | None, encryption: Encryption | None
    ) -> None:
        self.zoneSets = zoneSets
        self.keepers = keepers
        self.encryption = encryption
        self.alterSettings: Callable[[Iterable[AddedValue]], Deferred[list[AddedValue]]] | None = None
        self.history = History(today)
        self.started = today()
        self._today = today

    # -- what there is

    def facts(self) -> dict[str, JSON]:
        """
        Return what only the processes of this server know of themselves, by key.
        """
        raise NotImplementedError

    def status(self) -> Deferred[dict[str, JSON]]:
        """
        Return facts about this server: version, process ID, listening addresses.
        """
        zones: dict[str, JSON] = {"zones": {**self.zoneSets.counts()}} if self.zoneSets else {}
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
                "perSecond": round(self.history.perSecond(), 1),
            }
            | self.facts()
        )

    def figures(self) -> Deferred[Figures]:
        raise NotImplementedError

    def ownNumbers(self) -> dict[str, float]:
        """
        Return the numbers for the statistics that a server has once.
        """
        numbers: dict[str, float] = {} if self.zoneSets is None else {**self.zoneSets.figures()}
        if self.keepers is not None:
            numbers.update(self.keepers.figures())
        if self.encryption is not None:
            numbers.update(self.encryption.figures())
        return numbers

    def samples(self) -> dict[str, dict[str, float]]:
        """
        Return the numbers of features that have a label: by the key of the figure, and the value of the label.
        """
        return {} if self.keepers is None else self.keepers.samples()

    def stats(self) -> Deferred[dict[str, JSON]]:
        """
        Return the figures, with what the numbers of features are called, which C{txdns control} does not know.
        """
        words: dict[str, JSON] = {each.key: each.words for each in declaredFigures() if each.words}
        return self.figures().addCallback(lambda figures: {**figures.toJSON(), "words": words})

    def zoneMetrics(self) -> list[ZoneFigures]:
        """
        Return the metrics of each zone; none if there are too many.
        """
        return [] if self.zoneSets is None else self.zoneSets.metrics(self.inForce.zoneMetrics)

    def queries(self, after: int) -> Deferred[dict[str, JSON]]:
        """
        Return the latest queries, and collect them for some more seconds.

        @param after: the number of the last one that the caller knows; 0 for none.

        @return: C{shown}, whether queries are shown at all; C{queries}, C{next} and C{skipped}, see L{LiveQueries.after}.
        """
        raise NotImplementedError

    # -- health

    @property
    def alive(self) -> bool:
        """
        Whether a process answers queries.
        """
        return bool(self.running)

    def ready(self, checks: str = "") -> Deferred[dict[str, JSON]]:
        """
        Tell whether this server should get queries.

        @param checks: what to look at, of L{CHECKS}, with commas; by default what the settings
            say.

        @return: see L{readiness<twisted_ext.server.operations.operations.readiness>}.
        """
        wanted = checksIn(checks, self.inForce.ready)
        reasons = [] if self.running else ["the server is starting or stopping"]
        counts = {} if self.zoneSets is None else self.zoneSets.counts()
        if counts:
            reasons += [why for check, whyOf in _OF_ZONES.items() if check in wanted for why in whyOf(counts)]
        return self.reasons(wanted).addCallback(lambda more: readiness([*reasons, *more]))

    @property
    def inForce(self) -> Settings:
        """
        The settings in force.
        """
        raise NotImplementedError

    def reasons(self, wanted: Collection[str]) -> Deferred[list[str]]:
        """
        Return why processes that answer queries are not ready.

        @param wanted: what to look at.
        """
        raise NotImplementedError

    # -- zones

    def served(self, name: str, broken: bool, begin: int | None) -> dict[str, JSON]:
        """
        Describe zones.

        @param name: this zone only; C{""} for all.
        @param broken: only those with problems.
        @param begin: how many to skip, for a list in several parts; L{None} for the first part only, where zones with problems come first.

        @return: C{zones}, each with C{zone}, C{state}, C{serial}, C{records}, C{file}, and C{said} if it has problems, and for one that is
            named what L{factsOf<twisted_ext.server.zones.load.zonefacts.factsOf>} returns; C{count}, the number of zones
            selected; C{more}, the number of these after the last one returned.
        """
        zoneSets, skipped = self.zoneSets, begin or 0
        places: list[Place] = []
        if zoneSets is not None and name:
            zoneSet, apex = zoneSets.named(name)
            place = zoneSet.zones.at(apex)
            places = [] if place is None else [place]
        elif zoneSets is not None:
            places = list(zoneSets.places())
            if broken:
                places = [place for place in places if _isWrong(place)]
            elif begin is None:
                places.sort(key=_isWrong, reverse=True)
        shown = places[skipped : skipped + int(CONTROL_SHOWN.default)]
        described: list[JSON] = [place.toJSON() for place in shown]
        if name and zoneSets is not None:
            described = [{**place.toJSON(), **factsOf(zoneSets.setOf(place), place.apex)} for place in shown]
        return {"zones": described, "count": len(places), "more": max(len(places) - skipped - len(shown), 0)}

    def reloadZone(self, name: str, *, accept: bool = False) -> Deferred[dict[str, JSON]]:
        """
        Load a zone again.

        @param accept: whether to take it although it has lost much.

        @return: C{said}, lines that describe the result, and C{failed}. Fails with a L{CallerFault} if there is no such zone, or no version
            to accept.
        """
        zoneSet, apex = self._zoneAt(name)

        def done(lines: list[str]) -> dict[str, JSON]:
            place = zoneSet.zones.at(apex)
            said = {} if place is None else place.toJSON()
            return {"said": [*lines], "failed": bool(said.get("file") and said.get("said"))}

        return (zoneSet.acceptZone if accept else zoneSet.reloadZone)(apex).addCallback(done)

    def addZone(self, name: str, primary: str) -> Deferred[dict[str, JSON]]:
        """
        Add a zone, a secondary one if a primary is given.

        @return: C{said}, lines that describe the result. Fails with a L{CallerFault} if it cannot be added.
        """
        zoneSet, apex = self._zoneAt(name)
        from twisted_ext.server.zones.load.databases.added import AddedZone

        zone = AddedZone(apex, {"primaries": [primary]} if primary else {}, {})
        added = zoneSet.added
        adding = added.add(zone, () if primary else [added.soaOf(zone.name, 1)])
        return adding.addCallback(lambda _: {"said": [f"{nameToText(apex)} is added"]})

    def removeZone(self, name: str) -> Deferred[dict[str, JSON]]:
        """
        Remove a zone that was added.

        @return: see L{addZone}.
        """
        zoneSet, apex = self._zoneAt(name)
        return zoneSet.added.remove(apex).addCallback(lambda _: {"said": [f"{nameToText(apex)} is removed"]})

    def freezeZone(self, name: str, isFrozen: bool) -> Deferred[dict[str, JSON]]:
        """
        Refuse changes of a zone, or take them again.

        @return: see L{addZone}.
        """
        zoneSet, apex = self._zoneAt(name)
        zoneSet.edits().freeze(apex, isFrozen)
        return succeed({"said": [f"{variantText(apex, zoneSet.zones.view)} is {'frozen' if isFrozen else 'thawed'}"]})

    def _zoneAt(self, name: str) -> tuple[ZoneSet, bytes]:
        """
        Return the set of zones with a zone, and the folded name of the zone.

        @raise CallerFault: there is no such set.
        """
        if self.zoneSets is None:
            raise CallerFault("this server has no zones")
        return self.zoneSets.named(name)

    # -- doing

    def dump(self, view: str = "") -> Iterator[str]:
        raise NotImplementedError

    def load(self, lines: Iterable[str]) -> Deferred[LoadResult]:
        """
        Load the lines of a L{dump}, skipping those that cannot be used.
        """
        raise NotImplementedError

    def reload(self) -> Deferred[list[str]]:
        """
        Read the settings again.

        @return: lines that describe the result. Fails with a L{CallerFault} if the settings are not valid; the old ones stay in force then.
        """
        raise NotImplementedError

    def alter(self, wanted: Iterable[AddedValue]) -> Deferred[list[AddedValue]]:
        """
        Add values to settings and remove some, see L{AddedSettings.alter<twisted_ext.server.settings.additions.AddedSettings.alter>}.
        """
        if self.alterSettings is None:
            return fail(CallerFault("settings are changed where the whole server is controlled"))
        return self.alterSettings(wanted)

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        """
        Do something between two reloads.
        """
        raise NotImplementedError

    def elsewhere(self, work: Callable[[], _T]) -> Deferred[_T]:
        """
        Do something in a thread.
        """
        raise NotImplementedError

    def goOver(self, settings: Settings) -> Deferred[list[str]]:
        """
        Apply settings that have the same zones; those that take a restart stay as they are.

        @return: lines that describe the result. Fails with a L{CallerFault} if they cannot be used; nothing has changed then.
        """
        raise NotImplementedError

    def applied(self) -> Deferred[list[str]]:
        """
        Wait until the settings that were applied last have their effect in all processes that answer queries.

        @return: fires with lines about what has none yet, such as a list that takes long to read.
        """
        return succeed([]) if self.keepers is None else self.keepers.settled()

    def do(self, path: str, arguments: Mapping[str, str]) -> Deferred[dict[str, JSON]]:
        """
        Execute an operation of L{the table<twisted_ext.server.operations.table>}. Fails with a L{CallerFault} if there is none, if it
        cannot be executed here, or if arguments are missing or not valid.

        @param arguments: by their lower-case names; those that are not given are missing.
        """
        try:
            owner, verb = verbAt(path)
            for name, key in zip(verb.takes, verb.keys, strict=True):
                if not name.startswith("[") and not arguments.get(key):
                    raise CallerFault(f"{name} is missing; write: {verb.usage}")
        except CallerFault:
            return fail()
        if not verb.inParent:
            return self.whereAnswered(owner, verb, arguments)
        return cast("Deferred[dict[str, JSON]]", maybeDeferred(self._run, owner, verb, arguments))

    def _run(self, owner: str, verb: Verb, arguments: Mapping[str, str]) -> object:
        if not owner:
            return verb.execute(self, arguments)
        if self.keepers is None:
            raise CallerFault(f"{' '.join(verb.words)} is executed where the whole server is controlled, not in a worker")
        return self.keepers.run(owner, verb, arguments)

    def whereAnswered(self, owner: str, verb: Verb, arguments: Mapping[str, str]) -> Deferred[dict[str, JSON]]:
        """
        Execute an operation in the processes that answer queries.

        @param owner: the feature that has it; C{""} for one of the server itself.
        """
        raise NotImplementedError


def _isWrong(place: Place) -> bool:
    return bool(place.said) or place.state != SERVING
