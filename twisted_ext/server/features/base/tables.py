"""
Keeps a table of rules current: a child process reads files when they have changed, and the old table stays in force until the new one is
complete.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadImage
from twisted_ext.files import STATE_FOLDER, TemporaryFolder, stateOf
from twisted_ext.limits import BLOCK_SECONDS
from twisted_ext.resolver.policy.rules.table import PolicyTable, RuleList
from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.server.process.jobs.subprocess import BACKGROUND, inThread, runModule

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["TableKeeper", "counted"]

#: Seconds until files are read again after the process that reads them has failed, as for lack of memory.
_PAUSE: Final = 60.0

#: Seconds that the reply to a change of settings waits for what it adds. A million names take two, on a small router twenty; a person in
#: front of a page takes a server that says nothing for longer as one that hangs.
_SETTLE_SECONDS: Final = 10.0

_log: Final = Logger(__name__)


class TableKeeper(Keeper):
    """
    The files of lists, or of zones, of one server. What it publishes has the path of the table in force: C{""} if they could not be read,
    and L{None} while they are read for the first time.

    @cvar module: the module that reads them.
    @cvar kept: the name of the table in the state folder.
    @cvar called: what all of them are called, such as C{"block lists"}.
    @cvar setting: the setting that names them.
    @cvar most: how many are read. Their paths are arguments of the process that reads them.
    @ivar path: the table in force; C{""} for none. It exists until the one after the next is made, so that a slow worker finds it.
    @ivar lists: what became of each.
    @ivar _wanted: all that settings want, as L{RuleList} has them; and those of them that can be read, C{_words}.
    """

    module: ClassVar[str]
    kept: ClassVar[str]
    called: ClassVar[str]
    setting: ClassVar[str]
    most: ClassVar[int]

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        self._reactor = reactor
        self._publish: Callable[[JSON], object] = lambda state: None
        self.path = self._former = ""
        # What is published of the table: its path; None while none was made yet.
        self._told: str | None = None
        self._settings = settings
        self._wanted: list[str] = []
        self._words: list[str] = []
        self.lists: list[RuleList] = []
        self._folder: TemporaryFolder | None = None
        self._count = 0
        # The states of the files that the table was made from, and those of the last look.
        self._made: list[tuple[int, ...]] = []
        self._seen: list[tuple[int, ...]] = []
        self._reading = False
        self._compiling: Deferred[None] | None = None
        self._again = False
        # What the last change of settings has added, and what waits for it.
        self._added: list[str] = []
        self._waiting: list[Deferred[list[str]]] = []
        self._retry = float("inf")
        self._closed = False
        self._state = os.path.abspath(state) if (state := settings.stateFolder()) else ""

    # -- what differs

    @abstractmethod
    def _use(self, settings: Settings) -> None:
        """
        Take from new settings what is wanted.
        """

    @abstractmethod
    def _job(self) -> Mapping[str, object]:
        """
        Return what the process that reads needs to know beside what is wanted.
        """

    @abstractmethod
    def _tell(self, each: RuleList) -> None:
        """
        Log what became of one that has changed.
        """

    @abstractmethod
    def _tellAll(self) -> None:
        """
        Publish what processes that answer queries need to know.
        """

    @abstractmethod
    def _said(self, word: str, each: RuleList | None) -> str:
        """
        Return a line about one that was added and is not in force; C{""} if it is.
        """

    def _fetch(self) -> None:
        """
        Find out which of those that are wanted can be read.
        """
        self._words = self._wanted

    def _awaits(self) -> bool:
        """
        Return whether something that was added is on its way here.
        """
        return False

    def _came(self) -> None:
        """
        A table is complete, and about to be published.
        """

    def _arrivedAll(self) -> None:
        """
        Clean up after all were read.
        """

    def _stateOf(self, word: str) -> tuple[int, ...]:
        return stateOf(RuleList(word).path)

    def _listsIn(self, path: str) -> list[RuleList]:
        """
        Return what a table of an earlier process has.

        @raise OSError: it cannot be read.
        @raise BadImage: it is not one that this version can use.
        """
        return PolicyTable.map(path).lists

    def _isLost(self, each: RuleList) -> bool:
        """
        Return whether to say again what became of one that has not changed.
        """
        return each.kept

    # -- what is common

    def _tellNothing(self) -> None:
        """
        Publish that there is no table: C{""} if what is wanted cannot be read yet.
        """
        self._told = "" if self._wanted else None
        self._tellAll()

    def begin(self, publish: Callable[[JSON], object]) -> None:
        """
        Use the table that an earlier process has left in the state folder, if it is of the same files; and read those that have changed
        since.
        """
        self._publish = publish
        self._fetch()
        if not self._words:
            # Nobody waits for what cannot be read yet.
            self._tellNothing()
            return
        known: list[RuleList] = []
        try:
            lists = self._listsIn(self._kept)
            if [each.list for each in lists] == self._words:
                path = self._newPath()
                os.link(self._kept, path)
                self.path, known = path, lists
                self._told = path
                self._tellAll()
        except (OSError, BadImage) as error:
            if self._state and not isinstance(error, FileNotFoundError):
                _log.warn("the table of {called} of an earlier process cannot be used: {error}", called=self.called, error=error)
        self._seen = [self._stateOf(word) for word in self._words]
        states = [() if each.kept else tuple(each.state) for each in known]
        if all(states) and states == self._seen:
            self._made, self.lists = self._seen, known
            names, count = counted(self.names, "name"), counted(len(known), self.called.split()[-1].removesuffix("s"))
            _log.info("{called}: {names} in {count}, unchanged since the last start", called=self.called, names=names, count=count)
        else:
            self._read()

    @property
    def names(self) -> int:
        """
        How many rules there are, each file counted by itself.
        """
        return sum([each.names for each in self.lists])

    @property
    def _kept(self) -> str:
        """
        The path of the table for the next start. Without a state folder there is no such file.
        """
        return f"{self._state}/{self.kept}" if self._state else ""

    def _keep(self) -> None:
        if not self._kept:
            return
        try:
            beside = f"{self.path}.new"
            os.link(self.path, beside)
            os.replace(beside, self._kept)
        except OSError as error:
            _log.warn("the table of {called} cannot be kept for the next start: {error}", called=self.called, error=error)

    def apply(self, settings: Settings) -> None:
        """
        Read what new settings want.
        """
        # Those that were added while others are being read are still waited for.
        known = {*self._wanted}.difference(self._added if self._reading else ())
        self._settings = settings
        self._use(settings)
        self._fetch()
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
        # As long as there is no table at all, what else the settings withhold waits for it, too.
        isFirst = self._reading and not self.path
        if not self._added and not isFirst:
            return None
        if not self._reading and not self._awaits():
            return succeed(self._lacking())
        waiting: Deferred[list[str]] = Deferred()
        self._waiting.append(waiting)
        late = [f"the {self.called.split()[-1]} are still being read; what was added is in force after that"]
        return waiting.addTimeout(_SETTLE_SECONDS, self._reactor, lambda *_: late if self._reading else self._lacking())

    def _lacking(self) -> list[str]:
        """
        Return a line about each that was added and is not in force.
        """
        known = {each.list: each for each in self.lists}
        return [said for word in self._added if (said := self._said(word, known.get(word)))]

    def _settle(self) -> None:
        """
        End the wait for what was added unless files are read again, or some have yet to arrive.
        """
        if not self._reading and not self._awaits():
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(self._lacking())

    def look(self) -> None:
        """
        Read the files if one has changed, once it stays the same from one call to the next.
        """
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
        words = self._words[: self.most]
        if len(words) < len(self._words):
            text = "{setting}: only the first {most} of {count} files are read"
            _log.error(text, setting=self.setting, most=len(words), count=len(self._words))
        self._made = self._seen = [self._stateOf(word) for word in self._words]
        try:
            path = self._newPath()
            self._reading = True
            # The process itself ends the reading of each file in time, unless a file system does not respond.
            seconds = BLOCK_SECONDS.default * (len(words) + 1)
            job = {"table": path, "former": self.path, "lists": words, **self._job()}
            given = json.dumps(job).encode("ascii")
            # Without a former table queries wait for this one.
            niceness = BACKGROUND if self.path else 0
            compiling = runModule(self._reactor, self.module, given=given, seconds=seconds, niceness=niceness)
        except OSError as error:
            self._reading = False
            self._failed(str(error))
            return
        # Without processes, as in tests, this is done by the next line.
        done = compiling.addCallbacks(self._done, self._broken, (path,), {}, (path,))
        done.addErrback(lambda failure: _log.failure("while {called} were read", failure=failure, called=self.called))
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
            if self._isLost(each) or former.get(each.list) != tuple(each.state):
                self._tell(each)
        # Processes that have it mapped keep it. To free the pages of a large one takes some milliseconds.
        inThread(self._reactor, partial(_unlink, self._former))
        self._former, self.path = self.path, path
        self._keep()
        self._told = path
        self._came()
        self._tellAll()
        if self._again:
            self._read()
        else:
            self._arrivedAll()
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
        kept = "the former ones stay in force" if self.path else "they have no effect"
        _log.error("the {called} cannot be read, {kept}: {why}", called=self.called, kept=kept, why=why)
        self._retry = self._reactor.seconds() + _PAUSE
        self._told = self.path
        self._tellAll()

    def _stop(self) -> None:
        if self._compiling is not None:
            self._compiling.cancel()

    def close(self) -> None:
        """
        Stop reading, and remove the table.
        """
        self._closed = True
        self._stop()
        self._settle()
        if self._folder is not None:
            self._folder.close()


def counted(number: int, word: str) -> str:
    """
    Return a number with what it counts: C{"1 name"}, C{"1,000 names"}.
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _unlink(path: str) -> None:
    if path:
        with suppress(OSError):
            os.unlink(path)
