"""
Tests of L{twisted_ext.server.process.reloads}.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from unittest.mock import patch

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.process.reloads import Reloads
from twisted_ext.server.settings.changes import NOTHING

_T = TypeVar("_T")


class ReloadsTests(SynchronousTestCase):
    """
    The steps of a reload, with a server and zones that note them.
    """

    def setUp(self) -> None:
        self.steps: list[str] = []
        self.settings = Settings()
        self.lines: list[str] = []
        self.zoneLines: list[str] = []
        self.fault = ""
        threads = patch("twisted_ext.server.process.reloads.inThread", lambda reactor, work: maybeDeferred(work))
        threads.start()
        self.addCleanup(threads.stop)
        zoneSets = SimpleNamespace(
            read=self.read,
            check=lambda settings, zones: self.note("check", 0),
            reload=lambda settings, zones: self.note("reload", succeed(self.zoneLines)),
        )
        self.reloads = Reloads(Clock(), lambda: self.note("reread", Settings.of(stale=61)), self, cast(Any, zoneSets))

    def note(self, step: str, result: _T | None = None) -> _T:
        self.steps.append(step)
        if self.fault == step:
            raise BadDescription("no")
        return cast(_T, result)

    def read(self, settings: Settings) -> Deferred[list[object]]:
        return maybeDeferred(lambda: self.note("read", list[object]()))

    def prepare(self, settings: Settings) -> Callable[[], Deferred[list[str]]]:
        self.note("prepare", 0)
        return lambda: self.note("go over", succeed(self.lines))

    def test_steps(self) -> None:
        """
        All is read and checked before the server goes over to anything.
        """
        self.successResultOf(self.reloads.reload())
        self.assertEqual(self.steps, ["reread", "prepare", "read", "check", "go over", "reload"])

    def test_faults(self) -> None:
        """
        What cannot be used ends the reload before anything has changed, and the next one begins anew.
        """
        for step in ("reread", "prepare", "read", "check"):
            self.fault = step
            self.steps.clear()
            self.failureResultOf(self.reloads.reload(), BadDescription)
            self.assertEqual(self.steps[-1], step)
        self.fault = ""
        self.successResultOf(self.reloads.reload())

    def test_lines(self) -> None:
        """
        The lines are those about settings, then those about zones; that nothing has changed is said only if that is so of both.
        """
        for lines, zoneLines, told in (
            (["a: 1 is now 2"], ["example.org. is new"], ["a: 1 is now 2", "example.org. is new"]),
            ([NOTHING], ["example.org. is new"], ["example.org. is new"]),
            ([NOTHING], [], [NOTHING]),
        ):
            self.lines, self.zoneLines = lines, zoneLines
            self.assertEqual(self.successResultOf(self.reloads.reload()), told)

    def test_withoutSettings(self) -> None:
        """
        A server whose settings are written nowhere has none to read again.
        """
        self.failureResultOf(Reloads(Clock(), None, self, None).reload(), BadDescription)
