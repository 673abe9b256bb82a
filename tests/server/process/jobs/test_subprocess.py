"""
Tests of helper processes.
"""

from __future__ import annotations

import os
import subprocess
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import CancelledError
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from tests.typed import failureOf, newProcessDone, unchecked
from twisted_ext.server.process.jobs.subprocess import BACKGROUND, pythonCommand, runModule


class _Processes(Clock):
    """
    A reactor that starts no process and records what was requested.
    """

    def __init__(self) -> None:
        super().__init__()
        self.signals: list[str] = []
        self.ended = False
        self.given: list[tuple[int, bytes]] = []
        # That of no process.
        self.pid = 1 << 30
        directlyProvides(self, IReactorProcess, IReactorTime)

    def spawnProcess(self, protocol: ProcessProtocol, *args: object, **keywords: object) -> _Processes:
        """
        Record the protocol and the environment.
        """
        self.protocol = protocol
        self.environment = cast("dict[str, str]", args[2])
        unchecked(protocol.makeConnection)(self)
        return self

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """
        Record what the process gets.
        """
        self.given.append((descriptor, data))

    def closeStdin(self) -> None:
        """
        Record the end of it.
        """
        self.given.append((0, b""))

    def signalProcess(self, signal: str) -> None:
        """
        Record a signal.
        """
        if self.ended:
            raise ProcessExitedAlready
        self.signals.append(signal)

    def end(self) -> None:
        """
        Let the process end.
        """
        self.ended = True
        self.protocol.processEnded(failureOf(newProcessDone(0)))


class RunModuleTests(SynchronousTestCase):
    """
    Tests for L{runModule}.
    """

    def setUp(self) -> None:
        self.reactor = _Processes()

    def test_outputIsTheResult(self) -> None:
        """
        The output of the process is the result, and no timer is left.
        """
        done = runModule(self.reactor, "x", [], seconds=10)
        self.reactor.protocol.outReceived(b"{}")
        self.assertNoResult(done)
        self.reactor.end()
        self.assertEqual(self.successResultOf(done), b"{}")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_inputAndItsEnd(self) -> None:
        """
        The process gets its input, and the end of it.
        """
        runModule(self.reactor, "x", given=b"{}").addErrback(lambda _: None)
        self.assertEqual(self.reactor.given, [(0, b"{}"), (0, b"")])
        self.reactor.end()

    def test_memoryComesInHugePages(self) -> None:
        """
        The process asks for huge pages, in addition to what the operator sets, and unless the operator decides on them.
        """
        for given, expected in (
            (None, "glibc.malloc.hugetlb=1"),
            ("glibc.malloc.arena_max=2", "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"),
            ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
        ):
            changed = {"GLIBC_TUNABLES": given} if given is not None else {}
            with patch.dict(os.environ, changed):
                if given is None:
                    os.environ.pop("GLIBC_TUNABLES", None)
                runModule(self.reactor, "x", []).addErrback(lambda _: None)
            self.assertEqual(self.reactor.environment["GLIBC_TUNABLES"], expected)
            self.reactor.end()
            self.reactor.ended = False

    def test_givesWay(self) -> None:
        """
        The process is nicer than this one from its start, by as much as is asked for.
        """
        here = os.getpriority(os.PRIO_PROCESS, 0)
        self.assertGreater(BACKGROUND, 0)
        for niceness in (BACKGROUND, 3, 0):
            with subprocess.Popen(pythonCommand("-c", "import sys; sys.stdin.read()"), stdin=subprocess.PIPE) as process:
                self.reactor.pid = process.pid
                runModule(self.reactor, "x", niceness=niceness).addErrback(lambda _: None)
                self.assertEqual(os.getpriority(os.PRIO_PROCESS, process.pid), here + niceness)
            self.reactor.end()

    def test_slowProcessIsKilled(self) -> None:
        """
        A process that exceeds its time is killed, and the caller gets an error.
        """
        done = runModule(self.reactor, "x", [], seconds=10)
        self.reactor.advance(9)
        self.assertNoResult(done)
        self.reactor.advance(1)
        self.assertEqual(self.reactor.signals, ["KILL"])
        self.assertIn("has taken more than 10 seconds", str(self.failureResultOf(done, OSError).value))
        self.reactor.end()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelKillsProcess(self) -> None:
        """
        Cancellation kills the process and leaves no timer.
        """
        done = runModule(self.reactor, "x", [], seconds=10)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual((self.reactor.signals, self.reactor.getDelayedCalls()), (["KILL"], []))
        self.reactor.end()
