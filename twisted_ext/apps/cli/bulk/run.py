"""
Runs C{txdns bulk}: reads names, looks them up and writes lines, at the speed of the slowest of the three.
"""

from __future__ import annotations

import os
import sys

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorCore, IReactorFDSet, IReactorTime

from twisted_ext.addressranges import AddressRange
from twisted_ext.answers import Answer
from twisted_ext.apps.cli.bulk.command import BulkWishes
from twisted_ext.apps.cli.bulk.input import Fed, Item, Lines, namesOf, rangesOf
from twisted_ext.apps.cli.bulk.output import LineWriter, lineOf
from twisted_ext.apps.cli.bulk.resume import EarlierOutput, hold
from twisted_ext.apps.cli.terminal.colors import isTerminal
from twisted_ext.apps.cli.terminal.exits import BATCH, BROKEN_PIPE, NO_REPLY, OK, ExitError, complain
from twisted_ext.apps.cli.terminal.progress import Progress, drawingFor
from twisted_ext.apps.cli.terminal.run import interruptedBy
from twisted_ext.apps.cli.terminal.upstream import upstreamFor
from twisted_ext.errors import TimedOut, Unreachable
from twisted_ext.ratecontrol import Rate, Window
from twisted_ext.resolver.lookup.stream import InOrder, OrderSlot, Run

__all__ = ["BulkWork", "Streams"]

#: Seconds to wait after Ctrl-C for the reader of a pipe to read the rest.
_FAREWELL = 1.0


class Streams:
    """
    The file descriptors of the input and output, opened before any look-up, so that a wrong path is reported at once.

    @ivar input: the input; L{None} if all ranges are arguments of the command.
    @ivar path: the output's path, or C{""} for the standard output.
    @ivar resuming: the existing lines of the output, or L{None} without C{--resume}.
    """

    def __init__(self, wishes: BulkWishes) -> None:
        self._opened: list[int] = []
        self.input: int | None = None
        if not wishes.ranges:
            hint = "write a range such as 192.0.2.0/24, or a file of them" if wishes.reverse else "write a file with one name per line"
            self.input = 0 if wishes.file == "-" else self._open(wishes.file, os.O_RDONLY, hint)
        self.resuming: EarlierOutput | None = None
        self.output = 1
        self.path = wishes.resume or wishes.output or ""
        if wishes.resume is not None:
            self.resuming = EarlierOutput(wishes.resume)
            self.output = self._open(wishes.resume, os.O_WRONLY | os.O_APPEND, "write the file of an earlier --output")
        elif wishes.output is not None:
            hint = "write the name of a new file"
            if os.path.isfile(wishes.output):
                hint += ", or use --resume to continue this one"
            self.output = self._open(wishes.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, hint)
            hold(self.output)

    def _open(self, path: str, flags: int, hint: str) -> int:
        try:
            fileno = os.open(path, flags, 0o666)
            if os.path.isdir(path):
                raise IsADirectoryError(21, "Is a directory")
        except OSError as error:
            raise ExitError(BATCH, f"{path}: {error.strerror}; {hint}") from error
        self._opened.append(fileno)
        return fileno

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.resuming is not None:
            self.resuming.close()
        for fileno in self._opened:
            os.close(fileno)


