"""
Renders C{txdns top} in plain text.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import IO, Final, Protocol

from twisted_ext.apps.cli.server.report import bar, duration, latencyLines, octets, upstreamLines
from twisted_ext.apps.cli.terminal.colors import isTerminal, paletteFor
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.wire.escapes import printable

__all__ = ["PlainView", "Rates", "View", "pictureOf", "serversOf"]

_NAMES: Final = 10


class Rates:
    """
    Figures, and how fast they move.

    @ivar figures: the latest.
    @ivar perSecond: queries in a second.
    @ivar hitRate: share of the replies since the last look that was at hand, or L{None} where there were none.
    """

    def __init__(self) -> None:
        self.figures = Figures()
        self.perSecond = 0.0
        self.hitRate: float | None = None
        self._at: float | None = None

    def note(self, stats: JSON, now: float, perSecond: float = 0.0) -> None:
        """
        @param stats: what the server says.
        @param perSecond: how many it takes in a second by its own account, for the first look.

        @raise ValueError: it cannot be understood.
        """
        former, figures = self.figures, Figures.fromJSON(stats)
        if self._at is None:
            self.perSecond = perSecond
        elif now > self._at:
            self.perSecond = max(figures.queries - former.queries, 0) / (now - self._at)
            atHand = figures.atHand - former.atHand
            both = atHand + figures.waited - former.waited
            self.hitRate = atHand / both if both > 0 else None
        self._at = now
        self.figures = figures


class View(Protocol):
    """
    What draws the picture. Ending it leaves the terminal as it was.
    """

    def draw(self, status: dict[str, JSON], rates: Rates) -> None:
        """
        Draw it, in place of the one before where that can be.
        """

    def close(self) -> None:
        """
        Draw no more.
        """


def pictureOf(status: dict[str, JSON], rates: Rates) -> Iterator[str]:
    """
    @return: the lines of a picture. Names are those of strangers: nothing in the lines steers a terminal.
    """
    for line, _ in _markedLines(status, rates):
        yield line


def _markedLines(status: dict[str, JSON], rates: Rates) -> Iterator[tuple[str, bool]]:
    """
    @return: the lines of L{pictureOf}, and whether each is about a server that is down.
    """
    down = {f"  {line}" for line, up in serversOf(rates.figures) if not up}
    for line in _pictureOf(status, rates):
        yield printable(line), line in down


def serversOf(figures: Figures) -> Iterator[tuple[str, bool]]:
    """
    @return: a line on each upstream, and whether it is up.
    """
    for each in figures.upstreams:
        for line in upstreamLines({"upstreams": [each]}):
            yield line, isinstance(each, dict) and bool(each.get("up"))


def _pictureOf(status: dict[str, JSON], rates: Rates) -> Iterator[str]:
    figures = rates.figures
    uptime = status.get("uptime")
    up = duration(uptime) if isinstance(uptime, int | float) else "?"
    hitRate = "-" if rates.hitRate is None else f"{rates.hitRate:.1%}"
    yield f"txdns {status.get('version')}  process {status.get('process')}  up {up}"
    yield f"{rates.perSecond:,.0f} queries a second  at hand {hitRate}  waiting {figures.numbers['pending']:,.0f}"
    yield (
        f"{figures.queries:,} queries  cache {figures.numbers.get('cacheEntries', 0):,.0f} answers"
        f"  memory {octets(figures.numbers.get('residentOctets', 0))}"
    )
    yield "replies  " + "  ".join([f"{rcode} {count:,}" for rcode, count in sorted(figures.replies.items(), key=lambda pair: -pair[1])])
    yield ""
    yield "time that was waited"
    yield from latencyLines(figures)
    yield ""
    yield "servers that are asked"
    for line in upstreamLines({"upstreams": [*figures.upstreams]}):
        yield f"  {line}"
    most = max([count for _, count in figures.asked], default=1)
    yield ""
    yield "asked for most, of late"
    for name, count in figures.asked[:_NAMES]:
        yield f"  {count:>10,}  {bar(count / most, 12):<12}  {name}"
    yield ""
    yield "took longest, of late"
    for name, seconds in figures.slowest[:_NAMES]:
        yield f"  {seconds * 1000:>7,.0f} ms  {name}"


class PlainView:
    """
    One picture after another; on a terminal each in place of the one before.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._inPlace = isTerminal(self._stream)

    def draw(self, status: dict[str, JSON], rates: Rates) -> None:
        """
        @see: L{View.draw}
        """
        if self._inPlace:
            columns, rows = shutil.get_terminal_size()
            palette = paletteFor(self._stream)
            shown = [
                palette.error(line[: columns - 1]) if down else line[: columns - 1]
                for line, down in list(_markedLines(status, rates))[: rows - 1]
            ]
            self._stream.write("\x1b[H" + "".join([f"{line}\x1b[K\n" for line in shown]) + "\x1b[J")
        else:
            self._stream.write("\n".join(pictureOf(status, rates)) + "\n\n")
        self._stream.flush()

    def close(self) -> None:
        """
        @see: L{View.close}
        """
