"""
Tests of the history in the state folder.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import objectIn
from twisted_ext.files import STATE_FILE
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.metrics.history import History
from twisted_ext.metrics.limits import HISTORY_OCTETS, HISTORY_SAVED
from twisted_ext.server.operations.historyfile import FILE, HistoryFile


class HistoryFileTests(SynchronousTestCase):
    """
    Tests for L{HistoryFile}.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / FILE
        self.clock = Clock()

    def today(self) -> float:
        """
        Return the time of the day.
        """
        return 1_700_000_000 + self.clock.seconds()

    def start(self) -> tuple[HistoryFile, History]:
        """
        Start a server's history.
        """
        history = History(self.today)
        file = HistoryFile(self.clock, str(self.folder), history)
        file.startService()
        return file, history

    def count(self, history: History) -> None:
        """
        Count a query.
        """
        figures = Figures()
        for number in range(2):
            figures.numbers["udp"] = number
            history.note(figures, self.clock.seconds() + number)

    def stepsOf(self, history: History) -> JSON:
        """
        Return the steps of the last day.
        """
        return objectIn(history.spans()["day"])["steps"]

    def test_folderIsMade(self) -> None:
        """
        A state folder that does not exist yet is made, as for other data.
        """
        self.folder.rmdir()
        file, history = self.start()
        self.count(history)
        file.stopService()
        self.assertTrue(self.path.exists())

    def test_historyContinuesAfterARestart(self) -> None:
        """
        The next process continues the history. Other users cannot read the file.
        """
        file, history = self.start()
        self.count(history)
        file.stopService()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode) & ~STATE_FILE, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        file, later = self.start()
        self.assertEqual(self.stepsOf(later), self.stepsOf(history))
        self.assertNotEqual(self.stepsOf(later), [])
        file.stopService()

    def test_crashLosesMinutes(self) -> None:
        """
        The history is written every few minutes.
        """
        file, history = self.start()
        self.count(history)
        self.clock.advance(HISTORY_SAVED.default)
        self.assertTrue(self.path.exists())
        file.stopService()

    def test_unusableFileIsReplaced(self) -> None:
        """
        A file that is damaged, too large or a pipe is reported, and the history starts anew.
        """
        logged: list[str] = []
        self.patch(HistoryFile, "log", SimpleNamespace(warn=lambda text, **fields: logged.append(text.format(**fields))))
        for content in (b"{", b"[]", b"[" * 100_000, b" " * (int(HISTORY_OCTETS.default) + 2), b"\xff"):
            self.path.write_bytes(content)
            file, history = self.start()
            self.assertEqual(self.stepsOf(history), [])
            self.assertIn("is not used, the history starts anew", logged.pop())
            file.stopService()
            self.assertTrue(self.path.read_bytes().startswith(b'{"hour"'))
        self.path.unlink()
        os.mkfifo(self.path)
        file, history = self.start()
        self.assertIn("a file was expected", logged.pop())
        self.path.unlink()
        file.stopService()

    def test_folderThatCannotBeWritten(self) -> None:
        """
        A folder that cannot be made is reported when the history is written, and the server goes on.
        """
        logged: list[str] = []
        self.patch(HistoryFile, "log", SimpleNamespace(warn=lambda text, **fields: logged.append(text.format(**fields))))
        (self.folder / "file").touch()
        file = HistoryFile(self.clock, str(self.folder / "file" / "none"), History(self.today))
        file.startService()
        file.stopService()
        self.assertEqual(logged[1:], [f"the history is not saved in {self.folder}/file/none/{FILE}: Not a directory"])
