"""
The interface of features: what each declares, and what it adds to the path of a query.

Modules of this folder, and the module C{feature} of each feature, are imported wherever settings are read. So they import little; what a
feature does is imported when it is switched on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from time import time
from typing import TYPE_CHECKING, ClassVar, Final

from twisted_ext.server.config.setting import DECLARED, Section
from twisted_ext.server.config.types import SECRET_OCTETS

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.answers import Answer
    from twisted_ext.hooks.functions import Hook
    from twisted_ext.interfaces import IAnswerSource, IQueryObserver
    from twisted_ext.metrics.figure import Figure
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.packetcache.doors import Doors
    from twisted_ext.packetcache.table import CookieOptions
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.base.offer import Offer
    from twisted_ext.server.features.base.verb import Verb
    from twisted_ext.server.reply.gates import Gate
    from twisted_ext.server.reply.packetcaches import Admit
    from twisted_ext.server.reply.rrl import ResponseRateLimit
    from twisted_ext.server.zones.load.zonesets import ZoneSets
    from twisted_ext.server.zones.table.viewzones import ViewZones
    from twisted_ext.server.zones.table.zonetable import Zones

__all__ = ["ROUTES", "SERVERS", "Active", "Feature", "Keeper", "Part", "Site", "Stage"]

#: The settings that L{Settings.routedDomains<twisted_ext.server.config.settings.Settings.routedDomains>} goes by.
ROUTES: Final = ("route", "stub")

#: The settings that C{Site.inside} goes by.
SERVERS: Final = ("recursive", "upstream")


class Stage(IntEnum):
    """
    Where a part of a feature stands on the path of a query.

    @cvar ENTRY: a gate that looks at the client only; the message has not been checked yet.
    @cvar PROOF: a gate for well-formed messages, whose signatures have not been verified yet.
    @cvar LAST: a gate for queries that could be looked up.
    @cvar OUTER: a source around all others but the zones that are served here.
    @cvar LOCAL: a source around those that answer what is known here, and all behind them.
    @cvar UPSTREAM: a source around the cache.
    @cvar CACHE: one behind all others, next to the cache.
    """

    ENTRY = 0
    PROOF = 1
    LAST = 2
    OUTER = 3
    LOCAL = 4
    UPSTREAM = 5
    CACHE = 6


@dataclass(slots=True, eq=False)
class Part:
    """
    What a feature adds at one stage: a gate, or a source around another one.

    @ivar says: returns the line for it of C{--show-path}; C{""} for none. Gates have their names there.
    @ivar gate: see L{twisted_ext.server.reply.gates}; L{None} for a source.
    @ivar wrap: returns a source that asks the given one; L{None} for a gate.
    """

    stage: Stage
    says: Callable[[], str] = str
    gate: Gate | None = None
    wrap: Callable[[IAnswerSource], IAnswerSource] | None = None


def _never() -> Deferred[bool]:
    from twisted.internet.defer import succeed

    return succeed(False)


@dataclass(slots=True, eq=False)
class Site:
    """
    Where a feature is switched on: one process that answers queries.

    @ivar settings: those that are to be in force.
    @ivar changed: to be called when earlier replies may be out of date.
    @ivar readmit: to be called when it may be decided otherwise of clients than before.
    @ivar forget: to be called with the address of a client of which it may be decided otherwise than before.
    @ivar sourceOf: returns what the clients of a view are answered by; L{None} if there is no such view.
    @ivar upstreamOf: returns what is asked for the clients of a view behind all of this, with its cache; L{None} if there is no such view.
    @ivar observing: to be called when an observer has something to watch from now on, or no longer.
    @ivar suspend: to be called with a folded name below which nothing is validated until a time in seconds since 1970, or L{None} for no
        longer.
    @ivar validates: returns whether a folded name would be validated without negative trust anchors, by what its servers say now.
    @ivar servers: returns the authoritative servers of the zones that a folded name is in, and that which has sent an answer, if there is
        one: their names and their addresses; none unless names are resolved from the root.
    @ivar today: returns the seconds since 1970.
    @ivar zones: the zones that every client may query; L{None} if there can be none.
    @ivar variants: for views with zones of their own, what their clients are answered from, by the names of the views.
    @ivar secret: 16 octets that nobody else knows.
    @ivar cookieSecrets: those for cookies that other servers have too, if there are any.
    @ivar view: the name of the view whose settings these are; C{""} for those of all who are in none.
    @ivar hooks: those that an application adds to what the settings have.
    @ivar inside: returns whether, for the clients of a view, names without a route go to a server in a private network, or to a source that
        has no server address; takes its name.
    """

    reactor: IReactorTime
    settings: Settings
    changed: Callable[[], object] = lambda: None
    readmit: Callable[[], object] = lambda: None
    observing: Callable[[], object] = lambda: None
    inside: Callable[[str], bool] = lambda view: False
    suspend: Callable[[bytes, int | None], object] = lambda name, until: None
    servers: Callable[[bytes, Answer | None], tuple[Sequence[bytes], Sequence[bytes]]] = lambda name, answer: ((), ())
    today: Callable[[], float] = time
    zones: Zones | None = None
    variants: Mapping[str, ViewZones] = field(default_factory=dict)
    secret: bytes = field(default_factory=lambda: os.urandom(SECRET_OCTETS))
    cookieSecrets: tuple[bytes, ...] = ()
    view: str = ""
    hooks: Sequence[Hook] = ()
    forget: Callable[[str], object] = lambda client: None
    validates: Callable[[bytes], Deferred[bool]] = lambda name: _never()
    sourceOf: Callable[[str], IAnswerSource | None] = lambda view: None
    upstreamOf: Callable[[str], IAnswerSource | None] = lambda view: None


class Active:
    """
    A feature that is switched on. Each reload makes a new one.

    @ivar parts: what it adds to the path of a query, at each stage from the outermost to the innermost.
    @ivar admits: decides something of each client that was not seen lately; L{None} for nothing.
    @ivar doors: how clients come in, as far as C{admits} goes by it; L{None} if it does not.
    @ivar requiresCookies: whether it wants a valid cookie of some clients.
    @ivar cookies: the cookies in replies that the packet cache repeats; L{None} for none.
    @ivar limiting: limits replies; L{None} for no limit.
    @ivar isRoundRobin: whether the addresses of replies that the packet cache repeats take turns.
    @ivar answers: the paths of operations of several features that it has a part in, see L{Verb.gather}.
    @ivar rereads: what a reload reads again although no setting has changed, such as C{"block lists"}; C{""} for nothing.
    """

    parts: tuple[Part, ...] = ()
    admits: Admit | None = None
    doors: Doors | None = None
    requiresCookies: bool = False
    cookies: CookieOptions | None = None
    limiting: ResponseRateLimit | None = None
    isRoundRobin: bool = False
    answers: tuple[str, ...] = ()
    rereads: str = ""

    def observer(self) -> IQueryObserver | None:
        """
        Return what is to be told of queries; L{None} while there is nothing to watch.
        """
        return None

    def isPersonal(self, client: str) -> bool:
        """
        Return whether the replies to a client of its view are for it alone, so that the packet cache does not repeat them to others.

        @param client: its address; C{""} for none.
        """
        return False

    def begin(self) -> None:
        """
        Begin, once all features are made and can be used. Only from here on may it change what it took from its predecessor.
        """

    def figures(self) -> dict[str, float]:
        """
        Return its numbers for the statistics, by their keys; they are added up over workers.
        """
        return {}

    def take(self, state: JSON) -> None:
        """
        Take what its keeper has published: after C{begin} if there is something already, and whenever it changes. A successor has
        to get it from its predecessor.

        @param state: L{None} if there is nothing any more.
        """

    def listening(self, offer: Offer | None) -> None:
        """
        The server listens, or its certificate has changed.

        @param offer: what it has for clients that want encryption; L{None} for nothing that they could use.
        """

    def why(self, arguments: Mapping[str, str]) -> JSON:
        """
        Tell which of its rules decides about a question, for those whose L{answers} have C{why}.

        @param arguments: those of the operation: C{name}, C{client}, and perhaps C{time} and C{type}.

        @return: C{client}, C{view}, C{blocked}, C{rewritten}, C{rule} and C{said}.

        @raise twisted_ext.errors.CallerFault: an argument is not valid.
        """
        raise NotImplementedError

    def look(self) -> None:
        """
        Look after what changes by itself, such as files; called each second.
        """

    def nameOf(self, address: str) -> str:
        """
        Return the name that it knows for a client, without its final dot; C{""} for none.
        """
        return ""

    def close(self, heir: Active | None) -> None:
        """
        End.

        @param heir: its successor, which goes on with what both share; L{None} without one.
        """


class Keeper:
    """
    The half of a feature that a server has once: in the parent of workers, or in the only process. It looks after what all processes that
    answer share, and is there even while the settings do not switch the feature on.
    """

    def begin(self, publish: Callable[[JSON], object]) -> None:
        """
        Begin, after privileges were dropped.

        @param publish: to be called with what the feature is to take in each process that answers, also in those that start later; with
            L{None} if there is nothing to take any more.
        """

    def serve(self, sets: ZoneSets) -> None:
        """
        Take the zones of the server, before it begins.
        """

    def apply(self, settings: Settings) -> None:
        """
        Apply new settings, which are in force already where queries are answered.
        """

    def settling(self) -> Deferred[list[str]] | None:
        """
        Wait until what L{apply} has added is published, for some seconds at most.

        @return: fires with lines about what is not; L{None} if there is nothing to wait for.
        """
        return None

    def seen(self, states: Mapping[str, JSON]) -> None:
        """
        See what keepers have published last, by the names of their features; called before a command is executed.
        """

    def look(self) -> None:
        """
        Look after what changes by itself, such as files; called each second.
        """

    def figures(self) -> dict[str, float]:
        """
        Return its numbers for the statistics, by their keys.
        """
        return {}

    def samples(self) -> dict[str, dict[str, float]]:
        """
        Return its numbers that have a label: by the key of the figure, and the value of the label.
        """
        return {}

    def facts(self) -> dict[str, JSON]:
        """
        Return what the status of the server says of it, by key. Of an object, C{txdns control status} prints the lines in C{said}.
        """
        return {}

    def close(self) -> None:
        """
        End.
        """


class Feature:
    """
    The declaration of a feature: it is made once for the program.

    @ivar name: one word, which no other feature has.
    @cvar settings: its settings; none by default.
    @cvar figures: the numbers that it and its keeper add to the statistics.
    @cvar verbs: the operations that it adds. The first word of their paths is not one of the server's own.
    @cvar reads: the names of further settings that it goes by, apart from those that are the same in all views.
    @cvar roles: the roles of servers with which it can be switched on.
    @cvar needs: what its verbs take, if that is more than a role, for errors.
    """

    name: str
    settings: ClassVar[type[Section]] = Section
    reads: ClassVar[tuple[str, ...]] = ()
    figures: ClassVar[tuple[Figure, ...]] = ()
    verbs: ClassVar[tuple[Verb, ...]] = ()
    roles: ClassVar[tuple[str, ...]] = ("forward", "recurse", "serve")
    needs: ClassVar[str] = ""

    def make(self, site: Site, former: Active | None) -> Active | None:
        """
        Switch it on as the settings say.

        @param former: the predecessor, which stays in force until all features are made.

        @return: L{None} if it is not switched on.

        @raise twisted_ext.errors.BadDescription: the settings cannot be used. Nothing has changed then.
        """
        raise NotImplementedError

    def differs(self, one: Settings, other: Settings) -> bool:
        """
        Return whether a view with one of these settings needs an object of its own beside that of the other.
        """
        read = [*self.settings.declared(), *[DECLARED.byName[name] for name in self.reads]]
        return any(each.inView and one.value(each) != other.value(each) for each in read)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        """
        Return its half that a server has once; L{None} if there is none.
        """
        return None
