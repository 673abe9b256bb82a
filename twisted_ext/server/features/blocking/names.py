"""
The names that one process blocks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from twisted.logger import Logger

from twisted_ext.errors import BadImage, BadName, CallerFault
from twisted_ext.resolver.policy.rules.policy import Policy, readReply
from twisted_ext.resolver.policy.rules.schedule import localTime
from twisted_ext.resolver.policy.rules.source import PolicySource
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.server.features.base.feature import Active, Part, Site, Stage
from twisted_ext.server.features.blocking.lists import choicesIn
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import typeNumber

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.resolver.policy.rules.verdict import Verdict
    from twisted_ext.server.features.blocking.settings import BlockingSettings

__all__ = ["BlockedNames"]

_log: Final = Logger(__name__)

_HOUR: Final = re.compile(r"\d\d:\d\d")


class BlockedNames(Active):
    """
    The names that are blocked, and how they are answered.

    @ivar policy: which names; reloads keep the object, with the table of lists in it.
    """

    answers = ("why",)
    policy: Policy

    def __init__(self, site: Site, settings: BlockingSettings, former: BlockedNames | None) -> None:
        readReply(settings.blockReply)
        self._site = site
        self._settings = settings
        choices = choicesIn(site.settings)
        self._lists = list(dict.fromkeys([word for word, _ in choices]))
        self._always = frozenset([word for word, when in choices if when is None])
        self._scheduled = [(word, when) for word, when in choices if when is not None and word not in self._always]
        self._clock = localTime(settings.timeZone)
        policy = self.policy = Policy(site.view) if former is None else former.policy
        self.rereads = "block lists" if self._lists else ""
        given = [f"{len(settings.block)} given"] if settings.block else []
        said = f"block: {', '.join([*given, *settings.blockList, *settings.lists])}, answered with {settings.blockReply}"
        if settings.safeSearch:
            said = f"{f'{said}; ' if given or self._lists else ''}safe search: {', '.join(settings.safeSearch)}"
        self.parts = (Part(Stage.UPSTREAM, lambda: said, wrap=lambda source: PolicySource(source, policy, site.reactor)),)

    def begin(self) -> None:
        settings = self._settings
        exceptions = [each for each in settings.blockExcept if not each.startswith("file:")]
        safe = _safeHosts(settings.safeSearch)
        self.policy.apply(settings.block, exceptions, settings.blockReply, self._lists, safe, self._states())
        self.policy.select(self._now())

    def _now(self) -> frozenset[str]:
        """
        Return the lists that apply now.
        """
        if not self._scheduled:
            return self._always
        return self.listsAt(self._site.today())

    def _at(self, local: datetime) -> frozenset[str]:
        return self._always.union([word for word, when in self._scheduled if when.schedule.isOn(local)])

    @property
    def isScheduled(self) -> bool:
        """
        Whether other lists apply at other times.
        """
        return bool(self._scheduled)

    def listsAt(self, seconds: float) -> frozenset[str]:
        """
        Return the lists that apply at a time, in seconds since 1970.
        """
        return self._at(self._clock(seconds))

    def _states(self) -> Sequence[frozenset[str]]:
        """
        Return the lists that apply while no schedule does, while one of them does, and while all do. The rule that blocks a name is in a
        list of one schedule, or in one that applies always, and no rule of these comes before it; but one of another schedule may void an
        exception.
        """
        if not self._scheduled:
            return ()
        states = {when.name: self._always for _, when in self._scheduled}
        for word, when in self._scheduled:
            states[when.name] |= {word}
        return (self._always, *states.values(), frozenset(self._lists))

    def look(self) -> None:
        """
        Begin and end what is scheduled.
        """
        if self._scheduled and self.policy.select(self._now()):
            self._site.changed()

    def take(self, state: JSON) -> None:
        """
        Use what L{BlockLists<twisted_ext.server.features.blocking.keeper.BlockLists>} has published.
        """
        told = state if isinstance(state, dict) else {}
        paused, path = told.get("paused"), told.get("table")
        self.policy.pause(isinstance(paused, list) and self._site.view in paused)
        if path is not None:
            table: PolicyTable | None = None
            try:
                table = _tableOf(str(path)) if path else None
            except (OSError, BadImage) as error:
                _log.error("the table of block lists cannot be used: {error}", error=error)
            self.policy.use(table)
        self._site.changed()

    def why(self, arguments: Mapping[str, str]) -> JSON:
        return self.whyFor(arguments["name"], arguments["client"], arguments.get("time", ""), arguments.get("type", "A"))

    def whyFor(self, name: str, client: str, at: str = "", rrType: str = "A") -> dict[str, JSON]:
        """
        Tell which rule decides about a question of a client of this view.

        @param at: a time on the wall, such as C{"21:30"} or C{"2026-11-25T21:30"}; C{""} for now.

        @raise CallerFault: the name, the time or the type is not valid.
        """
        number = typeNumber(rrType)
        if number is None:
            raise CallerFault(f"{rrType!r} is not a type; write A or AAAA")
        try:
            wire = nameFromText(name)
        except BadName as error:
            raise CallerFault(f"{name!r} is not a name: {error}") from None
        # As text of the DNS, in which control characters are escaped.
        folded, name = wire.lower(), nameToText(wire, final=False)
        local = self._timeIn(at)
        policy, lists = self.policy, self._at(local)
        verdict = policy.verdictWith(folded, lists, number)
        said = [f"{client} is in view {self._site.view}" if self._site.view else f"{client} is in no view"]
        if policy.waits:
            said.append("the lists are being read")
        if policy.paused and not at:
            said.append("blocking is paused; without that:")
        said.append(f"{name} {_shown(verdict, policy.table)}")
        for word, when in self._scheduled:
            found = None if word in lists else policy.verdictWith(folded, frozenset((word,)), number)
            if found is not None and found.line:
                said.append(f"during {when.name} it {_shown(found, policy.table)}")
        return {
            "client": client,
            "view": self._site.view or None,
            "blocked": verdict is not None and verdict.word == "blocked",
            "rewritten": verdict is not None and verdict.word == "rewritten",
            "rule": None if verdict is None else verdict.place,
            "said": [*said],
        }

    def _timeIn(self, text: str) -> datetime:
        now = self._clock(self._site.today())
        if not text:
            return now
        try:
            return datetime.fromisoformat(f"{now:%Y-%m-%d}T{text}" if _HOUR.fullmatch(text) else text)
        except ValueError:
            raise CallerFault(f"{text!r} is not a time; write 21:30 or 2026-11-25T21:30") from None

    def figures(self) -> dict[str, float]:
        # That there are blocked names is of interest also while none was asked for.
        return {"blocked": 0} if self.policy.given else {}

    def close(self, heir: Active | None) -> None:
        if heir is None:
            # What waits for the first table goes on without one. What is under way keeps its rules.
            self.policy.use(None)


def _shown(verdict: Verdict | None, table: PolicyTable | None) -> str:
    if verdict is None:
        return "is not blocked: no rule is about it"
    places = {each.name: each.place for each in (() if table is None else table.lists)}
    domain = verdict.domain.decode("ascii", "replace")
    where = places.get(verdict.source, verdict.source)
    place = verdict.place if where == verdict.source else f"{verdict.place} ({where})"
    return f"is {'an exception' if verdict.word == 'excepted' else verdict.word} by {place}: {domain}"


def _safeHosts(engines: Sequence[str]) -> Mapping[bytes, bytes]:
    if not engines:
        return {}
    from twisted_ext.resolver.policy.rules.safesearch import safeHosts

    return safeHosts(engines)


#: Tables by their paths: all views use one.
_tables: Final[WeakValueDictionary[str, PolicyTable]] = WeakValueDictionary()


def _tableOf(path: str) -> PolicyTable:
    """
    @raise OSError: it cannot be read.
    @raise BadImage: it is not a table.
    """
    table = _tables.get(path)
    if table is None:
        table = _tables[path] = PolicyTable.map(path)
    return table
