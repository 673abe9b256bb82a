"""
Moments as persons write them: in a time from now, or at a date and time of a time zone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types

__all__ = ["TIME_ZONE", "momentFrom", "momentShown", "zoneFrom"]

_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}

_IN: Final = re.compile(r"in\s+((?:[0-9]{1,6}[wdhms])+)\s+(.+)", re.DOTALL | re.IGNORECASE)

_AT: Final = re.compile(r"at\s+([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2})\s+(.+)", re.DOTALL | re.IGNORECASE)

_UNIT: Final = re.compile("([0-9]+)([wdhms])")


def zoneFrom(text: str) -> tzinfo:
    """
    @raise BadDescription: the system knows no time zone of this name.
    """
    if text == "UTC":
        # Without the system's files, there is nothing else.
        return UTC
    try:
        return ZoneInfo(text)
    except (LookupError, ValueError, OSError):
        raise BadDescription(f"{text!r} is not a time zone of this system") from None


def _zone(text: str) -> str:
    zoneFrom(text)
    return text


#: The kind of options with a time zone.
TIME_ZONE: Final = types.Text("the name of a time zone, such as UTC or Europe/Berlin", _zone)


def momentFrom(text: str, now: float, zone: tzinfo) -> tuple[float, str]:
    """
    Return the moment that a text begins with, and the rest: C{in 2h30m TEXT}, or C{at 2026-12-01 09:00 TEXT}.

    @param now: seconds since 1970, as the result.

    @raise CommandError: the text begins with none, or there is no such time.
    """
    if found := _IN.fullmatch(text.strip()):
        after = sum(int(count) * _SECONDS[unit] for count, unit in _UNIT.findall(found[1].lower()))
        return now + after, found[2]
    found = _AT.fullmatch(text.strip())
    if found is None:
        raise CommandError("write in 2h30m TEXT, with w, d, h, m or s for the units, or at 2026-12-01 09:00 TEXT")
    try:
        local = datetime.fromisoformat(f"{found[1]}T{found[2]}")
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        isSkipped = moment.astimezone(zone).replace(tzinfo=None) != local
    except (ValueError, OverflowError):
        raise CommandError(f"{found[1]} {found[2]} is not a date and time") from None
    if isSkipped:
        raise CommandError(f"{found[1]} has no {found[2]} in {zone}: the clocks skip it")
    return moment.timestamp(), found[3]


def momentShown(moment: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M %Z")
