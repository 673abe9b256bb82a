"""
Renders C{txdns top} in plain text.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final

from twisted_ext.apps.cli.server.report import bar, clientLines, duration, latencyLines, octets, upstreamLines
from twisted_ext.apps.cli.terminal.colors import isTerminal, paletteFor
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.wire.escapes import printable

__all__ = ["PlainView", "Rates", "pictureOf", "serversOf", "share", "typesIn"]

_NAMES: Final = 10
_TYPES: Final = 8


class Rates:
    """
    The latest figures and the rates computed from them.

    @ivar clients: the reply to C{control clients}, empty if the server does not count clients.
    @ivar hitRate: the share of replies since the previous figures that needed no look-up, or L{None} if there were no replies.
    @ivar blockRate: the share of those that were for blocked names, L{None} as well if the server blocks no names.
    """

    def __init__(self) -> None:
        self.figures = Figures()
        self.perSecond = 0.0
        self.hitRate: float | None = None
        self.blockRate: float | None = None
        self.clients: dict[str, JSON] = {}
        self._at: float | None = None

    def note(self, stats: JSON, now: float, perSecond: float = 0.0) -> None:
        """
        @param perSecond: the server's own value of queries per second, for the first call.
        """
        former, figures = self.figures, Figures.fromJSON(stats)
        if self._at is None:
            self.perSecond = perSecond
        elif now > self._at:
            self.perSecond = max(figures.queries - former.queries, 0) / (now - self._at)
            atHand = figures.atHand - former.atHand
            both = atHand + figures.waited - former.waited
            self.hitRate = atHand / both if both > 0 else None
            blocked = figures.numbers.get("blocked")
            since = None if blocked is None else max(blocked - former.numbers.get("blocked", 0), 0)
            self.blockRate = since / both if since is not None and both > 0 else None
        self._at = now
        self.figures = figures


def pictureOf(status: dict[str, JSON], rates: Rates) -> Iterator[tuple[str, bool]]:
    """
    Return the lines to display, and whether each one is for a server that is down. Names in them come from the network: characters that
    control a terminal are escaped.
    """
    down = {f"  {line}" for line, up in serversOf(rates.figures) if not up}
    for line in _lines(status, rates):
        yield printable(line), line in down


def serversOf(figures: Figures) -> Iterator[tuple[str, bool]]:
    for each in figures.upstreams:
        for line in upstreamLines({"upstreams": [each]}):
            yield line, isinstance(each, dict) and bool(each.get("up"))


def _lines(status: dict[str, JSON], rates: Rates) -> Iterator[str]:
    figures = rates.figures
    uptime = status.get("uptime")
    up = duration(uptime) if isinstance(uptime, int | float) else "?"
    yield f"txdns {status.get('version')}  process {status.get('process')}  up {up}"
    shares = f"cache hits {share(rates.hitRate)}" + (f"  blocked {share(rates.blockRate)}" if "blocked" in figures.numbers else "")
    yield f"{rates.perSecond:,.0f} queries per second  {shares}  pending {figures.numbers['pending']:,.0f}"
    yield (
        f"{figures.queries:,} queries  cache {figures.numbers.get('cacheEntries', 0):,.0f} answers"
        f"  memory {octets(figures.numbers.get('residentOctets', 0))}"
    )
    yield "replies  " + "  ".join([f"{rcode} {count:,}" for rcode, count in sorted(figures.replies.items(), key=lambda pair: -pair[1])])
    if figures.types:
        yield f"types  {typesIn(figures)}"
    yield ""
    yield "latency of look-ups"
    yield from latencyLines(figures)
    yield ""
    yield "upstreams"
    for line in upstreamLines({"upstreams": [*figures.upstreams]}):
        yield f"  {line}"
    most = max([count for _, count in figures.asked], default=1)
    yield ""
    yield "most queried recently"
    for name, count in figures.asked[:_NAMES]:
        yield f"  {count:>10,}  {bar(count / most, 12):<12}  {name}"
    yield ""
    yield "slowest recently"
    for name, seconds in figures.slowest[:_NAMES]:
        yield f"  {seconds * 1000:>7,.0f} ms  {name}"
    if rates.clients.get("shown"):
        yield ""
        yield "most active clients"
        for line in islice(clientLines(rates.clients), _NAMES):
            yield f"  {line}"


def share(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


def typesIn(figures: Figures) -> str:
    """
    Return the most frequent query types with their shares.
    """
    total = sum(figures.types.values())
    most = sorted(figures.types.items(), key=lambda pair: -pair[1])[:_TYPES]
    return "  ".join([f"{name} {count / total:.1%}" for name, count in most if count])


class PlainView:
    """
    Writes one report after another; on a terminal each one replaces the former.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._inPlace = isTerminal(self._stream)

    def draw(self, status: dict[str, JSON], rates: Rates) -> None:
        if self._inPlace:
            columns, rows = shutil.get_terminal_size()
            palette = paletteFor(self._stream)
            shown = [
                palette.error(line[: columns - 1]) if down else line[: columns - 1]
                for line, down in islice(pictureOf(status, rates), rows - 1)
            ]
            self._stream.write("\x1b[H" + "".join([f"{line}\x1b[K\n" for line in shown]) + "\x1b[J")
        else:
            self._stream.write("".join([f"{line}\n" for line, _ in pictureOf(status, rates)]) + "\n")
        self._stream.flush()

    def close(self) -> None:
        pass
