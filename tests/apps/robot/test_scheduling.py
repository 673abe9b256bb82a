"""
Tests of L{twisted_ext.apps.robot.scheduling}.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred, succeed

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot import scheduling
from twisted_ext.apps.robot.interfaces import IJob, IScheduler, IStorage
from twisted_ext.apps.robot.plugin import RobotPlugin
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.errors import CallerFault
from twisted_ext.limits import Limit

__all__: list[str] = []


class Timed(RobotPlugin):
    """
    Schedules a job.

    @ivar job: what it schedules; L{None} for the plugin's own.
    @ivar runs: when it has run.
    """

    def __init__(self, period: float | str, job: Callable[[], object] | None = None) -> None:
        super().__init__("timed")
        self.period = period
        self.job = job
        self.runs: list[float] = []

    def init(self, robot: Robot) -> None:
        self.robot = robot
        self.scheduled: IJob = IScheduler(robot).schedule(self.period, self.run)

    def run(self) -> object:
        self.runs.append(self.robot.reactor.seconds())
        return self.job and self.job()


class SchedulerTests(RobotCase):
    def begin(self, period: float | str, job: Callable[[], object] | None = None, *, late: bool = False) -> Timed:
        """
        Start the robot with a plugin that has scheduled a job.
        """
        timed = Timed(period, job)
        self.stop()
        self.start(others=[timed], late=late)
        self.result(self.robot.plugins.load("timed"))
        return timed

    def advance(self, seconds: float, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(seconds)

    def test_regularly(self) -> None:
        """
        A function is called after each period.
        """
        timed = self.begin(90)
        self.advance(1, 300)
        self.assertEqual(timed.runs, [90, 180, 270])

    def test_argumentsArePassed(self) -> None:
        """
        The function gets the arguments that were given with it.
        """
        found: list[object] = []
        job = IScheduler(self.robot).schedule(60, lambda *arguments, **keywords: found.append((arguments, keywords)), 1, a=2)
        self.advance(60)
        job.cancel()
        self.assertEqual(found, [((1,), {"a": 2})])

    def test_periods(self) -> None:
        """
        The names of the paper are seconds.
        """
        scheduler = IScheduler(self.robot)
        periods = [scheduler.MINUTELY, scheduler.HOURLY, scheduler.DAILY, scheduler.WEEKLY]
        self.assertEqual(periods, [60, 60 * 60, 60 * 60 * 24, 60 * 60 * 24 * 7])

    def test_fields(self) -> None:
        """
        Five fields are read as by crontab, in UTC.
        """
        self.clock.advance(datetime(2026, 11, 20, 17, 40, tzinfo=UTC).timestamp())
        timed = self.begin("*/15 8-18 * * 1-5")
        # From Friday to Monday.
        self.advance(300, 12 * 63)
        found = [datetime.fromtimestamp(run, UTC).strftime("%d %H:%M") for run in timed.runs]
        self.assertEqual(found[:6], ["20 17:45", "20 18:00", "20 18:15", "20 18:30", "20 18:45", "23 08:00"])

    def test_wrongPeriods(self) -> None:
        """
        A period that is too short or too long, and fields that are not valid, are refused in one line.
        """
        for period, said in (
            (0.5, "a period takes 1 to 3.16224e+07 seconds, not 0.5"),
            (float("nan"), "a period takes 1 to 3.16224e+07 seconds, not nan"),
            ("* * * *", "it has not five fields"),
            ("* * * * * *", "it has not five fields"),
            ("61 * * * *", "Bad minute"),
            ("0 0 30 2 *", "Bad day-of-month"),
            ("* * */20 * 1L", "there is no such day"),
            ("*" * 200, "it has not five fields"),
        ):
            error = self.assertRaises(CallerFault, IScheduler(self.robot).schedule, period, list)
            self.assertIn(said, str(error))
            self.assertNotIn("\n", str(error))

    def test_withoutTheLibrary(self) -> None:
        """
        Where cronsim is not installed, the error names the extra. Seconds need none.
        """
        with mock.patch.dict("sys.modules", {"cronsim": None}):
            error = self.assertRaises(CallerFault, IScheduler(self.robot).schedule, "0 * * * *", list)
            IScheduler(self.robot).schedule(60, list).cancel()
        self.assertIn("pip install 'twisted-ext[robot]'", str(error))

    def test_exceptionsAreSurvived(self) -> None:
        """
        A job that raises is logged with its traceback once, and runs again.
        """

        def fail() -> None:
            raise ZeroDivisionError

        timed = self.begin(60, fail)
        self.advance(60, 3)
        self.assertEqual(len(timed.runs), 3)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_longJob(self) -> None:
        """
        No run begins while the last one lasts. Those that were missed are made up for by one, and the times stay the same.
        """
        lasting: list[Deferred[None]] = []

        def last() -> Deferred[None]:
            lasting.append(Deferred())
            return lasting[-1]

        timed = self.begin(60, last)
        self.advance(10, 25)
        self.assertEqual(timed.runs, [60])
        lasting[0].callback(None)
        self.advance(0)
        lasting[1].callback(None)
        self.advance(10, 6)
        self.assertEqual(timed.runs, [60, 250, 300])

    def test_pause(self) -> None:
        """
        After a pause, the runs that were missed are made up for by one.
        """
        timed = self.begin(60)
        self.advance(1000)
        self.advance(1, 21)
        self.assertEqual(timed.runs, [1000, 1020])

    def test_restart(self) -> None:
        """
        A run that was missed while the robot was not running is made up for by one, and otherwise the times stay the same.
        """
        day = 86400
        for period in (day, "0 0 * * *"):
            first = self.begin(period)
            start = self.clock.seconds()
            self.advance(3600, 30)
            self.assertEqual(first.runs, [start + day])
            second = self.begin(period)
            self.advance(3600, 10)
            self.assertEqual(second.runs, [])
            self.stop()
            self.advance(day, 3)
            self.start()
            third = self.begin(period)
            missed = self.clock.seconds()
            self.advance(0)
            self.advance(3600, 24)
            self.assertEqual(third.runs, [missed, start + 5 * day])
            # To the next midnight.
            self.stop()
            self.advance(day - self.clock.seconds() % day)
            self.start()

    def test_restartBeforeTheFirstRun(self) -> None:
        """
        A robot that never runs for as long as a period runs the job nevertheless.
        """
        runs: list[float] = []
        for _ in range(8):
            timed = self.begin(86400)
            self.advance(3600, 20)
            runs += timed.runs
        self.assertEqual(runs, [86400 * number for number in range(1, 7)])

    def test_shortPeriodsAreNotStored(self) -> None:
        """
        Runs that are less than an hour apart are not made up for over a restart, and write nothing.
        """
        self.begin(600)
        writes = self.database.write
        self.patch(self.database, "write", lambda *arguments: self.fail("the database was written to"))
        self.advance(600, 3)
        self.patch(self.database, "write", writes)

    def test_clockThatWasAhead(self) -> None:
        """
        A run that is stored with a time in the future, by a clock that was wrong, does not stop the job.
        """
        self.begin(3600)
        self.successResultOf(IStorage(self.robot).store("run timed Timed.run 3600", "1", 1e12))
        timed = self.begin(3600)
        self.advance(3600)
        self.assertEqual(timed.runs, [3600])

    def test_late(self) -> None:
        """
        Runs are late at random, at most by a tenth of the period and by a minute, and the times do not drift.
        """
        for period, most in ((100, 10), (86400, 60)):
            timed = self.begin(period, late=True)
            start = self.clock.seconds()
            for _ in range(20):
                # To the moment of the run.
                (call,) = self.clock.getDelayedCalls()
                self.advance(call.getTime() - self.clock.seconds())
            late = [run - start - period * (number + 1) for number, run in enumerate(timed.runs)]
            self.assertEqual(len(late), 20)
            self.assertTrue(all(0 <= each <= most for each in late), late)
            self.assertGreater(len(set(late)), 10)

    def test_earlyTimer(self) -> None:
        """
        A timer that fires a moment too early, by rounding, does not make the job run twice.
        """
        for period in (60, "* * * * *"):
            timed = self.begin(period)
            (call,) = self.clock.getDelayedCalls()
            call.reset(59.999)
            self.advance(59.9995)
            self.advance(0.0005)
            self.assertEqual(len(timed.runs), 1)
            # To the next full minute.
            self.advance(60)

    def test_endsWithThePlugin(self) -> None:
        """
        The jobs of a plugin end when it is unloaded, also a run that waits; that is not an error.
        """
        cancelled: list[Deferred[None]] = []
        timed = self.begin(60, lambda: Deferred(cancelled.append))
        self.advance(60)
        self.result(self.robot.plugins.unload("timed"))
        self.advance(60, 3)
        self.assertEqual((len(timed.runs), len(cancelled)), (1, 1))

    def test_afterThePlugin(self) -> None:
        """
        Code of a plugin that still runs after it was unloaded schedules nothing.
        """
        waiting: Deferred[None] = Deferred()

        async def job() -> None:
            try:
                await waiting
            except CancelledError:
                timed.init(self.robot)

        timed = self.begin(60, job)
        self.advance(60)
        self.result(self.robot.plugins.unload("timed"))
        self.advance(60, 3)
        self.assertEqual(len(timed.runs), 1)

    def test_cancelledByItself(self) -> None:
        """
        A job can cancel itself, in its first step or later.
        """

        async def atOnce() -> None:
            timed.scheduled.cancel()
            await Deferred(cancelled.append)

        async def later() -> None:
            await succeed(None)
            await waiting
            timed.scheduled.cancel()

        cancelled: list[Deferred[object]] = []
        waiting: Deferred[None] = Deferred()
        for job in (atOnce, later):
            timed = self.begin(60, job)
            self.advance(60)
        self.assertEqual(len(cancelled), 1)
        waiting.callback(None)
        self.advance(60, 3)
        self.assertEqual(len(timed.runs), 1)

    def test_jobsAreBounded(self) -> None:
        """
        A plugin cannot schedule jobs without end; the ones that it has cancelled do not count.
        """
        self.patch(scheduling, "JOBS", Limit(default=2, least=1, most=9))
        for _ in range(5):
            IScheduler(self.robot).schedule(60, list).cancel()
        jobs = [IScheduler(self.robot).schedule(60, list) for _ in range(2)]
        self.assertRaises(CallerFault, IScheduler(self.robot).schedule, 60, list)
        for job in jobs:
            job.cancel()
