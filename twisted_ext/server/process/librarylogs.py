"""
Bounds what libraries log by the module C{logging}, such as aioquic and hpack: one packet of a stranger can be worth a warning to them.

Without any configuration, Python prints these lines to the standard error, which is our log.
"""

from __future__ import annotations

import logging
from typing import Final

from twisted.logger import Logger, LogLevel

from twisted_ext.limits import FAULT_KINDS, FAULT_SECONDS
from twisted_ext.wire.escapes import printable

__all__ = ["LibraryLog", "boundLibraryLogs"]

#: The maximum number of characters of one line, which may contain words of a peer.
_TEXT: Final = 300

_log: Final = Logger(__name__)


class LibraryLog(logging.Handler):
    """
    Logs the first line of each kind. Further ones are summarized in one line every L{FAULT_SECONDS}, as by L{FaultLog
    <twisted_ext.transport.faultlog.FaultLog>}.

    Two lines are of one kind if they were logged at the same place. None is an error of this program: they are warnings at most.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._known: set[tuple[str, int]] = set()
        self._next = float("-inf")
        self._unsaid = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            kind = (record.pathname, record.lineno)
            now, seconds = record.created, FAULT_SECONDS.default
            # The time of the day may be set back.
            isDue = not 0.0 < self._next - now <= seconds
            if kind not in self._known and len(self._known) < FAULT_KINDS.default:
                self._known.add(kind)
                if isDue and not self._unsaid:
                    self._next = now + seconds
                self._say("{library}: {text}; such lines are counted from now on", record)
                return
            self._unsaid += 1
            if isDue:
                count, self._unsaid = self._unsaid, 0
                self._next = now + seconds
                self._say("{count} more lines of libraries, the last of them of {library}: {text}", record, count)
        except Exception:
            # As for faults: it is more important that the caller continues.
            return

    def _say(self, format: str, record: logging.LogRecord, count: int = 1) -> None:
        text = printable(record.getMessage()[:_TEXT])
        _log.emit(LogLevel.warn, format, library=record.name, text=text, count=count)


def boundLibraryLogs() -> None:
    """
    Bound the lines of libraries in this process, unless the application has configured C{logging}: then it decides about them.
    """
    if not isinstance(logging.lastResort, LibraryLog):
        logging.lastResort = LibraryLog()
