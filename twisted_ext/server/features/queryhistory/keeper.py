"""
Keeps the recorder running.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow, replacingFile
from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.server.features.queryhistory.recorder.frames import SOCKET
from twisted_ext.server.features.queryhistory.recorder.rows import KEY, KEY_OCTETS
from twisted_ext.server.features.queryhistory.settings import QueryHistorySettings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.limits import HISTORY_PAUSE
from twisted_ext.server.process.jobs.subprocess import spawnModule
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["HistoryKeeper"]

_log: Final = Logger(__name__)

_MODULE: Final = "twisted_ext.server.features.queryhistory.recorder"

_PIPES: Final = {0: "w", 1: "r", 2: "r"}

#: Niceness of the recorder. It gives way to answers, and other processes give way to it: rows that it does not take in time are dropped.
_NICENESS: Final = 5

#: The folder of the history in that of the state.
_FOLDER: Final = "history"

#: Octets of the longest line of the recorder.
_LINE: Final = 10_000


class _Process(ProcessProtocol):
    transport: IProcessTransport

    def __init__(self, keeper: HistoryKeeper) -> None:
        self._keeper = keeper
        self._left = b""

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, left = (self._left + data).split(b"\n")
        self._left = left[-_LINE:]
        for line in lines:
            self._keeper.told(line.decode("utf-8", "replace"))

    def processEnded(self, reason: Failure) -> None:
        self._keeper.ended(self, reason)


class HistoryKeeper(Keeper):
    """
    Runs the recorder while the settings want a history. It publishes the path of its socket.
    """

    def __init__(self, reactor: IReactorTime, settings: Settings, today: Callable[[], float] = time) -> None:
        self._reactor = reactor
        self._today = today
        self._settings = settings
        self._publish: Callable[[JSON], object] = lambda state: None
        self._process: _Process | None = None
        self._pause = HISTORY_PAUSE.default
        self._again: IDelayedCall | None = None
        self._rows = self._before = 0
        # Queries that it was told and could not write, and those of its predecessors.
        self._unwritten = self._unwrittenBefore = 0
        # Why nothing is written, and why the recorder cannot begin.
        self._said = self._failed = ""
        # Since when, in seconds since 1970.
        self._since = 0.0
        self._began = False
        if self._isWanted() and not settings.stateFolder():
            raise BadDescription("query-history needs a folder where it is kept; set state")

    @property
    def folder(self) -> str:
        return f"{os.path.abspath(self._settings.stateFolder())}/{_FOLDER}"

    def _isWanted(self) -> bool:
        return self._settings[QueryHistorySettings].queryHistory

    def begin(self, publish: Callable[[JSON], object]) -> None:
        self._publish = publish
        self._began = True
        if self._isWanted():
            self._start()

    def apply(self, settings: Settings) -> None:
        wasWanted, self._settings = self._isWanted(), settings
        if not self._began:
            return
        if self._isWanted() and not wasWanted:
            if settings.stateFolder():
                self._start()
            else:
                _log.error("query-history needs a folder where it is kept; set state")
        elif wasWanted and not self._isWanted():
            self._stop()
        elif self._process is not None:
            self._process.transport.writeToChild(0, self._orders())

    def _orders(self) -> bytes:
        """
        Return the settings of the recorder, as a line.
        """
        wanted = self._settings[QueryHistorySettings]
        views = [each.name for each in viewsOf(self._settings) if not each.settings[QueryHistorySettings].queryHistory]
        told: dict[str, object] = {
            "days": wanted.queryHistoryDays,
            "octets": wanted.queryHistorySize,
            "clients": wanted.queryHistoryClients,
            "skip": [nameFromText(each).hex() for each in wanted.queryHistorySkip],
            "views": views,
        }
        if wanted.queryHistoryClients == "hash":
            told["key"] = self._key().hex()
        return f"{json.dumps(told)}\n".encode()

    def _key(self) -> bytes:
        """
        Return the key for hashes of addresses, which is made if there is none.
        """
        path = f"{self.folder}/{KEY}"
        with suppress(OSError), open(path, "rb", opener=openNow) as file:
            found = file.read(KEY_OCTETS)
            if len(found) == KEY_OCTETS:
                return found
        made = os.urandom(KEY_OCTETS)
        os.makedirs(self.folder, 0o700, exist_ok=True)
        with replacingFile(path, 0o600) as file:
            file.write(made)
        return made

    def _start(self) -> None:
        self._again = None
        process = _Process(self)
        try:
            spawnModule(self._reactor, process, _MODULE, [self.folder], descriptors=_PIPES, undisturbed=True, niceness=_NICENESS)
            self._process = process
            process.transport.writeToChild(0, self._orders())
        except OSError as error:
            self._process = None
            self._failure(error.strerror or str(error))
            self._later()

    def _later(self) -> None:
        self._again = self._reactor.callLater(self._pause, self._start)
        self._pause = min(self._pause * 2, HISTORY_PAUSE.most)

    def told(self, line: str) -> None:
        """
        Take a line of the recorder.
        """
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            _log.warn("history: {line}", line=line)
            return
        if "failed" in said:
            # It ends.
            self._failure(str(said["failed"]))
            return
        if not said:
            # It listens.
            self._failure("")
            self._publish(f"{self.folder}/{SOCKET}")
            return
        # It has worked for some seconds.
        self._pause = HISTORY_PAUSE.default
        self._rows = int(said.get("rows", 0))
        self._unwritten = int(said.get("unwritten", 0))
        why = str(said.get("said", ""))
        if why != self._said:
            self._note(why or self._failed)
            self._said = why
            if why:
                _log.error("history: queries cannot be written: {said}; that is tried again each minute", said=why)
            else:
                _log.info("history: queries are written again")

    def _failure(self, failure: str) -> None:
        """
        Note why the recorder cannot begin, or that it has.
        """
        if failure == self._failed:
            return
        self._note(failure or self._said)
        self._failed = failure
        if failure:
            _log.error("the history of queries is not kept: {failure}; that is tried again", failure=failure)
        else:
            _log.info("the history of queries is kept again")

    def _note(self, wrong: str) -> None:
        if wrong and not (self._said or self._failed):
            self._since = self._today()

    def ended(self, process: _Process, reason: Failure) -> None:
        if process is not self._process:
            return
        self._process = None
        self._before += self._rows
        self._unwrittenBefore += self._unwritten
        self._rows = self._unwritten = 0
        if not self._failed:
            text = "the recorder of the history has ended: {reason}; another one begins in {pause:g} s"
            _log.error(text, reason=reason.getErrorMessage(), pause=self._pause)
        self._later()

    def figures(self) -> dict[str, float]:
        if not self._isWanted():
            return {}
        rows, unwritten = self._before + self._rows, self._unwrittenBefore + self._unwritten
        return {"historyRows": rows, "historyUnwritten": unwritten, "historyWrong": float(bool(self._said or self._failed))}

    def facts(self) -> dict[str, JSON]:
        if not self._isWanted():
            return {}
        rows = self._before + self._rows
        wrong = self._failed or self._said
        state = f"queries cannot be written: {wrong}" if wrong else f"{rows:,} queries written"
        more: dict[str, JSON] = {"wrong": wrong, "since": self._since} if wrong else {}
        return {"queryHistory": {"folder": self.folder, "rows": rows, "said": [f"history: {state}"], "shown": True, **more}}

    def _stop(self) -> None:
        self._publish(None)
        if self._again is not None:
            self._again.cancel()
            self._again = None
        process, self._process = self._process, None
        if process is not None:
            # It writes what it has, and ends.
            with suppress(ProcessExitedAlready, KeyError):
                process.transport.closeChildFD(0)

    def close(self) -> None:
        if self._began:
            self._stop()
