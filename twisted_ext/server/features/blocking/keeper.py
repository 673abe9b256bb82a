"""
Keeps the table of block lists current: a child process reads the files and the copies of fetched lists when they have changed, and the old
table stays in force until the new one is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadImage, CallerFault
from twisted_ext.files import STATE_FOLDER, TemporaryFolder, stateOf
from twisted_ext.limits import BLOCK_SECONDS
from twisted_ext.resolver.policy.rules.table import DAMAGED, IN_SETTINGS, PolicyTable, RuleList
from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.server.features.blocking.downloads import Downloads
from twisted_ext.server.features.blocking.lists import linesOfLists, listsIn, listsOfAll
from twisted_ext.server.features.blocking.pauses import Pauses
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.process.jobs.subprocess import runModule

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["BlockLists"]

#: Seconds until block lists are read again after the process that reads them has failed, as for lack of memory.
_BLOCK_PAUSE: Final = 60.0

#: Seconds that the reply to a change of settings waits for the lists that it adds. A million names take two, on a small router twenty; a
#: person in front of a page takes a server that says nothing for longer as one that hangs.
_SETTLE_SECONDS: Final = 10.0

#: Files of block lists and exceptions. Their paths are arguments of the process that reads them.
_BLOCK_LISTS: Final = 256

_log: Final = Logger(__name__)

#: The module that reads lists.
_MODULE: Final = "twisted_ext.resolver.policy.rules.compiler"

#: The name of the table in the state folder.
_KEPT: Final = "blocklists.table"

#: The folder for copies of lists that are fetched, in the state folder.
_COPIES: Final = "lists"


class BlockLists(Keeper):
    """
    The files of block lists of one server, and pauses. It publishes C{{"table": the path of the table in force, "paused": names of views}};
    the path is C{""} if the lists could not be read, and L{None} while they are read for the first time.

    @ivar path: the table in force; C{""} for none. It exists until the one after the next is made, so that a slow worker finds it.
    @ivar lists: what became of each list.
    """

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        self._reactor = reactor
        self._publish: Callable[[JSON], object] = lambda state: None
        self.path = self._former = ""
        # What is published of the table: its path; None while none was made yet.
        self._told: str | None = None
        self._pauses = Pauses(reactor, self._tellAll)
        self._downloads = Downloads(reactor, self._arrived)
        self._settings = settings
        self._use(settings)
        self.lists: list[RuleList] = []
        self._folder: TemporaryFolder | None = None
        self._count = 0
        # The states of the files that the table was made from, and those of the last look.
        self._made: list[tuple[int, ...]] = []
        self._seen: list[tuple[int, ...]] = []
        self._reading = False
        self._compiling: Deferred[None] | None = None
        self._again = False
        # The lists that the last change of settings has added, and what waits for them.
        self._added: list[str] = []
        self._waiting: list[Deferred[list[str]]] = []
        self._retry = float("inf")
        self._closed = False
        self._state = os.path.abspath(state) if (state := settings.stateFolder()) else ""

    def _use(self, settings: Settings) -> None:
        self._settings = settings
        self._wanted = self._words = listsOfAll(settings)
        self._lines = linesOfLists(settings)
        self._pauses.apply([view.name for view in viewsOf(settings)])
        # Whether there is anything to pause.
        self._blocks = any(
            each[BlockingSettings].block or listsIn(each) for each in (settings, *[view.settings for view in viewsOf(settings)])
        )

    def _useCopies(self) -> None:
        """
        Fetch what the settings want to be fetched. Lists that have yet to be fetched are no part of the table.
        """
        try:
            self._downloads.apply(self._settings, self._copiesFolder)
        except OSError as error:
            _log.error("lists are not fetched: {error}", error=error)
        self._words = [word for word in self._wanted if not self._downloads.lacks(word)]

    def _copiesFolder(self) -> str:
        return f"{self._madeFolder()}/{_COPIES}" if not self._state else f"{self._state}/{_COPIES}"

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

    def _tellNothing(self) -> None:
        """
        Publish that there is no table: C{""} if lists have yet to be fetched.
        """
        self._told = "" if self._wanted else None
        self._tellAll()

    def _tellAll(self) -> None:
        """
        Publish what processes that answer queries need to know.
        """
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
        said = [f"blocking: {_counted(self.names)}{', lists are being read' if self._reading else ''}"]
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
        return {"lists": lists, "paused": [view or "default" for view in self._pauses.paused]}

    def fetch(self, name: str, anyway: bool) -> dict[str, JSON]:
        """
        Fetch a list now. For the arguments see L{Downloads.fetch}.
        """
        return {"said": [self._downloads.fetch(name, anyway)]}

    def begin(self, publish: Callable[[JSON], object]) -> None:
        """
        Use the table that an earlier process has left in the state folder, if it is of the same lists; and read those that have changed
        since.
        """
        self._publish = publish
        self._useCopies()
        if not self._words:
            # Nobody waits for lists that have yet to be fetched.
            self._tellNothing()
            return
        known: list[RuleList] = []
        try:
            lists = PolicyTable.map(self._kept).lists
            if [each.list for each in lists] == self._words:
                path = self._newPath()
                os.link(self._kept, path)
                self.path, known = path, lists
                self._told = path
                self._tellAll()
        except (OSError, BadImage) as error:
            if self._state and not isinstance(error, FileNotFoundError):
                _log.warn("the table of block lists of an earlier process cannot be used: {error}", error=error)
        self._seen = [self._stateOf(word) for word in self._words]
        states = [() if each.kept else tuple(each.state) for each in known]
        if all(states) and states == self._seen:
            self._made, self.lists = self._seen, known
            text = "block lists: {names} in {count} list{s}, unchanged since the last start"
            _log.info(text, names=_counted(self.names), count=len(known), s="s"[: len(known) != 1])
        else:
            self._read()

    @property
    def _kept(self) -> str:
        """
        The path of the table for the next start. Without a state folder there is no such file.
        """
        return f"{self._state}/{_KEPT}" if self._state else ""

    def _keep(self) -> None:
        if not self._kept:
            return
        try:
            beside = f"{self.path}.new"
            os.link(self.path, beside)
            os.replace(beside, self._kept)
        except OSError as error:
            _log.warn("the table of block lists cannot be kept for the next start: {error}", error=error)

    def apply(self, settings: Settings) -> None:
        """
        Read the lists of new settings.
        """
        # Those that were added while lists are being read are still waited for.
        known = {*self._wanted}.difference(self._added if self._reading else ())
        self._use(settings)
        self._useCopies()
        self._added = [word for word in self._wanted if word not in known]
        if self._words:
            self._read()
            return
        self._stop()
        self._tellNothing()
        former, self.path, self.lists = self.path, "", []
        _unlink(former)
        _unlink(self._former)
        self._former = ""

    def settling(self) -> Deferred[list[str]] | None:
        # As long as there is no table at all, what the settings block themselves waits for it, too.
        isFirst = self._reading and not self.path
        if not self._added and not isFirst:
            return None
        if not self._reading:
            return succeed(self._lacking())
        waiting: Deferred[list[str]] = Deferred()
        self._waiting.append(waiting)
        late = ["the lists are still being read; what was added is in force after that"]
        return waiting.addTimeout(_SETTLE_SECONDS, self._reactor, lambda *_: late)

    def _lacking(self) -> list[str]:
        """
        Return a line about each list that was added and is not in force.
        """
        found: list[str] = []
        known = {each.list: each for each in self.lists}
        for word in self._added:
            each = known.get(word)
            if self._downloads.lacks(word):
                found.append(f"list {RuleList(word).title} has yet to be fetched, and has no effect until then")
            elif each is None:
                found.append(f"list {RuleList(word).title} could not be read, and has no effect; the log says why")
            elif each.kept and not each.names:
                found.append(f"list {each.title} {each.said}, and has no effect")
        return found

    def _settle(self) -> None:
        """
        End the wait for lists unless they are read again.
        """
        if not self._reading:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(self._lacking())

    def look(self) -> None:
        """
        Read the lists if a file has changed, once it stays the same from one call to the next; and end pauses.
        """
        self._pauses.look()
        self._downloads.look()
        if not self._words or self._reading:
            return
        states = [self._stateOf(word) for word in self._words]
        if (states != self._made and states == self._seen) or self._reactor.seconds() >= self._retry:
            self._read()
        self._seen = states

    def _read(self) -> None:
        if self._reading or self._closed:
            # The settings or the files have changed again.
            self._again = True
            return
        self._again = False
        self._retry = float("inf")
        words = self._words[: _BLOCK_LISTS]
        if len(words) < len(self._words):
            text = "block-list: only the first {most} of {count} files are read"
            _log.error(text, most=len(words), count=len(self._words))
        self._made = self._seen = [self._stateOf(word) for word in self._words]
        try:
            path = self._newPath()
            self._reading = True
            # The process itself ends the reading of each list in time, unless a file system does not respond.
            seconds = BLOCK_SECONDS.default * (len(words) + 1)
            job = {"table": path, "former": self.path, "lists": words, "copies": self._downloads.copies, "lines": self._lines}
            compiling = runModule(self._reactor, _MODULE, given=json.dumps(job).encode("ascii"), seconds=seconds)
        except OSError as error:
            self._reading = False
            self._failed(str(error))
            return
        # Without processes, as in tests, this is done by the next line.
        done = compiling.addCallbacks(self._done, self._broken, (path,), {}, (path,))
        done.addErrback(lambda failure: _log.failure("while block lists were read", failure=failure))
        self._compiling = done if self._reading else None

    def _newPath(self) -> str:
        folder = self._madeFolder()
        self._count += 1
        return f"{folder}/{self._count}.blocked"

    def _madeFolder(self) -> str:
        """
        Return the path of the folder for tables, which is in the state folder if there is one.

        @raise OSError: it cannot be made.
        """
        if self._folder is None:
            try:
                if self._state:
                    os.makedirs(self._state, STATE_FOLDER, exist_ok=True)
                self._folder = TemporaryFolder(self._state or None)
            except OSError as error:
                raise OSError(f"their table cannot be written in the state folder {self._state}: {error.strerror or error}") from error
        return self._folder.path

    def _done(self, written: bytes, path: str) -> None:
        self._reading, self._compiling = False, None
        if self._closed:
            return
        former = {each.list: tuple(each.state) for each in self.lists if each.state}
        try:
            self.lists = [RuleList(**each) for each in json.loads(written)["lists"]]
        except (ValueError, KeyError, TypeError):
            _unlink(path)
            self._failed("the process that reads them has written something else than its result")
            self._settle()
            return
        for each in self.lists:
            if each.kept and (each.said == DAMAGED or not self._stateOf(each.list)):
                self._downloads.distrust(each.list)
            if each.kept or former.get(each.list) != tuple(each.state):
                _tell(each)
        # Processes that have it mapped keep it.
        _unlink(self._former)
        self._former, self.path = self.path, path
        self._keep()
        self._told = path
        self._tellAll()
        if self._again:
            self._read()
        else:
            self._downloads.tidy()
        self._settle()

    def _broken(self, failure: Failure, path: str) -> None:
        self._reading, self._compiling = False, None
        _unlink(path)
        if not self._closed and not isinstance(failure.value, CancelledError):
            self._failed(failure.getErrorMessage())
            if self._again:
                self._read()
        self._settle()

    def _failed(self, why: str) -> None:
        kept = "the former ones stay in force" if self.path else "their names are not blocked"
        _log.error("the block lists cannot be read, {kept}: {why}", kept=kept, why=why)
        self._retry = self._reactor.seconds() + _BLOCK_PAUSE
        self._told = self.path
        self._tellAll()

    def _stop(self) -> None:
        if self._compiling is not None:
            self._compiling.cancel()

    def close(self) -> None:
        """
        Stop reading and fetching, and remove the table.
        """
        self._closed = True
        self._downloads.close()
        self._stop()
        self._settle()
        if self._folder is not None:
            self._folder.close()


def _tell(each: RuleList) -> None:
    path = each.title
    if each.kept:
        kept = f"it keeps its former {_counted(each.names)}" if each.names else "it blocks nothing"
        _log.error("block list {path}: {said}; {kept}", path=path, said=each.said, kept=kept)
    elif each.wrong:
        text = "block list {path}: {names}; lines that cannot be used: {wrong} ({said})"
        _log.warn(text, path=path, names=_counted(each.names), wrong=each.wrong, said=each.said)
    else:
        _log.info("block list {path}: {names}", path=path, names=_counted(each.names))


def _shown(each: RuleList, fetched: str) -> str:
    """
    Return the line of one list in the status.

    @param fetched: what is said of fetching it.
    """
    kinds = {"except": ", exceptions", "rewrite": ", may rewrite answers"}
    exceptions = kinds.get(each.list.partition(":")[0], "")
    wrong = f"; lines that cannot be used: {each.wrong:,} ({each.said})" if each.wrong else ""
    kept = f", kept from before; it {each.said}" if each.kept else ""
    return f"  {each.title}{exceptions}: {_counted(each.names)}{wrong}{kept}{'; ' if fetched else ''}{fetched}"


def _counted(names: int) -> str:
    return f"{names:,} name{'' if names == 1 else 's'}"


def _unlink(path: str) -> None:
    if path:
        with suppress(OSError):
            os.unlink(path)
