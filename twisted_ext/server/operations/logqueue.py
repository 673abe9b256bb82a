"""
A queue between the log and the file it is written to, which may block: a pipe that is not read, a disk that hangs. A thread of its own
writes the lines, so that the reactor never waits; beyond a limit lines are dropped and counted.
"""

from __future__ import annotations

import atexit
import os
import select
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic, time
from typing import IO, Final, Protocol, cast

from twisted.internet.interfaces import IReactorCore
from twisted.logger import FileLogObserver, LogEvent, LogLevel

from twisted_ext.server.limits import LOG_FLUSH, LOG_OCTETS

__all__ = ["Descriptor", "LogQueue", "Sink", "drainAll", "queuedObserver", "sinkFor"]

#: Seconds after a write in which lines gather before the next one, so that a line for each query does not cost a switch between threads
#: for each.
_GATHER: Final = 0.005

#: Those to be drained when the process exits.
_queues: Final[list[LogQueue]] = []


class Sink(Protocol):
    """
    The destination of log lines.
    """

    def write(self, text: str) -> object:
        """
        Write some lines, possibly to a buffer.
        """

    def flush(self) -> object:
        """
        Write buffered lines.
        """


class Descriptor:
    """
    A sink that writes to a descriptor without any buffer. Python's own for standard output has a lock, which a thread that is blocked in
    it would hold for ever, so that the process could not end.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._descriptor = descriptor
        self._encoding = encoding

    def write(self, text: str) -> None:
        """
        @raise OSError: it cannot be written.
        """
        left = memoryview(text.encode(self._encoding, "backslashreplace"))
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                # It was set not to block by another program that has it too.
                select.select([], [self._descriptor], [])

    def flush(self) -> None:
        """
        Do nothing: there is no buffer.
        """


class LogQueue:
    """
    A file for an observer of the log. Lines arrive in the order in which they were written.

    Until L{start} lines are written at once, since a process that goes into the background leaves its threads behind.

    @ivar dropped: lines that were dropped and not reported yet.
    """

    def __init__(self, sink: Sink, report: Callable[[int], str], most: float | None = None) -> None:
        """
        @param report: makes a line that says how many were dropped. It is called by any thread.
        @param most: octets that may wait.
        """
        self.dropped = 0
        self._sink = sink
        self._report = report
        self._most = LOG_OCTETS.pick(most)
        self._waiting: deque[str | Callable[[], object]] = deque()
        self._octets = 0
        self._changed = Condition()
        self._thread: Thread | None = None
        self._busy = False
        self._asleep = False
        self._hurry = False
        self._failing = False
        self._until: float | None = None

    def start(self) -> None:
        """
        Leave writing to a thread from now on.
        """
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def write(self, text: str) -> None:
        """
        Have this written, or drop it where too much waits.
        """
        if self._thread is None:
            self._sink.write(text)
            return
        with self._changed:
            if self._octets + len(text) > self._most:
                self.dropped += text.count("\n") or 1
                return
            if self.dropped:
                # Where they would have been.
                self._add(self._reported())
            self._add(text)
        if self._until is not None:
            self.drain(max(0.0, self._until - monotonic()))

    def finish(self) -> None:
        """
        The process is about to exit: wait for what has been written, and for each further line, within L{LOG_FLUSH} for all of it.
        """
        if self._until is None:
            self._until = monotonic() + LOG_FLUSH.default
            self.drain(LOG_FLUSH.default)

    def call(self, function: Callable[[], object]) -> None:
        """
        Call this when all that was written before is in the sink: to rotate a file, for one.
        """
        if self._thread is None:
            function()
            return
        with self._changed:
            self._add(function)

    def flush(self) -> None:
        """
        Lines are flushed as they are written.
        """
        if self._thread is None:
            self._sink.flush()

    def drain(self, seconds: float | None = None) -> bool:
        """
        Wait until all is written, but no longer than that.

        @return: whether it is.
        """
        if self._thread is None:
            return True
        until = monotonic() + LOG_FLUSH.pick(seconds)
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while self._waiting or self._busy or (self.dropped and not self._failing):
                left = until - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def _reported(self) -> str:
        count, self.dropped = self.dropped, 0
        return self._report(count)

    def _add(self, item: str | Callable[[], object]) -> None:
        self._waiting.append(item)
        if isinstance(item, str):
            self._octets += len(item)
        if self._asleep:
            self._asleep = False
            self._changed.notify_all()

    def _run(self) -> None:
        # The first line after a while is written at once.
        written = -_GATHER
        while True:
            with self._changed:
                self._busy = False
                if self.dropped and not self._waiting and not self._failing:
                    # There may be no further line for long.
                    self._add(self._reported())
                if not self._waiting:
                    # Wake up drain().
                    self._changed.notify_all()
                    self._asleep = True
                    self._changed.wait_for(lambda: self._waiting)
                self._asleep = False
                if not self._hurry and monotonic() - written < _GATHER:
                    self._changed.wait(_GATHER)
                some, self._waiting = self._waiting, deque()
                self._busy = True
            self._write(some)
            written = monotonic()

    def _write(self, some: deque[str | Callable[[], object]]) -> None:
        """
        Write lines together as far as nothing else is to be done between them. They take up room until they are written.
        """
        while some:
            lines: list[str] = []
            while some and isinstance(some[0], str):
                lines.append(str(some.popleft()))
            if lines:
                self._put("".join(lines))
            if some:
                function = some.popleft()
                if not isinstance(function, str):
                    with suppress(OSError, ValueError):
                        function()

    def _put(self, text: str) -> None:
        try:
            self._sink.write(text)
            self._sink.flush()
            failed = False
        except (OSError, ValueError):
            # A full disk may have room again later, and a pipe that was closed harms nothing.
            failed = True
        with self._changed:
            self._octets -= len(text)
            self._failing = failed
            if failed:
                self.dropped += text.count("\n")


def sinkFor(file: IO[str]) -> Sink:
    """
    @return: what writes where this file does.
    """
    try:
        descriptor = os.dup(file.fileno())
    except (OSError, ValueError, AttributeError):
        # It has no descriptor, as one that an application has put in its place.
        return file
    with suppress(OSError, ValueError):
        file.flush()
    return Descriptor(descriptor, getattr(file, "encoding", None) or "utf-8")


def queuedObserver(reactor: object, sink: Sink, line: Callable[[LogEvent], str | None]) -> tuple[FileLogObserver, LogQueue]:
    """
    @param reactor: once it runs, a thread writes. What waits when the process exits is written then, within L{LOG_FLUSH}.
    @param line: makes a line of an event, L{None} for one that is not logged.

    @return: an observer, and the queue behind it.
    """

    def report(count: int) -> str:
        text = "{dropped} lines of the log are missing here: they were not taken as fast as they came"
        return line({"log_time": time(), "log_level": LogLevel.warn, "log_format": text, "dropped": count}) or ""

    queue = LogQueue(sink, report)
    if IReactorCore.providedBy(reactor):
        reactor.callWhenRunning(queue.start)
        # Twisted logs some lines more, and ends a process that a signal was sent to by that signal, so that it has no other end.
        reactor.addSystemEventTrigger("after", "shutdown", queue.finish)
        _queues.append(queue)
    return FileLogObserver(cast("IO[str]", queue), line), queue


@atexit.register
def drainAll() -> None:
    """
    Give the last lines time to be written. Call this before C{os._exit}, which calls no exit handlers.
    """
    for queue in _queues:
        queue.finish()
