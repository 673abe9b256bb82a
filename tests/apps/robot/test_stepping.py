"""
Tests of running a plugin's code within its time.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock

from tests.apps.robot.robots import finished
from twisted_ext.apps.robot import stepping
from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.stepping import CURRENT, Overrun, runPlugin, within
from twisted_ext.limits import Limit

__all__: list[str] = []


class _Undefended(BaseException):
    """
    Raised in place of the defense's own alarm.
    """


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Give steps little time.
    """
    monkeypatch.setattr(stepping, "STEP_SECONDS", Limit(default=0.02, least=0.01, most=1.0))


@contextmanager
def interrupted() -> Iterator[None]:
    """
    End a loop from outside where the defense is off.
    """

    def ring(number: int, frame: object) -> None:
        raise _Undefended

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.3, 0.3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def loop() -> None:
    while True:
        pass


async def loopLater(before: Deferred[None]) -> None:
    await before
    loop()


def loopThatSwallows() -> None:
    for _ in range(3):
        try:
            loop()
        except BaseException:
            continue
    # Three alarms were swallowed; another one ends it.
    loop()


def loopThatGoesOn() -> None:
    while True:
        try:
            loop()
        except Exception:
            continue


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("function", [loop, loopThatSwallows, loopThatGoesOn, lambda: time.sleep(1e6)])
def test_endlessStepIsInterrupted(function: Callable[[], None]) -> None:
    """
    A plugin that computes or sleeps without end is interrupted, even if it handles all exceptions.
    """
    with pytest.raises(Overrun, match=r"^it kept the robot busy for more than 0\.02 s$"):
        finished(runPlugin("p", function))


def test_busyMachineIsNoFault() -> None:
    """
    A step that takes long without computing has time for some alarms: on a busy machine it may just wait for its turn.
    """

    def wait(alarms: int) -> int:
        for _ in range(alarms):
            signal.raise_signal(signal.SIGALRM)
        return alarms

    assert finished(runPlugin("p", wait, 4)) == 4
    with pytest.raises(Overrun):
        finished(runPlugin("p", wait, 5))


def test_withoutTheTimerTheRobotHangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With the defense off nothing but the test ends the loop.
    """
    monkeypatch.setattr(stepping, "_timed", lambda step: step())
    with pytest.raises(_Undefended), interrupted():
        finished(runPlugin("p", loop))


@pytest.mark.usefixtures("hasty")
def test_laterStepIsInterrupted() -> None:
    """
    Each step of a coroutine has the time for itself.
    """
    before: Deferred[None] = Deferred()
    running = runPlugin("p", loopLater, before)
    before.callback(None)
    with pytest.raises(Overrun):
        finished(running)


@pytest.mark.usefixtures("hasty")
def test_stepWithinAStepIsInterrupted() -> None:
    """
    A plugin that is called by another one is interrupted, and the other one goes on.
    """

    def outer() -> list[str]:
        faults: list[object] = []
        runPlugin("inner", loop).addBoth(faults.append)
        return [str(each) for each in faults]

    (fault,) = cast("list[str]", finished(runPlugin("outer", outer)))
    assert "Overrun" in fault


def test_noAlarmIsLeft() -> None:
    """
    After a step, the signal has the handler that it had before, and no timer runs; nothing of it is left in other threads.
    """
    before = signal.getsignal(signal.SIGALRM)
    finished(runPlugin("p", lambda: None))
    with pytest.raises(ZeroDivisionError):
        finished(runPlugin("p", lambda: 1 / 0))
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(finished(runPlugin("p", lambda: 3))))
    thread.start()
    thread.join()
    assert found == [3]


def test_resultsPass() -> None:
    """
    Functions may return values, Deferreds or coroutines, whose results and exceptions pass unchanged.
    """

    async def add(one: int, other: int) -> int:
        return await succeed(one) + await succeed(other)

    async def fail() -> None:
        raise KeyError("x")

    assert finished(runPlugin("p", add, 1, 2)) == 3
    assert finished(runPlugin("p", lambda: succeed(4))) == 4
    assert finished(runPlugin("p", lambda: 5)) == 5
    with pytest.raises(KeyError):
        finished(runPlugin("p", fail))


def test_pluginIsKnownInEveryStep() -> None:
    """
    The name of the plugin is known while its code runs, also after it has waited, and not afterwards.
    """
    waiting: Deferred[None] = Deferred()

    async def names() -> tuple[str, str]:
        first = CURRENT.get()
        await waiting
        return first, CURRENT.get()

    running = runPlugin("p", names)
    assert CURRENT.get() == ""
    waiting.callback(None)
    assert finished(running) == ("p", "p")


def test_cancelingPasses() -> None:
    """
    Canceling a call cancels what it waits for, and the coroutine can clean up.
    """
    canceled: list[object] = []
    waiting: Deferred[None] = Deferred(canceled.append)

    async def wait() -> None:
        try:
            await waiting
        finally:
            canceled.append("cleaned")

    running = runPlugin("p", wait)
    running.cancel()
    with pytest.raises(CancelledError):
        finished(running)
    assert canceled == [waiting, "cleaned"]


async def stubborn() -> None:
    """
    Go on after each cancellation.
    """
    while True:
        try:
            await Deferred()
        except CancelledError:
            continue


def test_stubbornPluginIsLeftBehind() -> None:
    """
    A call that ignores its cancellation ends nevertheless; without the defense it would hold its place for ever.
    """
    clock = Clock()
    ended = within(clock, 20, runPlugin("p", stubborn))
    clock.advance(19)
    assert not ended.called
    clock.advance(1)
    with pytest.raises(CommandError, match=r"^this took longer than 20 s$"):
        finished(ended)
    results: list[object] = []
    runPlugin("p", stubborn).addTimeout(20, clock).addBoth(results.append)
    clock.advance(20)
    assert results == []


def test_timerEndsWithTheCall() -> None:
    """
    A call that ends leaves no timer, and its result or failure is that of the call.
    """
    clock = Clock()
    waiting: Deferred[object] = Deferred()
    ended = within(clock, 20, waiting)
    waiting.callback(3)
    assert finished(ended) == 3
    assert finished(within(clock, 20, succeed(4))) == 4
    with pytest.raises(ZeroDivisionError):
        finished(within(clock, 20, runPlugin("p", lambda: 1 / 0)))
    assert clock.getDelayedCalls() == []
