"""
The recorder: takes what processes that answer queries tell, writes it, and removes what is too old or too much.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any, Final

from twisted_ext.server.features.queryhistory.recorder.frames import HANDSHAKE, SOCKET
from twisted_ext.server.features.queryhistory.recorder.rows import Row, Rows
from twisted_ext.server.features.queryhistory.recorder.segments import (
    Segment,
    Writer,
    finish,
    removeFiles,
    segmentsIn,
    unclosed,
)
from twisted_ext.server.process.recorders.intake import Intake, Report
from twisted_ext.server.process.recorders.room import FULL, hasRoom

__all__ = ["Recorder"]

#: Rows that are written together, and seconds after which fewer are.
_BATCH: Final = 5_000
_SECONDS: Final = 1.0

#: A file is closed when it has so many rows or words, or is so many seconds old. A flood of random names makes words, which are kept in
#: memory: 300,000 of them take some 50 MB.
_ROWS: Final = 1_000_000
_WORDS: Final = 300_000
_AGE: Final = 86_400.0

#: Seconds between two looks at what is too old, and two tries to write after that was not possible.
_LOOK: Final = 60.0

#: Seconds between two reports to the parent.
_REPORT: Final = 5.0


class Recorder(Intake):
    """
    @ivar rows: how many were written.
    @ivar unwritten: how many could not be.
    """

    handshake = HANDSHAKE

    def __init__(self, folder: str, settings: Mapping[str, Any], report: Report, today: Callable[[], float] = time.time) -> None:
        """
        @param settings: C{days}, C{octets}; and C{clients}, C{key}, C{skip} and C{views}, see L{Rows}.
        @param report: called with a line for the parent.

        @raise OSError: the folder or the socket cannot be made.
        """
        self.rows = self.unwritten = 0
        self._folder = folder
        self._today = today
        self._writer: Writer | None = None
        self._waiting: list[Row] = []
        self._since = 0.0
        self._lookAt = self._writeAt = 0.0
        self._reportAt = time.monotonic() + _REPORT
        # Why nothing is written at the moment.
        self._said = ""
        self._threads: list[Thread] = []
        self.apply(settings)
        super().__init__(f"{folder}/{SOCKET}", report)
        for unfinished in unclosed(folder):
            self._finish(unfinished)

    def apply(self, settings: Mapping[str, Any]) -> None:
        self._days = float(settings.get("days", 30))
        self._octets = int(settings.get("octets", 4_000_000_000))
        key = bytes.fromhex(str(settings.get("key", "")))
        self._rows = Rows(str(settings.get("clients", "full")), key, settings.get("skip", ()), settings.get("views", ()))

    def pause(self) -> float:
        return 0.2 if self._waiting else _SECONDS

    def take(self, batch: object) -> None:
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.extend(self._rows.of(batch))
        if len(self._waiting) >= _BATCH:
            self.write()

    # -- writing

    def look(self) -> None:
        now = time.monotonic()
        if self._waiting and now - self._since >= _SECONDS:
            self.write()
        elif not self._waiting:
            # Nothing of them is to be kept.
            self.tell()
        if now >= self._lookAt:
            self._lookAt = now + _LOOK
            self._threads = [each for each in self._threads if each.is_alive()]
            self._retain()
            writer = self._writer
            if writer is not None and self._today() - writer.began >= _AGE:
                self._turn()
        if now >= self._reportAt:
            self._reportAt = now + _REPORT
            self.report(json.dumps({"rows": self.rows, "unwritten": self.unwritten, "said": self._said}))

    def write(self) -> None:
        if self._waiting:
            self._writeRows()
        self.tell()

    def _writeRows(self) -> None:
        rows, self._waiting = self._waiting, []
        now = time.monotonic()
        if now < self._writeAt:
            self.unwritten += len(rows)
            return
        try:
            if not hasRoom(self._folder):
                raise OSError(28, FULL)
            if self._writer is None:
                self._writer = Writer(self._folder, self._today())
            self._writer.write(rows)
        except (OSError, OverflowError, ValueError, sqlite3.Error) as error:
            self.unwritten += len(rows)
            self._writeAt = now + _LOOK
            self._said = str(getattr(error, "strerror", None) or error)
            if self._writer is not None and not self._writer.rows:
                self._writer.drop()
                self._writer = None
            return
        self.rows += len(rows)
        self._said = ""
        if self._writer.rows >= _ROWS or self._writer.words >= _WORDS:
            self._turn()

    def _turn(self) -> None:
        """
        Close the file that is written; the next row begins another one.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if writer.rows:
            self._finish(writer.close())
        else:
            writer.drop()

    def _finish(self, path: str) -> None:
        # In a thread: the indexes of a million rows take some seconds, most of it in SQLite, which leaves this one alone meanwhile.
        def work() -> None:
            if not finish(path):
                self.report(f"{path}: cannot be read, and is renamed or left alone")

        thread = Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _retain(self) -> None:
        """
        Remove files that are too old, and the oldest ones while there is too much.
        """
        written = "" if self._writer is None else self._writer.path
        closed = [each for each in segmentsIn(self._folder) if each.path != written]
        before = self._today() - self._days * 86_400
        size = sum([each.octets for each in segmentsIn(self._folder)])
        for each in closed:
            if size > self._octets or _lastOf(each) < before:
                size -= each.octets
                removeFiles(each.path)

    def close(self) -> None:
        super().close()
        self._turn()
        for thread in self._threads:
            thread.join()


def _lastOf(segment: Segment) -> float:
    """
    Return when the last query of a file was answered, in seconds since 1970; infinity if it is not known.
    """
    try:
        sql = sqlite3.connect(f"file:{segment.path}?mode=ro", uri=True)
        try:
            found = sql.execute("SELECT value FROM about WHERE key = 'last'").fetchone()
        finally:
            sql.close()
    except sqlite3.Error:
        return float("inf")
    return float("inf") if found is None or found[0] is None else found[0] / 1e6