class BulkWork:
    def __init__(self, reactor: IReactorTime, wishes: BulkWishes, streams: Streams) -> None:
        self._reactor = reactor
        self._wishes = wishes
        self._streams = streams
        self._finished: Deferred[None] = Deferred()
        self._settling: IDelayedCall | None = None
        self._over: Deferred[None] = Deferred()
        self._ended = self._interrupted = False
        self._answered = self._written = 0
        self._unreached: Exception | None = None
        self._window = Window(most=wishes.window)
        descriptors = IReactorFDSet(reactor)
        self._writer = LineWriter(descriptors, reactor, streams.output, drained=self._drained, failed=self._end)
        self._progress: Progress | None = None
        self._total: int | None = None
        self._lines: Lines | None = None
        if streams.input is None:
            self._total = sum([AddressRange.fromText(text).count for text in wishes.ranges])
            ranges = iter(wishes.ranges)
            self._feed = rangesOf(lambda: next(ranges, None))
        else:
            self._lines = Lines(descriptors, streams.input, self._wake)
            self._feed = rangesOf(self._lines.next) if wishes.reverse else namesOf(self._lines, wishes.rrType)
        if streams.resuming is not None:
            self._feed = streams.resuming.around(self._feed)

    async def run(self) -> int:
        wishes = self._wishes
        upstream = await upstreamFor(self._reactor, wishes.target)
        rate = None if wishes.rate is None else Rate(wishes.rate)
        source, clock, window, seconds = upstream.source, self._reactor, self._window, wishes.time
        order: InOrder[Item] = InOrder(self._pull, self._done)
        self._run: Run[Item] | Run[OrderSlot[Item]]
        if wishes.ordered:
            self._run = Run(source, clock, pull=order.pull, done=order.done, window=window, seconds=seconds, rate=rate)
        else:
            self._run = Run(source, clock, pull=self._pull, done=self._done, window=window, seconds=seconds, rate=rate)
        # By default show no progress if the output goes to the same terminal.
        shown = isTerminal(sys.stderr) and (bool(self._streams.path) or not sys.stdout.isatty())
        drawn = wishes.progress if wishes.progress is not None else shown
        if drawn:
            self._progress = Progress(clock, drawingFor(sys.stderr), part=self._part, window=lambda: window.size)
        core = IReactorCore(self._reactor)
        trigger = core.addSystemEventTrigger("before", "shutdown", self._interrupt)
        try:
            self._run.fill()
            await self._finished
            await self._writer.emptied()
        except BrokenPipeError:
            return BROKEN_PIPE
        except OSError as error:
            raise ExitError(BATCH, f"{self._streams.path or 'standard output'}: {error.strerror}") from error
        finally:
            if not self._interrupted:
                core.removeSystemEventTrigger(trigger)
            self._run.close()
            self._tidy()
            await source.close()
            self._over.callback(None)
        if self._writer.broken is not None:
            return BROKEN_PIPE
        if self._unreached is not None and not self._answered:
            raise ExitError(NO_REPLY, f"no name got a reply: {self._unreached}")
        if drawn:
            # The progress line has been removed.
            complain(f"txdns bulk: {self._written:,} names, {self._written - self._answered:,} without answer")
        return OK

    def _pull(self) -> Fed | None:
        try:
            fed = self._feed()
        except (ExitError, OSError) as error:
            self._end(error if isinstance(error, ExitError) else ExitError(BATCH, f"{self._wishes.file}: {error.strerror}"))
            return None
        if fed is None and (self._lines is None or self._lines.ended):
            self._ended = True
            self._settle()
        return fed

    def _done(self, item: Item, result: Answer | Exception) -> None:
        self._writer.write(lineOf(item, result))
        self._written += 1
        if result.__class__ is Answer:
            self._answered += 1
        elif isinstance(result, TimedOut | Unreachable):
            self._unreached = result
        if self._progress is not None:
            self._progress.done += 1
            self._progress.failed += result.__class__ is not Answer
        if self._writer.full:
            self._run.held = True
        if self._ended:
            self._settle()

    def _wake(self) -> None:
        self._run.fill()
        if self._ended:
            self._settle()

    def _drained(self) -> None:
        self._run.held = False
        self._run.fill()

    def _settle(self) -> None:
        if self._settling is None and not self._run.underway:
            self._settling = self._reactor.callLater(0, self._settled)

    def _settled(self) -> None:
        self._settling = None
        if self._ended and not self._run.underway:
            self._writer.flush()
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._finished.called:
            if error is None:
                self._finished.callback(None)
            else:
                self._finished.errback(error)

    def _part(self) -> float | None:
        if self._total is not None:
            return min(1.0, self._written / self._total) if self._total else 1.0
        lines = self._lines
        return min(1.0, lines.consumed / lines.size) if lines is not None and lines.size else None

    def _interrupt(self) -> Deferred[None]:
        """
        Stop after a signal such as that of Ctrl-C, leaving complete lines.
        """
        self._interrupted = True
        path = self._streams.path
        hint = f"; go on with --resume {path}" if path else ""
        self._end(ExitError(interruptedBy(self._reactor), f"interrupted after {self._written:,} lines{hint}"))
        return self._over

    def _tidy(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._lines is not None:
            self._lines.close()
        self._writer.finish(_FAREWELL)
        if self._progress is not None:
            self._progress.close()
            self._progress = None
