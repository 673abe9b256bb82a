"""
Tests of hooks that hold up the server.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from tests.patience import PATIENCE
from tests.typed import observing
from twisted_ext.answers import QueryContext
from twisted_ext.hooks import PASS, Hook, Verdict
from twisted_ext.resolver.policy.hooks.called import CalledHook
from twisted_ext.resolver.policy.hooks.source import HookSource
from twisted_ext.server.features.hooks.watching import HookWatch
from twisted_ext.testing.sources import CannedSource, questionOf


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    observer = observing(lambda event: lines.append(formatEvent(event)))
    globalLogPublisher.addObserver(observer)
    yield lines
    globalLogPublisher.removeObserver(observer)


def _threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "hooks"]


def _ask(watch: HookWatch, function: Callable[..., object], wait: Deferred[None] | None = None) -> CalledHook:
    clock = Clock()
    called = CalledHook(Hook(function), clock, name="shop.py:decide")
    watch.add(called)
    source = HookSource(CannedSource(), called, clock)
    source.ask(questionOf("www.example"), QueryContext(4.0, client="192.0.2.7"))
    if wait is not None:
        wait.callback(None)
    return called


@pytest.mark.parametrize("how", ["function", "coroutine", "after await", "library"])
def test_named(told: list[str], how: str) -> None:
    """
    A hook that holds up the server is named once while it does, with the line in its own file, whether before or after it has waited.
    """
    watch, waits = HookWatch(), Deferred[None]()

    def block() -> int:
        until = time.monotonic() + PATIENCE
        while not told and time.monotonic() < until:
            # It waits in a line of a library.
            threading.Event().wait(0.05)
        # It is not named again.
        time.sleep(0.3)
        return 0

    def function(name: str) -> Verdict:
        block()
        return PASS

    async def coroutine(name: str) -> Verdict:
        await succeed(None)
        block()
        return PASS

    async def later(name: str) -> Verdict:
        await waits
        block()
        return PASS

    class Library:
        def __init__(self, reactor: object) -> None:
            pass

        def ask(self, name: str) -> Verdict:
            sorted([1], key=lambda number: number + block())
            return PASS

    hooks: dict[str, Callable[..., object]] = {"function": function, "coroutine": coroutine, "after await": later, "library": Library}
    called = _ask(watch, hooks[how], waits if how == "after await" else None)
    assert len(told) == 1
    assert re.fullmatch(rf"hook shop.py:decide has held up all answers for \d+\.\d s, at {__file__}:\d+; .*", told[0])
    assert called.runs == 0.0
    watch.remove(called)
    _gone()


def test_quick(told: list[str]) -> None:
    """
    One that waits, or is quick, is not named, and nothing watches once there is no hook.
    """
    watch = HookWatch()

    async def waits(name: str) -> Verdict:
        await Deferred()
        return PASS

    first, second = _ask(watch, waits), _ask(watch, lambda name: PASS)
    watch.add(first)
    assert _threads() == ["hooks"]
    time.sleep(0.8)
    assert told == []
    watch.remove(first)
    watch.remove(first)
    assert _threads() == ["hooks"]
    watch.remove(second)
    _gone()


def test_raises(told: list[str]) -> None:
    """
    What a hook raises ends what it runs.
    """
    watch = HookWatch()
    called = _ask(watch, lambda name: 1 / 0)
    assert called.runs == 0.0
    watch.remove(called)
    _gone()
    assert len(told) == 1


def _gone() -> None:
    until = time.monotonic() + PATIENCE
    while _threads() and time.monotonic() < until:
        time.sleep(0.02)
    assert _threads() == []
