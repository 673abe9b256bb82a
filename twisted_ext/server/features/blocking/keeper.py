"""
Keeps the table of block lists current, with the copies of those that are fetched, and pauses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import CallerFault
from twisted_ext.files import stateOf
from twisted_ext.resolver.policy.rules.table import DAMAGED, IN_SETTINGS, RuleList
from twisted_ext.server.features.base.tables import TableKeeper, counted
from twisted_ext.server.features.blocking.copies import COPIES
from twisted_ext.server.features.blocking.downloads import Downloads
from twisted_ext.server.features.blocking.lists import linesOfLists, listsIn, listsOfAll
from twisted_ext.server.features.blocking.pauses import Pauses
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import viewsOf

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["BlockLists"]

_log: Final = Logger(__name__)


class BlockLists(TableKeeper):
    """
    The files of block lists of one server, and pauses. It publishes C{{"table": the path of the table in force, "paused": names of views}}.
    """

    module = "twisted_ext.resolver.policy.rules.compiler"
    kept = "blocklists.table"
    called = "block lists"
    setting = "block-list"
    most = 256

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        super().__init__(reactor, settings)
        self._pauses = Pauses(reactor, self._tellAll)
        self._downloads = Downloads(reactor, self._arrived)
        self._use(settings)

    def _use(self, settings: Settings) -> None:
        self._wanted = self._words = listsOfAll(settings)
        self._lines = linesOfLists(settings)
        self._pauses.apply([view.name for view in viewsOf(settings)])
        # Whether there is anything to pause.
        self._blocks = any(
            each[BlockingSettings].block or listsIn(each) for each in (settings, *[view.settings for view in viewsOf(settings)])
        )

    def _fetch(self) -> None:
        """
        Fetch what the settings want to be fetched. Lists that have yet to be fetched are no part of the table.
        """
        try:
            self._downloads.apply(self._settings, self._copiesFolder)
        except OSError as error:
            _log.error("lists are not fetched: {error}", error=error)
        self._words = [word for word in self._wanted if not self._downloads.lacks(word)]

    def _copiesFolder(self) -> str:
        return f"{self._madeFolder()}/{COPIES}" if not self._state else f"{self._state}/{COPIES}"

    def _arrived(self) -> None:
        """
        Read a list that was fetched.
        """
        self._words = [word for word in self._wanted if not self._downloads.lacks(word)]
        self._read()

    def _stateOf(self, word: str) -> tuple[int, ...]:
        if word in self._lines:
            return IN_SETTINGS
        return stateOf(self._downloads.copies.get(word, (RuleList(word).path, ""))[0])

    def _job(self) -> Mapping[str, object]:
        return {"copies": self._downloads.copies, "lines": self._lines}

    def _tellAll(self) -> None:
        paused: list[JSON] = [*self._pauses.paused]
        self._publish({"table": self._told, "paused": paused} if paused or self._told is not None else None)

    def pause(self, view: str, length: str) -> dict[str, JSON]:
        """
        Block nothing for the clients of a view. For the arguments see L{Pauses.pause}.

        @raise CallerFault: nothing is blocked.
        """
        if not self._blocks:
            raise CallerFault("nothing is blocked; there is nothing to pause")
        return {"said": [*self._pauses.pause(view, length)]}

    def resume(self, view: str) -> dict[str, JSON]:
        """
        Block again.
        """
        return {"said": [*self._pauses.resume(view)]}

    @property
    def names(self) -> int:
        """
        How many names the block lists have, each list counted by itself.
        """
        return sum([each.names for each in self.lists if not each.list.startswith("except:")])

    def figures(self) -> dict[str, float]:
        """
        Return the numbers for metrics; none without lists.
        """
        return {"blockLists": len(self._wanted), "blockNames": self.names, "blockListsWrong": len(self._failing)} if self._wanted else {}

    @property
    def _failing(self) -> set[str]:
        """
        The lists that could not be fetched, or not be read.
        """
        return self._downloads.failed().union([each.list for each in self.lists if each.kept])

    def samples(self) -> dict[str, dict[str, float]]:
        failing = self._failing
        fetched = [each for each in self._downloads.facts() if isinstance(each, dict)]
        return {
            "blockListNames": {each.name: each.names for each in self.lists},
            "blockListFailing": {RuleList(word).name: float(word in failing) for word in self._wanted},
            "blockListFetched": {str(each["name"]): at for each in fetched if isinstance(at := each["fetched"], int | float)},
            "blockingPaused": {view or "default": 1.0 for view in self._pauses.paused},
        }

    def facts(self) -> dict[str, JSON]:
        """
        Describe the lists, if there are any.
        """
        if not self._wanted and not self._pauses.paused:
            return {}
        said = [f"blocking: {_names(self.names)}{', lists are being read' if self._reading else ''}"]
        said += [_shown(each, self._downloads.said(each.list)) for each in self.lists]
        said += [f"  {RuleList(word).title}: {self._downloads.said(word)}" for word in self._wanted if self._downloads.lacks(word)]
        said += self._pauses.said()
        lists: list[JSON] = [
            {"list": each.list, "names": each.names, "wrong": each.wrong, "said": each.said, "kept": each.kept} for each in self.lists
        ]
        told: dict[str, JSON] = {"names": self.names, "reading": self._reading, "lists": lists, "said": [*said]}
        told["shown"] = self._shown()
        if fetched := self._downloads.facts():
            told["fetched"] = fetched
        return {"blocking": told}

    def _shown(self) -> dict[str, JSON]:
        """
        Describe lists and pauses for the status page, without the rest of URLs, which may have a key.
        """
        failing, known = self._failing, {each.list: each for each in self.lists}
        lists: list[JSON] = []
        for word in self._wanted:
            each = known.get(word) or RuleList(word)
            lists.append({"name": each.name, "place": each.place, "names": each.names, "wrong": each.wrong, "failing": word in failing})
        ends: dict[str, JSON] = {view or "default": end for view, end in self._pauses.ends().items()}
        return {"lists": lists, "paused": [*ends], "ends": ends}

    def fetch(self, name: str, anyway: bool) -> dict[str, JSON]:
        """
        Fetch a list now. For the arguments see L{Downloads.fetch}.
        """
        return {"said": [self._downloads.fetch(name, anyway)]}

    def settling(self) -> Deferred[list[str]] | None:
        """
        See L{TableKeeper.settling}. Lists that were added are fetched now, not at the next look.
        """
        self._downloads.look()
        return super().settling()

    def _awaits(self) -> bool:
        return any(self._downloads.awaits(word) for word in self._added)

    def _said(self, word: str, each: RuleList | None) -> str:
        if self._downloads.lacks(word):
            title, why = RuleList(word).title, self._downloads.fault(word)
            if why:
                return f"list {title} could not be fetched: {why}; it has no effect until it is, and is tried again"
            return f"list {title} has yet to be fetched, and has no effect until then"
        if each is None:
            return f"list {RuleList(word).title} could not be read, and has no effect; the log says why"
        return f"list {each.title} {each.said}, and has no effect" if each.kept and not each.names else ""

    def look(self) -> None:
        """
        Read the lists if a file has changed, fetch those that are due, and end pauses.
        """
        self._pauses.look()
        self._downloads.look()
        super().look()
        self._settle()

    def _arrivedAll(self) -> None:
        self._downloads.tidy()

    def _isLost(self, each: RuleList) -> bool:
        if each.kept and (each.said == DAMAGED or not self._stateOf(each.list)):
            self._downloads.distrust(each.list)
        return each.kept

    def _tell(self, each: RuleList) -> None:
        path = each.title
        if each.kept:
            kept = f"it keeps its former {_names(each.names)}" if each.names else "it blocks nothing"
            _log.error("block list {path}: {said}; {kept}", path=path, said=each.said, kept=kept)
        elif each.wrong:
            text = "block list {path}: {names}; lines that cannot be used: {wrong} ({said})"
            _log.warn(text, path=path, names=_names(each.names), wrong=each.wrong, said=each.said)
        else:
            _log.info("block list {path}: {names}", path=path, names=_names(each.names))

    def close(self) -> None:
        """
        Stop reading and fetching, and remove the table.
        """
        self._downloads.close()
        super().close()


def _shown(each: RuleList, fetched: str) -> str:
    """
    Return the line of one list in the status.

    @param fetched: what is said of fetching it.
    """
    kinds = {"except": ", exceptions", "rewrite": ", may rewrite answers"}
    exceptions = kinds.get(each.list.partition(":")[0], "")
    wrong = f"; lines that cannot be used: {each.wrong:,} ({each.said})" if each.wrong else ""
    kept = f", kept from before; it {each.said}" if each.kept else ""
    return f"  {each.title}{exceptions}: {_names(each.names)}{wrong}{kept}{'; ' if fetched else ''}{fetched}"


def _names(count: int) -> str:
    return counted(count, "name")
