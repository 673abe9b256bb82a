"""
Run the code of plugins: a step that takes too long is interrupted, whether it waits or computes.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from inspect import iscoroutine
from time import thread_time
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, cast

from twisted.internet.defer import Deferred, maybeDeferred

from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.limits import STEP_SECONDS

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["CURRENT", "Overrun", "runPlugin", "within"]

_T = TypeVar("_T")

#: The name of the plugin whose code runs: what it schedules and adds is removed with it.
CURRENT: Final[ContextVar[str]] = ContextVar("CURRENT", default="")


class Overrun(CommandError):
    """
    A plugin has kept the reactor for too long.
    """

    def __str__(self) -> str:
        return f"it kept the robot busy for more than {STEP_SECONDS.default:g} s"


class _Alarm(BaseException):
    """
    Raised in a plugin's code, which does not handle it as a fault of its own, because it is not an L{Exception}.
    """


#: After this many alarms a step is interrupted even if it has not computed: it sleeps, or waits for a disk.
_ALARMS: Final = 5

#: Of the step that runs: the CPU time at its beginning, and after it an entry for each alarm.
_running: Final[list[float]] = []


def _ring(number: int, frame: FrameType | None) -> None:
    if _running:
        _running.append(thread_time())
        # On a busy machine the step may just not have had its turn.
        if len(_running) > _ALARMS or _running[-1] - _running[0] >= STEP_SECONDS.default / 2:
            raise _Alarm


def _bounded(step: Callable[[], _T]) -> _T:
    """
    Call a function. If it takes too long, it is interrupted, and again as often until it returns.

    @raise Overrun: it was interrupted.
    """
    try:
        if _running or threading.current_thread() is not threading.main_thread():
            # A step within a step is interrupted by the timer of the outer one, and only the main thread gets signals.
            return step()
        return _timed(step)
    except _Alarm:
        raise Overrun from None


def _timed(step: Callable[[], _T]) -> _T:
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        try:
            _running.append(thread_time())
            signal.setitimer(signal.ITIMER_REAL, STEP_SECONDS.default, STEP_SECONDS.default)
            return step()
        finally:
            # From here on an alarm does nothing. One that came just before is followed by none for a long time.
            _running.clear()
    finally:
        _running.clear()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _inSteps(running: Coroutine[object, object, object]) -> Generator[Deferred[object], object, object]:
    step: Callable[[], object] = partial(running.send, None)
    while True:
        try:
            waited = _bounded(step)
        except StopIteration as end:
            return end.value
        try:
            result = yield cast("Deferred[object]", waited)
            step = partial(running.send, result)
        except GeneratorExit:
            running.close()
            raise
        except BaseException as error:
            step = partial(running.throw, error)


def runPlugin(plugin: str, function: Callable[..., object], *arguments: object) -> Deferred[object]:
    """
    Call a function of a plugin, which may be a coroutine function or return a Deferred.

    @return: fails with L{Overrun} if one of its steps takes too long. Cancelling it cancels what it waits for.
    """

    def start() -> object:
        token = CURRENT.set(plugin)
        try:
            result = _bounded(partial(function, *arguments))
            return Deferred.fromCoroutine(_inSteps(result)) if iscoroutine(result) else result
        finally:
            CURRENT.reset(token)

    return maybeDeferred(start)


def within(reactor: IReactorTime, seconds: float, running: Deferred[object]) -> Deferred[object]:
    """
    Cancel a Deferred after a time, and fail with L{CommandError} then, even if it ignores that.
    """
    ended: Deferred[object] = Deferred(lambda _: running.cancel())

    def end(result: object) -> None:
        if not ended.called:
            ended.callback(result)

    running.addBoth(end)
    return ended if ended.called else ended.addTimeout(seconds, reactor, _tookLonger)


def _tookLonger(result: object, seconds: float) -> NoReturn:
    raise CommandError(f"this took longer than {seconds:g} s")
