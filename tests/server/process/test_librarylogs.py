"""
Tests of the bounds on what libraries log.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from unittest import mock

from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import observing
from twisted_ext.limits import FAULT_KINDS
from twisted_ext.server.process import librarylogs
from twisted_ext.server.process.librarylogs import LibraryLog, boundLibraryLogs

#: A process without a configuration of C{logging}, whose server gets first datagrams of two kinds that are wrong, from spoofed addresses.
_FLOOD = """
import sys
from twisted.logger import globalLogBeginner, eventAsText
from tests.attacks.test_quicfloods import _SERVER, initial
from tests.transport.quic.peers import QuicTestCase
from twisted_ext.server.process.librarylogs import boundLibraryLogs
def show(event):
    print(event["log_level"].name, eventAsText(event, includeSystem=False), file=sys.__stdout__)
globalLogBeginner.beginLoggingTo([show])
boundLibraryLogs()
class Flood(QuicTestCase):
    def runTest(self):
        listener = self.serve(halfOpen=20_000)
        for number in range(400):
            self.network.inject(initial("h9"), (f"198.51.{number >> 8}.{number & 255}", 4000), _SERVER)
        self.network.advance(1.0)
        self.assertEqual(listener.servings.replies.counters.tlsFailed, 400)
import unittest
assert unittest.TextTestRunner(stream=sys.__stdout__).run(Flood()).wasSuccessful()
"""


class LibraryLogTests(SynchronousTestCase):
    """
    Tests for L{LibraryLog}.
    """

    def setUp(self) -> None:
        self.events: list[LogEvent] = []
        observer = observing(self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.log = LibraryLog()

    def lines(self) -> list[str]:
        """
        Return what was logged.
        """
        return [formatEvent(event) for event in self.events]

    def say(self, text: str, now: float = 0.0, place: int = 1, level: int = logging.WARNING) -> None:
        """
        Log a line as a library does.
        """
        record = logging.LogRecord("quic", level, "connection.py", place, text, (), None)
        record.created = now
        if level >= self.log.level:
            self.log.handle(record)

    def test_repeatedLinesAreCounted(self) -> None:
        """
        The first line of a kind is logged. A thousand more get a line every ten seconds with their number.
        """
        for number in range(1000):
            self.say(f"no. {number}", number / 16)
        first, *others = self.lines()
        self.assertEqual(first, "quic: no. 0; such lines are counted from now on")
        self.assertEqual([line.partition(",")[0] for line in others], [f"{n} more lines of libraries" for n in [160] * 6])

    def test_kindsAreLimited(self) -> None:
        """
        A line of another place is another kind. The number of kinds is limited.
        """
        for place in range(int(FAULT_KINDS.default) * 2):
            self.say("wrong", place=place)
        self.assertEqual(len(self.events), FAULT_KINDS.default)

    def test_clockIsSetBack(self) -> None:
        """
        Lines are logged on although the time of the day was set back by a year.
        """
        for now in (0.0, 1.0, -3e7, -3e7 + 1):
            self.say("wrong", now)
        self.assertEqual(len(self.events), 2)

    def test_wordsOfPeers(self) -> None:
        """
        A line stays one line of bounded length, and an error of a library is a warning to us.
        """
        self.say("a\nb" + "c" * 10_000, level=logging.ERROR)
        self.say("only for debugging", place=2, level=logging.INFO)
        (event,) = self.events
        self.assertEqual(event["log_level"].name, "warn")
        self.assertIn("a\\nbccc", formatEvent(event))
        self.assertLess(len(formatEvent(event)), 400)

    def test_logNeverRaises(self) -> None:
        """
        A line that cannot be logged raises nothing.
        """
        with mock.patch.object(librarylogs, "printable", side_effect=MemoryError):
            self.say("wrong")
        self.assertEqual(self.events, [])

    def test_applicationsDecide(self) -> None:
        """
        It takes the place of what Python does with lines for which no handler is configured, once.
        """
        self.patch(logging, "lastResort", logging.lastResort)
        boundLibraryLogs()
        bounds = logging.lastResort
        boundLibraryLogs()
        self.assertIsInstance(bounds, LibraryLog)
        self.assertIs(bounds, logging.lastResort)


def test_floodOfHandshakes() -> None:
    """
    Hundreds of datagrams with a protocol that the server does not have leave one line of aioquic and one with the reason, and no error.
    """
    done = subprocess.run([sys.executable, "-c", _FLOOD], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    levels = [line.partition(" ")[0] for line in done.stdout.splitlines() if "rotocol" in line or "ALPN" in line]
    assert levels == ["warn", "info"], done.stdout
    assert "rotocol" not in done.stderr
