"""
A robot for each test that asks for one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.plugin import pluginPackagePaths

import twisted.plugins
from tests.apps.robot.robots import Stage
from tests.typed import unchecked

__all__ = ["path", "staged"]


@pytest.fixture
def staged() -> Iterator[Callable[..., Stage]]:
    """
    Return a function that makes a robot with some plugins; it is stopped after the test, and nothing may be left of it.
    """
    stages: list[Stage] = []

    def make(*plugins: object, **options: object) -> Stage:
        construct: Callable[..., Stage] = Stage
        stages.append(construct(*plugins, **options))
        return stages[-1]

    yield make
    for stage in stages:
        stage.end()


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """
    A folder on C{PYTHONPATH}, with a folder of plugins in it that Twisted searches too. Modules in it are forgotten after the test.
    """
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", os.fspath(tmp_path / "config"))
    (tmp_path / "twisted" / "plugins").mkdir(parents=True)
    monkeypatch.setattr(twisted.plugins, "__path__", unchecked(pluginPackagePaths)("twisted.plugins") + twisted.plugins.__path__)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(os.fspath(tmp_path)):
            del sys.modules[name]
