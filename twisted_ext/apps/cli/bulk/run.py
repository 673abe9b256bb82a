"""
Runs C{txdns bulk}: reads names, looks them up and writes lines, at the speed of the slowest of the three.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorCore

from twisted_ext.apps.cli.bulk.flow import BulkFlow
from twisted_ext.apps.cli.bulk.input import Item
from twisted_ext.apps.cli.bulk.resume import EarlierOutput, hold
from twisted_ext.apps.cli.terminal.colors import isTerminal
from twisted_ext.apps.cli.terminal.exits import BATCH, BROKEN_PIPE, NO_REPLY, OK, ExitError, complain
from twisted_ext.apps.cli.terminal.progress import Progress, drawingFor
from twisted_ext.apps.cli.terminal.upstream import upstreamFor
from twisted_ext.ratecontrol import Rate, ServerRates
from twisted_ext.resolver.lookup.stream import InOrder, Run

if TYPE_CHECKING:
    from twisted_ext.apps.cli.bulk.command import BulkOptions

__all__ = ["BulkWork", "Streams"]

class Streams:
    """
    The file descriptors of the input and output, opened before any look-up, so that a wrong path is reported at once.

    @ivar input: the input; L{None} if all ranges are arguments of the command.
    @ivar path: the output's path, or C{""} for the standard output.
    @ivar earlier: the existing lines of the output, or L{None} without C{--resume}.
    """

    def __init__(self, options: BulkOptions) -> None:
        self._opened: list[int] = []
        self.input: int | None = None
        if not options.ranges:
            hint = "write a range such as 192.0.2.0/24, or a file of them" if options.reverse else "write a file with one name per line"
            self.input = 0 if options.file == "-" else self._open(options.file, os.O_RDONLY, hint)
        self.earlier: EarlierOutput | None = None
        self.output = 1
        self.path = options.resume or options.output or ""
        if options.resume is not None:
            self.earlier = EarlierOutput(options.resume)
            self.output = self._open(options.resume, os.O_WRONLY | os.O_APPEND, "write the file of an earlier --output")
        elif options.output is not None:
            hint = "write the name of a new file"
            if os.path.isfile(options.output):
                hint += ", or use --resume to continue this one"
            self.output = self._open(options.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, hint)
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
        if self.earlier is not None:
            self.earlier.close()
        for fileno in self._opened:
            os.close(fileno)


class BulkWork(BulkFlow):
    async def run(self) -> int:
        options = self._options
        upstream = await upstreamFor(self._reactor, options.target)
        source, clock, window = upstream.source, self._reactor, self._window
        rate = None if options.rate is None else Rate(options.rate)
        serverRates = None if options.rateServer is None else ServerRates(options.rateServer)
        begin = partial(Run, source, clock, window=window, seconds=options.time, rate=rate, serverRates=serverRates)
        order: InOrder[Item] = InOrder(self._pull, self._done)
        self._run = begin(pull=order.pull, done=order.done) if options.ordered else begin(pull=self._pull, done=self._done)
        # By default show no progress if the output goes to the same terminal.
        shown = isTerminal(sys.stderr) and (bool(self._streams.path) or not sys.stdout.isatty())
        drawn = options.progress if options.progress is not None else shown
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
