"""
Those commands of C{txdns control} that are more than one request whose reply is printed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from json import dumps
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import quote

from twisted_ext.apps.cli.server.client import ControlChannel
from twisted_ext.apps.cli.server.report import historyLines, listOf, loadedLines, zoneLines
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE, ExitError, fileErrors
from twisted_ext.files import replacingFile
from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.history import SPANS
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted_ext.apps.cli.server.control import ControlCommand
    from twisted_ext.metrics.figures import JSON

__all__ = ["dump", "isWanted", "lineOf", "load", "showHistory", "showZones", "watch", "watchQueries"]

#: Seconds between two requests. The server collects queries as long as requests follow each other within ten seconds.
_EVERY: Final = 1.0


def watchQueries(
    channel: ControlChannel,
    words: Sequence[str],
    *,
    json: bool = False,
    stream: IO[str] | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """
    Print queries until the user presses Ctrl-C.

    @param words: see L{isWanted}.
    @param json: whether to print each query as a JSON object.

    @raise ExitError: the server shows no queries, or has gone.
    """
    shown = sys.stdout if stream is None else stream
    wanted = [word.lower() for word in words]
    after = skipped = 0
    try:
        while True:
            said = channel.ask("GET", "queries", {"after": str(after)})
            if not said.get("shown"):
                text = "the server does not show queries; --show-clients, or show-clients = true in its file, makes it do so"
                raise ExitError(USAGE, text)
            try:
                queries, number, left = _contentOf(said)
                found = [query for query in queries if isWanted(query, wanted)]
                lines = [dumps(query) if json else printable(lineOf(query)) for query in found]
            except (ValueError, KeyError, TypeError) as error:
                raise ExitError(NO_REPLY, f"{channel.path}: the server has another version than this txdns ({error!r})") from error
            if lines:
                print("\n".join(lines), file=shown)
            # Each query at once, into a pipe too.
            shown.flush()
            # The first reply counts from the start of the server, and so does a new server.
            if after and left > skipped:
                print(f"txdns: {left - skipped:,} more queries came too fast to show", file=sys.stderr)
            after, skipped = number, left
            pause(_EVERY)
    except KeyboardInterrupt:
        # The usual way to leave.
        return


def _contentOf(said: dict[str, JSON]) -> tuple[list[dict[str, JSON]], int, int]:
    queries, number, skipped = said["queries"], said["next"], said["skipped"]
    if not isinstance(queries, list) or not isinstance(number, int) or not isinstance(skipped, int):
        raise TypeError("queries, next or skipped")
    return [query for query in queries if isinstance(query, dict)], number, skipped


def isWanted(query: dict[str, JSON], words: Sequence[str]) -> bool:
    """
    Return whether a query has each word in its name, client or client's name, or as its type, rcode or status.

    @param words: in lower case.
    """
    name, client = str(query["name"]).lower(), str(query["client"])
    whole = [str(query[key]).lower() for key in ("type", "rcode", "status")]
    host = str(query.get("host", "")).lower()
    return all(word in name or word in client or word in host or word in whole for word in words)


def lineOf(query: dict[str, JSON]) -> str:
    """
    Format a query. Its name comes from the network: the caller must escape the line before printing.
    """
    at, taken, count = query["time"], query["milliseconds"], query["count"]
    if not isinstance(at, int | float) or not isinstance(taken, int | float) or not isinstance(count, int):
        raise TypeError("time, milliseconds or count")
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    latency = "< 0.1 ms" if taken < 0.1 else f"{taken:,.1f} ms"
    server = f" by {query['server']}" if query["server"] else ""
    times = f" \u00d7{count:,}" if count > 1 else ""
    reply = f"{query['status']!s:<9} {query['rcode']!s:<9} {latency:>11}"
    return f"{clock}  {query.get('host') or query['client']!s:<15}  {reply}  {query['type']!s:<6} {query['name']}{times}{server}"


def watch(command: ControlCommand) -> int:
    watchQueries(command.channel, command.words, json=command.json)
    return OK


def showHistory(command: ControlCommand) -> int:
    span = command.words[0] if command.words else "hour"
    if len(command.words) > 1 or span not in SPANS:
        raise ExitError(USAGE, f"write: {command.verb.usage}")
    return command.show(command.channel.ask("GET", "history"), lambda said: historyLines(said, span))


def showZones(command: ControlCommand) -> int:
    words, flags = command.words, command.flags
    if len(words) > 1 or (words and flags):
        raise ExitError(USAGE, "write: txdns control zones [NAME], or: txdns control zones [--broken] [--all]")
    if "all" in flags:
        return command.show(_allZones(command), zoneLines)
    said = command.ask()
    if words and not listOf(said["zones"]):
        raise ExitError(USAGE, f"the server has no zone {words[0]}")
    return command.show(said, zoneLines)


def _allZones(command: ControlCommand) -> dict[str, JSON]:
    """
    Request all zones in several parts. Each zone is returned once, although zones may be added or removed meanwhile.
    """
    asked = {"broken": "1"} if "broken" in command.flags else {}
    zones: dict[str, JSON] = {}
    begin = 0
    while True:
        said = command.channel.ask("GET", "zones", {**asked, "begin": str(begin)})
        part = listOf(said["zones"])
        zones.update({str(zone["zone"]): zone for zone in part if isinstance(zone, dict)})
        begin += len(part)
        if not part or not said.get("more"):
            return {"zones": [*zones.values()], "count": len(zones), "more": 0}


def dump(command: ControlCommand) -> int:
    command.checkWords()
    path = command.words[0] if command.words else "-"
    view = command.words[1] if len(command.words) > 1 else ""
    pieces = command.channel.pieces(f"cache/dump?view={quote(view)}" if view else "cache/dump")
    if path == "-":
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
        return OK
    # Readable by its owner only: the names show which sites the clients visit.
    with fileErrors(path), replacingFile(path, 0o600) as file:
        file.writelines(pieces)
    return OK


def load(command: ControlCommand) -> int:
    command.checkWords()
    path = command.words[0]
    if path == "-":
        said = command.channel.ask("POST", "cache/load", body=sys.stdin.buffer)
    else:
        with fileErrors(path):
            file = open(path, "rb")
        with file:
            said = command.channel.ask("POST", "cache/load", body=file)
    return command.show(said, loadedLines)
