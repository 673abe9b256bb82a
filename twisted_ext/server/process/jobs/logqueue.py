"""
A queue between the log and its file, which may block if it is a pipe that is not read or on a disk that hangs. A thread writes the lines,
so that the reactor never waits; beyond a limit lines are dropped and counted.
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

__all__ = ["Descriptor", "LogQueue", "LogSink", "drainAll", "queuedObserver", "sinkFor"]

#: Seconds that lines are collected after a write before the next one, so that logging every query does not cost a thread switch for each.
_GATHER: Final = 0.005

#: The queues to drain when the process exits.
_queues: Final[list[LogQueue]] = []


class LogSink(Protocol):
    """
    The destination of log lines.
    """

    def write(self, text: str) -> object: ...

    def flush(self) -> object: ...


class Descriptor:
    """
    A sink that writes to a descriptor without buffering. The lock of Python's buffered standard output would be held forever by a blocked
    thread, and the process could not exit.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._descriptor = descriptor
        self._encoding = encoding

    def write(self, text: str) -> None:
        """
        @raise OSError: writing failed.
        """
        left = memoryview(text.encode(self._encoding, "backslashreplace"))
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                # Another program that shares the descriptor has made it non-blocking.
                select.select([], [self._descriptor], [])

    def flush(self) -> None:
        """
        Do nothing: there is no buffer.
        """


class LogQueue:
    """
    A file-like object for a log observer. Lines stay in order.

    Until L{start} is called, lines are written synchronously: a process that becomes a daemon loses its threads.

    @ivar dropped: lines that were dropped and not reported yet.
    """

    def __init__(self, sink: LogSink, report: Callable[[int], str], most: float | None = None) -> None:
        """
        @param report: returns a line that reports a number of dropped lines. It is called from any thread.
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
        From now on, write in a thread.
        """
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def write(self, text: str) -> None:
        if self._thread is None:
            self._sink.write(text)
            return
        with self._changed:
            if self._octets + len(text) > self._most:
                self.dropped += text.count("\n") or 1
                return
            if self.dropped:
                # Report the dropped lines in the place where they are missing.
                self._add(self._reported())
            self._add(text)
        if self._until is not None:
            self.drain(max(0.0, self._until - monotonic()))

    def finish(self) -> None:
        """
        Before the process exits, wait until the queue is written, also for each further line, within L{LOG_FLUSH} in all.
        """
        if self._until is None:
            self._until = monotonic() + LOG_FLUSH.default
            self.drain(LOG_FLUSH.default)

    def call(self, function: Callable[[], object]) -> None:
        """
        Call a function once everything written so far has reached the sink, for example to rotate a file.
        """
        if self._thread is None:
            function()
            return
        with self._changed:
            self._add(function)

    def flush(self) -> None:
        if self._thread is None:
            self._sink.flush()

    def drain(self, seconds: float | None = None) -> bool:
        """
        Wait until the queue is empty, for a limited time; return whether it is.
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
        # The first line after a pause is written at once.
        written = -_GATHER
        while True:
            with self._changed:
                self._busy = False
                if self.dropped and not self._waiting and not self._failing:
                    # The next line may be long in coming.
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
        Write queued lines in one go up to the next function call. They count against the limit until they are written.
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
            # Carry on: a full disk may have room again later, and a closed pipe does no harm.
            failed = True
        with self._changed:
            self._octets -= len(text)
            self._failing = failed
            if failed:
                self.dropped += text.count("\n")


def sinkFor(file: IO[str]) -> LogSink:
    """
    Return a sink that writes to the same destination as this file, unbuffered if it has a descriptor.
    """
    try:
        descriptor = os.dup(file.fileno())
    except (OSError, ValueError, AttributeError):
        # It has no descriptor, for example because an application has replaced the stream.
        return file
    with suppress(OSError, ValueError):
        file.flush()
    return Descriptor(descriptor, getattr(file, "encoding", None) or "utf-8")


def queuedObserver(reactor: object, sink: LogSink, line: Callable[[LogEvent], str | None]) -> tuple[FileLogObserver, LogQueue]:
    """
    Make a log observer with a queue.

    @param reactor: the thread starts once it runs. Lines still queued when the process exits are written then, within L{LOG_FLUSH}.
    @param line: formats an event; returns L{None} for one that is not logged.
    """

    def report(count: int) -> str:
        text = "{dropped} log lines were dropped here: they could not be written fast enough"
        return line({"log_time": time(), "log_level": LogLevel.warn, "log_format": text, "dropped": count}) or ""

    queue = LogQueue(sink, report)
    if IReactorCore.providedBy(reactor):
        reactor.callWhenRunning(queue.start)
        # Twisted logs some more lines after shutdown, and then kills itself with the signal that stopped it, without running exit handlers.
        reactor.addSystemEventTrigger("after", "shutdown", queue.finish)
        _queues.append(queue)
    return FileLogObserver(cast("IO[str]", queue), line), queue


@atexit.register
def drainAll() -> None:
    """
    Wait for the last lines to be written. Call this before C{os._exit}, which skips exit handlers.
    """
    for queue in _queues:
        queue.finish()
