"""
The names that one process blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from twisted.logger import Logger

from twisted_ext.errors import BadImage
from twisted_ext.resolver.policy.rules.schedule import localTime
from twisted_ext.resolver.policy.rules.source import Policy, PolicySource, readReply
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.server.features.base.feature import Active, Part, Site, Stage
from twisted_ext.server.features.blocking.lists import choicesIn

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.features.blocking.settings import BlockingSettings

__all__ = ["BlockedNames"]

_log: Final = Logger(__name__)


class BlockedNames(Active):
    """
    The names that are blocked, and how they are answered.

    @ivar policy: which names; reloads keep the object, with the table of lists in it.
    """

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
        policy = self.policy = Policy() if former is None else former.policy
        self.rereads = "block lists" if self._lists else ""
        given = [f"{len(settings.block)} given"] if settings.block else []
        said = f"block: {', '.join([*given, *settings.blockList, *settings.lists])}, answered with {settings.blockReply}"
        self.parts = (Part(Stage.UPSTREAM, lambda: said, wrap=lambda source: PolicySource(source, policy, site.reactor)),)

    def begin(self) -> None:
        settings = self._settings
        exceptions = [each for each in settings.blockExcept if not each.startswith("file:")]
        self.policy.apply(settings.block, exceptions, settings.blockReply, self._lists)
        self.policy.select(self._now())

    def _now(self) -> frozenset[str]:
        """
        Return the lists that apply now.
        """
        if not self._scheduled:
            return self._always
        local = self._clock(self._site.today())
        return self._always.union([word for word, when in self._scheduled if when.isOn(local)])

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

    def figures(self) -> dict[str, float]:
        # That there are blocked names is of interest also while none was asked for.
        return {"blocked": 0} if self.policy.given else {}

    def close(self, heir: Active | None) -> None:
        if heir is None:
            # What waits for the first table goes on without one. What is under way keeps its rules.
            self.policy.use(None)


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
