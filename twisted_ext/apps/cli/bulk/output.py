"""
Writes the lines of C{txdns bulk}: complete lines only, and no faster than the reader takes them.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IWriteDescriptor
from zope.interface import implementer

from twisted_ext.limits import BULK_OUTPUT

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

__all__ = ["LineWriter"]

#: Octets that a writable pipe accepts without blocking (PIPE_BUF of POSIX; 4096 on Linux).
_PIECE: Final = 4096

#: Lines to collect before they are written.
_BATCH: Final = 256

#: Seconds after which fewer lines are written.
_PATIENCE: Final = 0.05


@implementer(IWriteDescriptor)
class LineWriter:
    """
    Writes lines to a file, or to a pipe without blocking.

    @ivar write: takes one line, including its newline.
    @ivar full: whether the backlog is so large that the producer should pause.
    @ivar broken: the error that ended the output, if any.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        clock: IReactorTime,
        fileno: int,
        *,
        drained: Callable[[], object] = lambda: None,
        failed: Callable[[OSError], object] = lambda error: None,
    ) -> None:
        """
        @param drained: called when C{full} becomes false.
        @param failed: called with the error when nothing more can be written.
        """
        self._reactor = reactor
        self._clock = clock
        self._fileno = fileno
        self._drained = drained
        self._failed = failed
        self._plain = stat.S_ISREG(os.fstat(fileno).st_mode)
        self._lines: list[str] = []
        self._backlog = bytearray()
        self._timer: IDelayedCall | None = None
        self._writing = False
        self._emptied: Deferred[None] | None = None
        self.full = False
        self.broken: OSError | None = None

    def fileno(self) -> int:
        return self._fileno

    def logPrefix(self) -> str:
        return "output"

    def write(self, line: str) -> None:
        lines = self._lines
        lines.append(line)
        if len(lines) >= _BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(_PATIENCE, self._timeout)

    def _timeout(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """
        Write the collected lines as far as possible without blocking.
        """
        if self._lines:
            octets = "".join(self._lines).encode("ascii")
            self._lines.clear()
            if self.broken is not None:
                return
            if self._plain:
                self._writePlain(octets)
                return
            self._backlog += octets
            if self._writing and len(self._backlog) > BULK_OUTPUT.default:
                self.full = True
        if not self._writing and self._backlog:
            self.doWrite()

    def _writePlain(self, octets: bytes) -> None:
        view = memoryview(octets)
        try:
            while view:
                view = view[os.write(self._fileno, view) :]
        except OSError as error:
            self._break(error)

    def doWrite(self) -> None:
        if self.broken is None:
            try:
                self._writeWhileReady()
            except OSError as error:
                self._break(error)
        if self._backlog and not self._writing:
            self._writing = True
            self._reactor.addWriter(self)
        elif not self._backlog and self._writing:
            self._writing = False
            self._reactor.removeWriter(self)
        most = BULK_OUTPUT.default
        if len(self._backlog) > most:
            self.full = True
        elif self.full and len(self._backlog) <= most / 2:
            self.full = False
            self._drained()
        if self._emptied is not None and not self._backlog:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def _writeWhileReady(self, wait: float = 0) -> None:
        backlog = self._backlog
        while backlog and select.select([], [self._fileno], [], wait)[1]:
            piece = bytes(backlog[:_PIECE])
            if len(piece) < len(backlog):
                # Cut at the end of a line, so that the reader sees complete lines.
                piece = piece[: piece.rfind(b"\n") + 1] or piece
            del backlog[: os.write(self._fileno, piece)]

    def emptied(self) -> Deferred[None]:
        """
        Write the whole backlog, as fast as the reader takes it.

        @return: fires when the backlog is empty, or the reader has closed the pipe.
        """
        self.flush()
        if not self._backlog:
            return succeed(None)
        self._emptied = Deferred()
        return self._emptied

    def _break(self, error: OSError) -> None:
        self.broken = error
        self._backlog.clear()
        self._failed(error)
        if self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def connectionLost(self, reason: Failure) -> None:
        """
        Handle the close of the pipe's read end.
        """
        if self.broken is None:
            self._break(BrokenPipeError(32, "Broken pipe"))

    def finish(self, seconds: float) -> None:
        """
        Write the rest, waiting for the reader if necessary, and cancel the timers.

        @param seconds: how long the reader may read nothing before the rest is discarded.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        if self._backlog and self.broken is None:
            try:
                self._writeWhileReady(seconds)
            except OSError as error:
                self._break(error)
        if self._writing:
            self._writing = False
            self._reactor.removeWriter(self)
