"""
Renders C{txdns top} on a terminal with rich.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from twisted_ext.apps.cli.server.plainview import Rates, serversOf, share, typesIn
from twisted_ext.apps.cli.server.report import bar, clientLines, duration, latencyLines, octets, upstreamLines
from twisted_ext.metrics.figures import JSON
from twisted_ext.wire.escapes import printable

__all__ = ["RichView", "picture"]

#: Clients shown.
_CLIENTS: Final = 5


class RichView:
    def __init__(self, console: Console | None = None) -> None:
        self._live = Live(console=console, auto_refresh=False, screen=False, transient=False, vertical_overflow="crop")
        self._live.start()

    def draw(self, status: dict[str, JSON], rates: Rates) -> None:
        self._live.update(picture(status, rates, self._live.console.height), refresh=True)

    def close(self) -> None:
        self._live.stop()


def picture(status: dict[str, JSON], rates: Rates, height: int) -> Group:
    """
    Return the panels. Names are inserted without markup and with control characters escaped.
    """
    figures = rates.figures
    uptime = status.get("uptime")
    head = Text()
    head.append(f"txdns {status.get('version')}", "bold")
    head.append(f"  process {status.get('process')}  up {duration(uptime) if isinstance(uptime, int | float) else '?'}", "dim")
    head.append(f"\n{rates.perSecond:,.0f}", "bold cyan")
    head.append(" queries per second   ")
    head.append(share(rates.hitRate), "bold green")
    head.append(" cache hits   ")
    if "blocked" in figures.numbers:
        head.append(share(rates.blockRate), "bold red")
        head.append(" blocked   ")
    head.append(f"{figures.numbers['pending']:,.0f} pending   {figures.queries:,} in total   ")
    head.append(f"cache {figures.numbers.get('cacheEntries', 0):,.0f}   memory {octets(figures.numbers.get('residentOctets', 0))}\n")
    for rcode, count in sorted(figures.replies.items(), key=lambda pair: -pair[1]):
        style = {"NOERROR": "green", "NXDOMAIN": "yellow"}.get(rcode, "red")
        head.append(f"{printable(rcode)} {count:,}  ", style)
    if figures.types:
        head.append(f"\n{typesIn(figures)}", "dim")
    latency = Text("\n".join(latencyLines(figures)) or "there were no look-ups")
    servers = Text("\n").join([Text(printable(line), "" if up else "red") for line, up in serversOf(figures)])
    if not figures.upstreams:
        servers = Text("\n".join(upstreamLines({"upstreams": []})))
    clients = [printable(line) for line in islice(clientLines(rates.clients), _CLIENTS)] if rates.clients.get("shown") else []
    used = len(clients) + 2 if clients else 0
    rows = max(min(height - 15 - used - len(figures.upstreams) - sum(1 for count in figures.latency if count), 20), 3)
    names = Table.grid(expand=True, padding=(0, 2))
    most = max([count for _, count in figures.asked], default=1)
    asked, slowest = Text(no_wrap=True, overflow="ellipsis"), Text(no_wrap=True, overflow="ellipsis")
    for name, count in figures.asked[:rows]:
        asked.append(f"{count:>10,} ")
        asked.append(f"{bar(count / most, 8):<8} ", "cyan")
        asked.append(f"{printable(name)}\n")
    for name, seconds in figures.slowest[:rows]:
        slowest.append(f"{seconds * 1000:>7,.0f} ms ", "yellow")
        slowest.append(f"{printable(name)}\n")
    names.add_column(ratio=1)
    names.add_column(ratio=1)
    names.add_row(Panel(asked, title="most queried", title_align="left"), Panel(slowest, title="slowest", title_align="left"))
    active = Text("\n".join(clients), no_wrap=True, overflow="ellipsis")
    panels = [Panel(active, title="most active clients", title_align="left")] if clients else []
    return Group(
        head,
        Panel(latency, title="latency of look-ups", title_align="left"),
        Panel(servers, title="upstreams", title_align="left"),
        names,
        *panels,
    )
