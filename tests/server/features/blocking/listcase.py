"""
Test cases for block lists, with processes that do not run by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import time_ns
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import observing
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.server.features.base import tables
from twisted_ext.server.features.blocking import downloads
from twisted_ext.server.process.jobs.subprocess import BACKGROUND

__all__ = ["Children", "ListCase", "tableIn"]


class Children:
    """
    Stands for the processes that read and fetch lists.

    @ivar started: the jobs of those that read, with what their end fires.
    @ivar fetching: the jobs of those that fetch.
    @ivar niceness: of each that was started.
    """

    def __init__(self) -> None:
        self.started: list[tuple[dict[str, Any], Deferred[bytes]]] = []
        self.fetching: list[tuple[dict[str, Any], Deferred[bytes]]] = []
        self.niceness: list[int] = []
        self.killed = 0

    def run(self, reactor: object, module: str, *, given: bytes, seconds: float, niceness: int = BACKGROUND) -> Deferred[bytes]:
        """
        Start one.
        """
        ended: Deferred[bytes] = Deferred(self._kill)
        kind = self.fetching if module == "twisted_ext.apps.fetchlist" else self.started
        self.niceness.append(niceness)
        kind.append((json.loads(given), ended))
        return ended

    def _kill(self, _: object) -> None:
        self.killed += 1

    def finish(self, now: Callable[[], int] = time_ns) -> None:
        """
        End the first one that reads, with its result.

        @param now: the time of files in nanoseconds.
        """
        job, ended = self.started.pop(0)
        lists = [asdict(each) for each in compileLists(job["table"], job["former"], job["lists"], job["copies"], job["lines"], now=now)]
        ended.callback(json.dumps({"lists": lists}).encode())


def tableIn(state: object) -> str:
    """
    Return the path of the table in what was published.
    """
    assert isinstance(state, dict)
    return str(state["table"])


class ListCase(SynchronousTestCase):
    """
    A folder with a list, and processes that do not run by themselves.
    """

    def setUp(self) -> None:
        self.children = Children()
        for module in (tables, downloads):
            patched = patch.object(module, "runModule", self.children.run)
            patched.start()
            self.addCleanup(patched.stop)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.list = self.folder / "ads"
        self.list.write_text("ads.example\n")
        self.logged: list[str] = []
        observer = observing(self._log)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _log(self, event: LogEvent) -> None:
        self.logged.append(formatEvent(event))
