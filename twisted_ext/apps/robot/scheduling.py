"""
Run functions of plugins at regular intervals.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import CancelledError, Deferred
from zope.interface import implementer

from twisted_ext.apps.robot.interfaces import IJob, IScheduler, IStorage, RetrievalError
from twisted_ext.apps.robot.limits import JOB_SECONDS, JOBS
from twisted_ext.apps.robot.stepping import CURRENT, runPlugin
from twisted_ext.errors import CallerFault, StorageFault

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Scheduler"]

#: Seconds by which a run of a job is late at most, at random: not every robot in the world asks a server at the full hour.
_JITTER_SECONDS: Final = 60.0

#: The part of the time until a run by which it is late at most.
_JITTER: Final = 0.1


@implementer(IScheduler)
class Scheduler:
    """
    @ivar late: returns by how many seconds a run is late, of as many at most; replaced in tests.
    """

    MINUTELY = 60
    HOURLY = 3600
    DAILY = 86400
    WEEKLY = 604800

    def __init__(self, robot: Robot) -> None:
        self.late: Callable[[float], float] = partial(random.uniform, 0.0)
        self._robot = robot
        self._jobs: dict[str, set[_Job]] = {}

    def schedule(self, period: float | str, function: Callable[..., object], *arguments: object, **keywords: object) -> IJob:
        """
        @raise CallerFault: the period is not valid, or the plugin has too many jobs.
        """
        plugin = CURRENT.get()
        after = _byFields(period) if isinstance(period, str) else _bySeconds(period)
        new = plugin not in self._jobs
        jobs = self._jobs.setdefault(plugin, set())
        if len(jobs) >= JOBS.default:
            raise CallerFault(f"{plugin} has scheduled {JOBS.default} jobs already; let one job do the work of several")
        name = f"{plugin} {getattr(function, '__qualname__', '')[:100]} {period}"
        job = _Job(self, self._robot, plugin, jobs, after, partial(function, *arguments, **keywords))
        jobs.add(job)
        if new and plugin:
            self._robot.plugins.atEnd(plugin, partial(self._end, plugin))
        begun = Deferred.fromCoroutine(job.begin("" if arguments or keywords else f"run {name}"))
        begun.addErrback(self._robot.failed, plugin)
        return cast(IJob, job)

    def _end(self, plugin: str) -> None:
        for job in list(self._jobs.pop(plugin, ())):
            job.cancel()


@implementer(IJob)
@dataclass(slots=True, eq=False)
class _Job:
    """
    @ivar after: returns the first time to run after a moment; called with the last such time and the moment.
    @ivar key: the time of the last run is stored under this key, if it is not empty.
    @ivar due: when to run next.
    """

    scheduler: Scheduler
    robot: Robot
    plugin: str
    jobs: set[_Job]
    after: Callable[[float, float], float]
    function: Callable[[], object]
    key: str = ""
    due: float = 0.0
    timer: IDelayedCall | None = None
    running: Deferred[object] | None = None
    cancelled: bool = False

    async def begin(self, key: str) -> None:
        now = last = self.robot.reactor.seconds()
        self.due = self.after(now, now)
        # For shorter periods, a run that is missed costs less than storing the time of each.
        if key and self.after(self.due, self.due) - self.due > self.scheduler.HOURLY - 1:
            self.key = key
            try:
                # A clock that was wrong may have been ahead.
                last = min(now, cast(float, await IStorage(self.robot).retrieve(key, "1")))
            except (RetrievalError, StorageFault):
                self._store()
            self.due = self.after(last, last)
        self._wait()

    def cancel(self) -> None:
        self.cancelled = True
        self.jobs.discard(self)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.running is not None:
            self.running.cancel()

    def _store(self) -> None:
        if self.key:
            IStorage(self.robot).store(self.key, "1", self.robot.reactor.seconds()).addErrback(self.robot.failed, self.plugin)

    def _wait(self) -> None:
        if not self.cancelled:
            wait = self.due - self.robot.reactor.seconds()
            late = self.scheduler.late(min(abs(wait) * _JITTER, _JITTER_SECONDS))
            self.timer = self.robot.reactor.callLater(max(wait, 0.0) + late, self._run)

    def _run(self) -> None:
        self.timer = None
        # What was due until now is made up for by this run. By rounding, a timer may fire before the time.
        self.due = self.after(self.due, max(self.due, self.robot.reactor.seconds()))
        self._store()
        running = self.running = runPlugin(self.plugin, self.function)
        running.addErrback(self._failed).addBoth(self._ended)
        if self.cancelled:
            # By itself.
            running.cancel()

    def _failed(self, failure: Failure) -> None:
        if not (self.cancelled and isinstance(failure.value, CancelledError)):
            self.robot.failed(failure, self.plugin)

    def _ended(self, result: object) -> None:
        self.running = None
        self._wait()


def _bySeconds(period: float) -> Callable[[float, float], float]:
    if not JOB_SECONDS.least <= period <= JOB_SECONDS.most:
        raise CallerFault(f"a period takes {JOB_SECONDS.least:g} to {JOB_SECONDS.most:g} seconds, not {period:g}")
    return lambda last, moment: last + ((moment - last) // period + 1) * period


def _byFields(fields: str) -> Callable[[float, float], float]:
    try:
        from cronsim import CronSim, CronSimError
    except ImportError as error:
        raise CallerFault(f"{fields!r} needs cronsim, which is not installed: pip install 'twisted-ext[robot]'") from error

    def after(last: float, moment: float) -> float:
        return next(CronSim(fields, datetime.fromtimestamp(moment, UTC))).timestamp()

    try:
        if len(fields) > 100 or len(fields.split()) != 5:
            raise CronSimError("it has not five fields")
        after(0.0, 0.0)
    except (CronSimError, StopIteration) as error:
        said = str(error) or "there is no such day"
        raise CallerFault(f"{fields!r} is not a valid schedule: {said}; write minute, hour, day, month and weekday") from None
    return after
