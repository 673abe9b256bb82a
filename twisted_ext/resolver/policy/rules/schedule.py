"""
When lists apply: times of days of the week, by the clock on the wall.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from twisted_ext.errors import BadDescription

__all__ = ["DAYS", "Schedule", "localTime"]

#: The days of the week, from Monday.
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIMES: Final = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")

_DAY: Final = 24 * 60

#: Returns the time on the wall at a number of seconds since 1970.
Clock = Callable[[float], datetime]


def localTime(zone: str) -> Clock:
    """
    Return the clock of a time zone.

    @param zone: its name, such as C{"Europe/Berlin"}; C{""} for that of this machine.

    @raise BadDescription: there is no such zone.
    """
    if not zone:
        return datetime.fromtimestamp
    # Only here: few servers need it.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        found = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        from difflib import get_close_matches

        known = available_timezones()
        if not known:
            raise BadDescription("this machine has no time zones; install tzdata") from None
        close = get_close_matches(zone, known, 1)
        raise BadDescription(f"{zone} is not a time zone{f'; did you mean {close[0]}?' if close else ', such as Europe/Berlin'}") from None
    return lambda seconds: datetime.fromtimestamp(seconds, found)


class Schedule:
    """
    Times of some days of the week. A time that ends at midnight or after it belongs to the day when it begins. When clocks are put back,
    the hour that comes twice counts twice; when they are put forward, the times that do not come are left out.
    """

    __slots__ = ("_parts",)

    def __init__(self, days: Sequence[str], times: Sequence[str]) -> None:
        """
        @param days: such as C{"mon"} or C{"sat-sun"}; none for all.
        @param times: such as C{"14:00-17:30"} or C{"21:00-06:30"}; none for whole days.

        @raise BadDescription: a day or a time is not valid.
        """
        chosen = {day for each in days for day in _daysIn(each)} or {*range(len(DAYS))}
        # For each day of the week the minutes from its midnight at which it is on, up to those of the next day.
        self._parts: list[list[tuple[int, int]]] = [[] for _ in DAYS]
        for begin, end in [_minutesIn(each) for each in times] or [(0, _DAY)]:
            for day in chosen:
                self._parts[day].append((begin, min(end, _DAY)))
                if end > _DAY:
                    self._parts[(day + 1) % len(DAYS)].append((0, end - _DAY))

    def isOn(self, local: datetime) -> bool:
        """
        @param local: a time on the wall.
        """
        minute = local.hour * 60 + local.minute
        return any(begin <= minute < end for begin, end in self._parts[local.weekday()])


def _daysIn(text: str) -> list[int]:
    first, mark, last = text.strip().lower().partition("-")
    if first not in DAYS or (mark and last not in DAYS):
        raise BadDescription(f"{text!r} is not a day; write one of {', '.join(DAYS)}, or several as mon-fri")
    begin, end = DAYS.index(first), DAYS.index(last if mark else first)
    return [*range(begin, end + 1)] if begin <= end else [*range(begin, len(DAYS)), *range(end + 1)]


def _minutesIn(text: str) -> tuple[int, int]:
    """
    Return the minutes after midnight of the begin and the end; the latter may be on the next day.
    """
    matched = _TIMES.fullmatch(text.strip())
    if matched is None:
        raise BadDescription(f"{text!r} is not a time of the day; write 14:00-17:30, or 21:00-06:30 for a night")
    hours, minutes, lastHours, lastMinutes = map(int, matched.groups())
    begin, end = 60 * hours + minutes, 60 * lastHours + lastMinutes
    if begin >= _DAY or end > _DAY or minutes > 59 or lastMinutes > 59:
        raise BadDescription(f"{text!r} has a time that there is not; write 14:00-17:30, or 21:00-06:30 for a night")
    if begin == end:
        raise BadDescription(f"{text!r} has no length; write 00:00-24:00 for a whole day")
    return begin, end if begin < end else end + _DAY
