"""
Keeps the history of the figures in the state folder, so that the status page shows the last day after a restart.
"""

from __future__ import annotations

import json
import os
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_ext.files import STATE_FILE, STATE_FOLDER, openNow, replacingFile
from twisted_ext.metrics.history import History
from twisted_ext.metrics.limits import HISTORY_OCTETS, HISTORY_SAVED
from twisted_ext.server.process.jobs.subprocess import inThread

__all__ = ["FILE", "HistoryFile"]

#: The name of the file.
FILE: Final = "history.json"


class HistoryFile(Service):
    """
    Reads the history at start, and writes it every few minutes and at the end. It has counts only, neither names nor clients.
    """

    log = Logger(__name__)

    def __init__(self, reactor: IReactorTime, folder: str, history: History) -> None:
        self.path = os.path.join(folder, FILE)
        self._reactor = reactor
        self._history = history
        self._saving: LoopingCall | None = None

    def startService(self) -> None:
        self.running = 1
        try:
            with open(self.path, "rb", opener=openNow) as file:
                octets = file.read(int(HISTORY_OCTETS.default) + 1)
            if len(octets) > HISTORY_OCTETS.default:
                raise ValueError("it is too large")
            self._history.restore(json.loads(octets))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            self.log.warn("{path} is not used, the history starts anew: {error}", path=self.path, error=error)
        self._saving = LoopingCall(self._save)
        self._saving.clock = self._reactor
        self._saving.start(HISTORY_SAVED.default, now=False).addErrback(
            lambda failure: self.log.failure("while saving the history", failure=failure)
        )

    def _save(self) -> Deferred[None]:
        octets = self._octets()
        return inThread(self._reactor, lambda: self._write(octets))

    def _octets(self) -> bytes:
        return json.dumps(self._history.saved(), separators=(",", ":")).encode("ascii")

    def _write(self, octets: bytes) -> None:
        try:
            os.makedirs(os.path.dirname(self.path), STATE_FOLDER, exist_ok=True)
            with replacingFile(self.path, new=STATE_FILE) as file:
                file.write(octets)
        except OSError as error:
            self.log.warn("the history is not saved in {path}: {error}", path=self.path, error=error.strerror or error)

    def stopService(self) -> None:
        self.running = 0
        if self._saving is not None and self._saving.running:
            self._saving.stop()
        # Some 100 KB, once: this process ends now.
        self._write(self._octets())
