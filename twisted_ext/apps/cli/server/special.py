"""
Those commands of C{txdns control} that are more than one request whose reply is printed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from twisted_ext.apps.cli.server.queries import watchQueries
from twisted_ext.apps.cli.server.report import historyLines, listOf, loadedLines, zoneLines
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError, fileErrors
from twisted_ext.files import replacingFile
from twisted_ext.metrics.history import SPANS

if TYPE_CHECKING:
    from twisted_ext.apps.cli.server.control import ControlCommand
    from twisted_ext.metrics.figures import JSON

__all__ = ["dump", "load", "showHistory", "showZones", "watch"]


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
    pieces = command.channel.pieces("cache/dump")
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
