"""
Tests of heartbeats: the parent ends a worker that hangs, and spares a worker that is busy.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.patience import PATIENCE
from tests.server.process.test_workers import Process, Processes
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import WORKER_BEAT, WORKER_BUSY, WORKER_SETTLED, WORKER_SILENT, WORKER_STARTING
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.process.jobs.subprocess import stateOf
from twisted_ext.server.process.workers import Workforce

#: Seconds between two checks by the parent.
_STEP = 0.5


class HeartbeatTests(SynchronousTestCase):
    """
    Tests with two workers, of which the first is tested.
    """

    def setUp(self) -> None:
        self.reactor = Processes()
        self.states: dict[int, str] = {}
        self.logged: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            self.logged.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        bound = [[Bound("127.0.0.1", 53)], [Bound("127.0.0.1", 53)]]
        self.force = Workforce(
            self.reactor, Settings.of(), bound, bytes(16), stateOf=lambda process: self.states.get(process, "S")
        )
        self.force.startService()
        self.addCleanup(self.end)
        for process in self.reactor.started:
            process.writeLine(ready=True)
        self.run_(WORKER_SETTLED.default)

    def end(self) -> None:
        """
        Stop, and check that no timer is left.
        """
        done = self.force.stopService()
        for process in self.reactor.started:
            if not process.over:
                process.end(signal.SIGTERM)
        self.successResultOf(done)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def run_(self, seconds: float, *deaf: Process) -> None:
        """
        Let time pass, in which workers answer heartbeats unless they are deaf.
        """
        for _ in range(round(seconds / _STEP)):
            for process in self.reactor.started:
                if not (process.over or process.signals or process in deaf):
                    process.writeLine(beat=True)
            self.reactor.advance(_STEP)

    def test_answeringWorkerIsSpared(self) -> None:
        """
        Each worker gets a heartbeat every other second, and a worker that answers is not ended.
        """
        first, second = self.reactor.started
        before = [each["do"] for each in first.received].count("beat")
        self.run_(60)
        self.assertEqual([each["do"] for each in first.received].count("beat") - before, 60 / WORKER_BEAT.default)
        self.assertEqual((first.signals, second.signals), ([], []))

    def test_hangingWorkerIsReplaced(self) -> None:
        """
        A worker that is silent and does not run is ended within four seconds, and the log has the reason; the other worker is not affected.
        """
        first, second = self.reactor.started
        self.states[first.pid] = "T"
        self.run_(WORKER_SILENT.default + _STEP, first)
        self.assertEqual((first.signals, second.signals), (["KILL"], []))
        self.assertEqual(
            [line for line in self.logged if "hangs" in line],
            ["worker 0 hangs: it has answered no heartbeat for 3.5 s and is stopped; another one replaces it"],
        )
        first.end()
        self.reactor.advance(0)
        self.assertEqual(len(self.reactor.started), 3)

    def test_hangingWorkerIsKilledOnce(self) -> None:
        """
        A worker that takes some time to end is killed only once.
        """
        first, _ = self.reactor.started
        self.run_(WORKER_SILENT.default + 4 * _STEP, first)
        self.assertEqual(first.signals, ["KILL"])

    def test_busyWorkerGetsMoreTime(self) -> None:
        """
        A worker that runs, waits for a disk or is in an unknown state gets more time, but not forever.
        """
        first, second = self.reactor.started
        for state in ("R", "D", ""):
            self.states[first.pid] = state
            self.run_(WORKER_BUSY.default - 2 * _STEP, first)
            self.assertEqual(first.signals, [])
            first.writeLine(beat=True)
        self.run_(WORKER_BUSY.default + _STEP, first)
        self.assertEqual((first.signals, second.signals), (["KILL"], []))

    def test_anyLineCountsAsHeartbeat(self) -> None:
        """
        Any line from a worker counts as a sign of life.
        """
        first, _ = self.reactor.started
        for _ in range(20):
            self.run_(1, first)
            first.writeLine(id=999, value=None)
        self.assertEqual(first.signals, [])

    def test_suspendedParentKillsNoWorker(self) -> None:
        """
        A parent that was suspended for a time ends no worker for lines that it has not read.
        """
        self.reactor.advance(600)
        self.run_(10)
        self.assertEqual([process.signals for process in self.reactor.started], [[], []])

    def test_startingWorkerGetsAMinute(self) -> None:
        """
        A worker that is starting gets a minute.
        """
        first, _ = self.reactor.started
        first.end()
        self.reactor.advance(0)
        third = self.reactor.started[-1]
        self.run_(WORKER_STARTING.default - 2, third)
        self.assertEqual(third.signals, [])
        self.run_(4, third)
        self.assertEqual(third.signals, ["KILL"])


class StateTests(SynchronousTestCase):
    """
    Tests for L{stateOf}.
    """

    def test_stateOfProcess(self) -> None:
        """
        C{stateOf} returns the state letter of a process, and an empty string for a process that does not exist.
        """
        self.assertEqual(stateOf(os.getpid()), "R")
        with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
            os.kill(child.pid, signal.SIGSTOP)
            giveUp = time.monotonic() + PATIENCE
            while stateOf(child.pid) != "T" and time.monotonic() < giveUp:
                time.sleep(0.01)
            self.assertEqual(stateOf(child.pid), "T")
            child.kill()
        self.assertEqual(stateOf(child.pid), "")
        self.assertEqual(stateOf(0), "")
