"""
Formats log lines: as text with a time or, for the systemd journal, with a priority; or as JSON.

An event may have C{fields}, values for JSON besides its text, as queries and state changes of upstreams do.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Final, cast

from twisted.logger import LogEvent, Logger, LogLevel, eventAsText, formatTime

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["formatterFor", "isNoise", "isOfJournal", "relayed", "relayedLine"]

#: Priorities of syslog (RFC 5424, section 6.2.1), by level.
_PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}

#: Messages of Twisted about its internals.
_PARTS: Final = re.compile(r"\w+ starting on \S+$|\(\S+ Port \S+ Closed\)$|(Starting|Stopping) factory <")


def isNoise(event: LogEvent) -> bool:
    """
    Return whether an event is about Twisted internals that mean nothing to an operator: factory and reactor classes, and the plugin cache,
    which another user may have installed.
    """
    namespace = event.get("log_namespace")
    if namespace == "twisted.plugin":
        return "plugin cache" in str(event.get("log_format"))
    if namespace == "twisted.scripts._twistd_unix.UnixAppLogger":
        return str(event.get("log_format")).startswith("reactor class")
    return namespace == "log_legacy" and _PARTS.match(_textOf(event)) is not None


def isOfJournal(file: IO[str], environment: Mapping[str, str]) -> bool:
    """
    Return whether a file is connected to the systemd journal (C{JOURNAL_STREAM}), which adds timestamps itself.
    """
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(file.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def formatterFor(style: str, journal: bool = False) -> Callable[[LogEvent], str | None]:
    """
    Return a formatter for log events. It returns L{None} for noise.

    @param style: C{text} or C{json}.
    @param journal: the lines go to systemd's journal.
    """
    line = _json if style == "json" else _prioritized if journal else _stamped

    def format(event: LogEvent) -> str | None:
        text = "" if isNoise(event) else _textOf(event)
        return line(event, text) if text else None

    return format


def _textOf(event: LogEvent) -> str:
    # Tracebacks end with a newline.
    return eventAsText(event, includeTimestamp=False, includeSystem=False).rstrip("\n")


def _levelOf(event: LogEvent) -> str:
    level = event.get("log_level")
    return "info" if level is None else str(level.name)


def _stamped(event: LogEvent, text: str) -> str:
    indented = text.replace("\n", "\n  ")
    at = event.get("log_time")
    when = formatTime(at) if at is None else _second(int(at))
    return f"{when} [{_levelOf(event)}] {indented}\n"


# Each line of a second has the same time. There is more than one only for events that were queued.
_second: Final = lru_cache(4)(formatTime)


def _prioritized(event: LogEvent, text: str) -> str:
    # The journal makes an entry of each line.
    prefix = f"<{_PRIORITIES[_levelOf(event)]}>"
    indented = text.replace("\n", f"\n{prefix}  ")
    return f"{prefix}{indented}\n"


def _json(event: LogEvent, text: str) -> str:
    when = datetime.fromtimestamp(event.get("log_time") or 0.0, UTC)
    said: dict[str, object] = {"time": when.isoformat(timespec="microseconds").replace("+00:00", "Z"), "level": _levelOf(event)}
    fields = event.get("fields")
    worker = event.get("worker")
    said |= fields if isinstance(fields, dict) else {"event": "log", "text": text if worker is None else event["line"]}
    if worker is not None:
        said["worker"] = worker
    return json.dumps(said, default=str) + "\n"


def relayedLine(event: LogEvent) -> str | None:
    """
    Format a worker's event for its parent; return L{None} for noise.
    """
    text = "" if isNoise(event) else _textOf(event)
    if not text:
        return None
    said: dict[str, object] = {"level": _levelOf(event), "text": text}
    fields = event.get("fields")
    if isinstance(fields, dict):
        said["fields"] = fields
    return json.dumps(said, default=str) + "\n"


def relayed(line: bytes, worker: int, log: Logger) -> dict[str, JSON]:
    """
    Log a line received from a worker.

    @param line: a line of L{relayedLine}, or other text from the worker's standard error.

    @return: the fields of an event about an upstream, which is left to the caller to log; else empty.
    """
    text, level, fields = line.decode("utf-8", "backslashreplace"), LogLevel.info, None
    try:
        said = json.loads(line) if line.startswith(b'{"level": ') else None
        if isinstance(said, dict):
            text, level, fields = str(said["text"]), LogLevel.lookupByName(str(said["level"])), said.get("fields")
    except (ValueError, KeyError):
        # Not an event: log it as plain text.
        pass
    if isinstance(fields, dict) and fields.get("event") == "upstream":
        return cast("dict[str, JSON]", fields)
    more = {"fields": fields} if isinstance(fields, dict) else {}
    log.emit(level, "worker {worker}: {line}", worker=worker, line=text, **more)
    return {}
