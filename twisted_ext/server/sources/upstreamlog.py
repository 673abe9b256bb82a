"""
Logs when an upstream stops replying and when it replies again, once each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted.logger import Logger, LogLevel

from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.forward.serverstats import ServerStats
from twisted_ext.wire.escapes import printable

__all__ = ["SharedUpstreamLog", "UpstreamLog", "logUpstream"]

#: Seconds within which an upstream gets at most that many lines.
_UPSTREAM_LINES_SECONDS: Final = 600.0

#: Log lines about one upstream that stops and resumes replying, within C{_UPSTREAM_LINES_SECONDS}: three outages and their ends are
#: logged at once; a server that keeps flapping is not logged each time.
_UPSTREAM_LINES: Final = 6

_log: Final = Logger(namespace="twisted_ext.upstreams")


def logUpstream(fields: dict[str, JSON]) -> None:
    """
    Log a state change.

    @param fields: C{server}, C{way}, C{views} (if it is asked for some views only), C{state} (C{down} or C{up}), C{reason}, C{seconds}
        without a reply, and C{unlogged}, the number of earlier changes that were not logged.
    """
    seconds = fields["seconds"]
    assert isinstance(seconds, int | float)
    views = fields.get("views")
    whose = f", for {'view' if len(views) == 1 else 'views'} {', '.join(map(str, views))}," if isinstance(views, list) else ""
    if fields["state"] == "down":
        text = f"upstream {fields['server']}{whose} does not reply: {printable(str(fields['reason']))}"
    else:
        text = f"upstream {fields['server']}{whose} replies again after {seconds:.0f} s"
    if fields["unlogged"]:
        text += f"; {fields['unlogged']} changes before that were not logged"
    _log.emit(LogLevel.warn if fields["state"] == "down" else LogLevel.info, "{text}", text=text, fields={"event": "upstream", **fields})


@dataclass(slots=True, eq=False)
class _Watched:
    """
    @ivar down: the state that was logged last.
    @ivar wasDown: the state at the last check.
    @ivar since: when it last stopped replying.
    @ivar lines: when its last lines were logged.
    @ivar unlogged: changes since then that were not logged.
    """

    standing: ServerStats
    down: bool = False
    wasDown: bool = False
    since: float = 0.0
    lines: deque[float] = field(default_factory=lambda: deque(maxlen=_UPSTREAM_LINES))
    unlogged: int = 0


class UpstreamLog:
    """
    Compares the state of upstreams with the state that was logged last. A flapping server gets C{_UPSTREAM_LINES} lines in
    C{_UPSTREAM_LINES_SECONDS}; its state at the end of that time is logged then.
    """

    def __init__(self) -> None:
        self._watched: dict[tuple[str, str], _Watched] = {}

    def look(self, servers: Iterable[tuple[ForwardingSource, int]], now: float, views: Sequence[str] = ()) -> None:
        """
        Log changes.

        @param views: the only views for which they are asked; empty if there is no such limit.
        @param servers: the upstreams in use, from L{serversOf<twisted_ext.server.sources.upstreams.serversOf>}.
        """
        before, self._watched = self._watched, {}
        for forwarding, index in servers:
            standing = forwarding.standings[index]
            key = (forwarding.upstreams[index].server.label, forwarding.way)
            watched = before.get(key)
            if watched is None or watched.standing is not standing:
                # Its statistics are new: start over.
                watched = _Watched(standing)
            self._watched[key] = watched
            self._compare(key, watched, now, views)

    def _compare(self, key: tuple[str, str], watched: _Watched, now: float, views: Sequence[str]) -> None:
        standing = watched.standing
        down = standing.unheard(now)
        if down:
            watched.since = standing.silentSince
        if down != watched.wasDown:
            watched.wasDown = down
            watched.unlogged += 1
        if down == watched.down or (len(watched.lines) == _UPSTREAM_LINES and now - watched.lines[0] < _UPSTREAM_LINES_SECONDS):
            return
        watched.lines.append(now)
        watched.down = down
        seconds = max(now - watched.since, 0.0)
        server, way = key
        reason = standing.why.removeprefix(f"{server} ") or f"{standing.failures} queries without a reply in {seconds:.1f} s"
        logUpstream(
            {
                "server": server,
                "way": way,
                "state": "down" if down else "up",
                "reason": reason if down else "",
                "seconds": round(seconds, 1),
                "unlogged": watched.unlogged - 1,
                **({"views": [*views]} if views else {}),
            }
        )
        watched.unlogged = 0


class SharedUpstreamLog:
    """
    Merges the reports of several workers: an upstream is logged as down when the first worker reports it as down, and as up when it replies
    to all of them again.
    """

    def __init__(self) -> None:
        self._down: dict[tuple[str, str, str], set[int]] = {}

    def take(self, worker: int, fields: dict[str, JSON]) -> None:
        """
        @param fields: see L{logUpstream}.
        """
        key = (str(fields.get("server")), str(fields.get("way")), str(fields.get("views")))
        down = self._down.setdefault(key, set())
        before = bool(down)
        if fields.get("state") == "down":
            down.add(worker)
        else:
            down.discard(worker)
        if not down:
            del self._down[key]
        if bool(down) != before:
            logUpstream({name: value for name, value in fields.items() if name != "event"})

    def ended(self, worker: int) -> None:
        for key in [key for key, workers in self._down.items() if worker in workers]:
            self._down[key].discard(worker)
            if not self._down[key]:
                del self._down[key]
