"""
Keeps the recorder of the history running.
"""

from __future__ import annotations

import os
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow, replacingFile
from twisted_ext.server.features.queryhistory.recorder.frames import SOCKET
from twisted_ext.server.features.queryhistory.recorder.rows import KEY, KEY_OCTETS
from twisted_ext.server.features.queryhistory.settings import QueryHistorySettings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.process.recorders.keeper import RecorderKeeper
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["HistoryKeeper"]

_log: Final = Logger(__name__)

#: The folder of the history in that of the state.
_FOLDER: Final = "history"

_NO_FOLDER: Final = "query-history needs a folder where it is kept; set state"


class HistoryKeeper(RecorderKeeper):
    """
    Runs the recorder while the settings want a history.
    """

    module = "twisted_ext.server.features.queryhistory.recorder"
    about = "history"
    process = "the recorder of the history"
    stopped = "the history of queries is not kept"
    resumed = "the history of queries is kept again"

    def __init__(self, reactor: IReactorTime, settings: Settings, today: Callable[[], float] = time) -> None:
        super().__init__(reactor, settings)
        self._today = today
        self._rows = self._before = 0
        # Queries that it was told and could not write, and those of its predecessors.
        self._unwritten = self._unwrittenBefore = 0
        # Why nothing is written.
        self._said = ""
        # Since when, in seconds since 1970.
        self._since = 0.0
        if self.isWanted() and self.missing():
            raise BadDescription(self.missing())

    @property
    def folder(self) -> str:
        return f"{os.path.abspath(self.settings.stateFolder())}/{_FOLDER}"

    @property
    def socketPath(self) -> str:
        return f"{self.folder}/{SOCKET}"

    def isWanted(self) -> bool:
        return self.settings[QueryHistorySettings].queryHistory

    def missing(self) -> str:
        return "" if self.settings.stateFolder() else _NO_FOLDER

    def orders(self) -> dict[str, object]:
        wanted = self.settings[QueryHistorySettings]
        views = [each.name for each in viewsOf(self.settings) if not each.settings[QueryHistorySettings].queryHistory]
        told: dict[str, object] = {
            "days": wanted.queryHistoryDays,
            "octets": wanted.queryHistorySize,
            "clients": wanted.queryHistoryClients,
            "skip": [nameFromText(each).hex() for each in wanted.queryHistorySkip],
            "views": views,
        }
        if wanted.queryHistoryClients == "hash":
            told["key"] = self._key().hex()
        return told

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

    def reported(self, said: Mapping[str, JSON]) -> None:
        rows, unwritten = said.get("rows"), said.get("unwritten")
        self._rows = rows if isinstance(rows, int) else 0
        self._unwritten = unwritten if isinstance(unwritten, int) else 0
        why = str(said.get("said", ""))
        if why != self._said:
            self._note(why or self.failed)
            self._said = why
            if why:
                _log.error("history: queries cannot be written: {said}; that is tried again each minute", said=why)
            else:
                _log.info("history: queries are written again")

    def changed(self, failure: str) -> None:
        self._note(failure or self._said)

    def _note(self, wrong: str) -> None:
        if wrong and not (self._said or self.failed):
            self._since = self._today()

    def lost(self) -> None:
        self._before += self._rows
        self._unwrittenBefore += self._unwritten
        self._rows = self._unwritten = 0

    def figures(self) -> dict[str, float]:
        if not self.isWanted():
            return {}
        rows, unwritten = self._before + self._rows, self._unwrittenBefore + self._unwritten
        return {"historyRows": rows, "historyUnwritten": unwritten, "historyWrong": float(bool(self._said or self.failed))}

    def facts(self) -> dict[str, JSON]:
        if not self.isWanted():
            return {}
        rows = self._before + self._rows
        wrong = self.failed or self._said
        state = f"queries cannot be written: {wrong}" if wrong else f"{rows:,} queries written"
        more: dict[str, JSON] = {"wrong": wrong, "since": self._since} if wrong else {}
        return {"queryHistory": {"folder": self.folder, "rows": rows, "said": [f"history: {state}"], "shown": True, **more}}
