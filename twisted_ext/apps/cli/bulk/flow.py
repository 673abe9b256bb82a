"""
What C{txdns bulk} does for each name. It is apart from the coroutine that runs it, which has to stay interpreted: a compiled one that is
resumed while an exception is handled takes that for its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime

from twisted_ext.answers import Answer
from twisted_ext.apps.cli.bulk.input import Fed, Item, Lines, namesOf, rangesOf
from twisted_ext.apps.cli.bulk.output import LineWriter, lineOf
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError, complain
from twisted_ext.apps.cli.terminal.progress import Progress
from twisted_ext.apps.cli.terminal.run import interruptedBy
from twisted_ext.errors import TimedOut, Unreachable
from twisted_ext.ratecontrol import Window
from twisted_ext.resolver.lookup.stream import OrderSlot, Run
from twisted_ext.wire.addressranges import AddressRange

if TYPE_CHECKING:
    from twisted_ext.apps.cli.bulk.command import BulkOptions
    from twisted_ext.apps.cli.bulk.run import Streams

__all__ = ["BulkFlow"]

#: Seconds to wait after Ctrl-C for the reader of a pipe to read the rest.
_FAREWELL = 1.0

#: Answers of which half needed another query of the same server before this is remarked on.
_REMARKABLE: Final = 400


@mypyc_attr(allow_interpreted_subclasses=True)
class BulkFlow:
    """
    The way of names from the input to the output, and what is counted on it.
    """

    _run: Run[Item] | Run[OrderSlot[Item]]

    def __init__(self, reactor: IReactorTime, options: BulkOptions, streams: Streams) -> None:
        self._reactor = reactor
        self._options = options
        self._streams = streams
        self._finished: Deferred[None] = Deferred()
        self._settling: IDelayedCall | None = None
        self._over: Deferred[None] = Deferred()
        self._ended = self._interrupted = False
        self._answered = self._written = 0
        self._unreached: Exception | None = None
        #: Answers of each server that came to a repeated query only, since so many names were answered.
        self._repeated: dict[str, int] = {}
        self._since = 0
        self._isRemarked = False
        self._window = Window(most=options.window)
        descriptors = IReactorFDSet(reactor)
        self._writer = LineWriter(descriptors, reactor, streams.output, drained=self._drained, failed=self._end)
        self._progress: Progress | None = None
        self._total: int | None = None
        self._lines: Lines | None = None
        if streams.input is None:
            self._total = sum([AddressRange.fromText(text).count for text in options.ranges])
            ranges = iter(options.ranges)
            self._feed = rangesOf(lambda: next(ranges, None))
        else:
            self._lines = Lines(descriptors, streams.input, self._wake)
            self._feed = rangesOf(self._lines.next) if options.reverse else namesOf(self._lines.next, options.rrType)
        if streams.earlier is not None:
            self._feed = streams.earlier.around(self._feed)

    def _pull(self) -> Fed | None:
        try:
            fed = self._feed()
        except (ExitError, OSError) as error:
            self._end(error if isinstance(error, ExitError) else ExitError(BATCH, f"{self._options.file}: {error.strerror}"))
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
            origin = result.origin
            if origin is not None and origin.attempts > 1 and not self._isRemarked:
                self._noteRepeated(origin.server)
        elif isinstance(result, TimedOut | Unreachable):
            self._unreached = result
        if self._progress is not None:
            self._progress.done += 1
            self._progress.failed += result.__class__ is not Answer
        if self._writer.full:
            self._run.held = True
        if self._ended:
            self._settle()

    def _noteRepeated(self, server: str) -> None:
        """
        Remark once on a server that limits rates: the window is as small as it gets then, and nothing else would tell why.
        """
        if self._answered - self._since > _REMARKABLE:
            self._since = self._answered
            self._repeated.clear()
        count = self._repeated[server] = self._repeated.get(server, 0) + 1
        if count * 2 >= _REMARKABLE:
            self._isRemarked = True
            complain(f"txdns bulk: {server} loses or truncates half of its replies: a rate limit?")

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
