"""
Tests of the templates of the console.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from unittest.mock import patch

import pytest
from jinja2 import Environment
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import formatEvent, globalLogPublisher

from tests.typed import observing
from twisted_ext.server.process.jobs import subprocess as subprocessjobs
from twisted_ext.server.process.jobs.subprocess import pythonCommand
from twisted_ext.web.console.site import templates
from twisted_ext.web.console.site.replies import RowsToMake
from twisted_ext.web.console.site.templates import PageTemplates


def test_compiledByAProcess() -> None:
    """
    What a process has compiled is taken, so that none is compiled here.
    """
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(pythonCommand("-m", templates.__name__), capture_output=True, check=True, env=environment)
    there = PageTemplates()
    there.take(done.stdout)
    with patch.object(Environment, "compile", side_effect=AssertionError("compiled here")):
        assert there.get("home") is there.get("home")
        there.get("clients")
        with pytest.raises(AssertionError, match="compiled here"):
            PageTemplates().get("clients")


def test_rowsAreMadeWhenTheyAreDrawn() -> None:
    """
    Rows are counted without being made, and each is made when it is its turn.
    """
    made: list[int] = []

    def make(number: int) -> Mapping[str, object]:
        made.append(number)
        return {"number": number}

    rows = RowsToMake(make, [1, 2])
    assert (len(rows), bool(rows), made) == (2, True, [])
    assert next(iter(rows)) == {"number": 1}
    assert made == [1]
    assert not RowsToMake(make, [])
    assert list(rows) == [{"number": 1}, {"number": 2}]


def test_withoutTheProcess() -> None:
    """
    If the process fails, or writes something else, templates are compiled when they are shown; the latter is told.
    """
    told: list[str] = []
    observer = observing(lambda event: told.append(formatEvent(event)))
    globalLogPublisher.addObserver(observer)
    try:
        for outcome in (OSError("no process"), b"nonsense", CancelledError()):
            there, done = PageTemplates(), Deferred[bytes]()
            with patch.object(subprocessjobs, "runModule", lambda reactor, module, seconds, done=done: done):
                there.prepare(object())
            if isinstance(outcome, bytes):
                done.callback(outcome)
            else:
                done.errback(outcome)
            there.close()
            assert there.get("home") is there.get("home")
    finally:
        globalLogPublisher.removeObserver(observer)
    assert told == ["while the pages of the console are compiled"]
