"""
Convert times in records: 32-bit seconds since 1970 and C{YYYYMMDDHHMMSS} (RFC 4034, section 3.2); durations such as C{1h30m}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted_ext.wire.rdata.fieldtypes import Number
from twisted_ext.wire.tokens import Tokens

__all__ = ["Duration", "Time", "secondsFromDate", "dateFromSeconds", "secondsFromDuration"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

_DURATION: Final = re.compile("(?:[0-9]{1,10}[smhdwSMHDW])+|[0-9]{1,10}")

_PART: Final = re.compile("([0-9]+)([a-z]?)")

#: Days from the first of March to the first of each month, beginning with March.
_DAYS: Final = (0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337)

#: Days from 1 March of the year 0 to 1 January 1970.
_EPOCH: Final = 719468


def secondsFromDate(text: str) -> int:
    """
    Parse a date.

    @param text: fourteen digits: year, month, day, hour, minute, second, in UTC.

    @return: seconds since 1970.

    @raise ValueError: there is no such date.
    """
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 29 + leap - 1 if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if not (1 <= month <= 12 and 1 <= day <= longest and hour < 24 and minute < 60 and second < 60):
        raise ValueError(text)
    if month < 3:
        year -= 1
    days = year * 365 + year // 4 - year // 100 + year // 400 + _DAYS[(month + 9) % 12] + day - 1 - _EPOCH
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def dateFromSeconds(seconds: int) -> str:
    """
    Format a time as fourteen digits, in UTC.

    @param seconds: seconds since 1970.
    """
    days, rest = divmod(seconds, 86400)
    days += _EPOCH
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= year * 365 + year // 4 - year // 100
    month = (day * 5 + 2) // 153
    day -= _DAYS[month] - 1
    year += era * 400 + (month > 9)
    month = month + 3 if month < 10 else month - 9
    return f"{year:04d}{month:02d}{day:02d}{rest // 3600:02d}{rest // 60 % 60:02d}{rest % 60:02d}"


def secondsFromDuration(text: str) -> int:
    """
    Parse a duration in seconds.

    @param text: a number of seconds, or numbers with units: C{1h30m}, C{2W}.

    @raise ValueError: it is neither, or does not fit into 32 bits.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    total = sum([int(digits) * _UNITS[unit or "s"] for digits, unit in _PART.findall(text.lower())])
    if total > 0xFFFFFFFF:
        raise ValueError(text)
    return total


class Time(Number):
    """
    A time in seconds since 1970.
    """

    def __init__(self) -> None:
        super().__init__(4)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        expected = f"{self.expected()}, a time as YYYYMMDDHHMMSS from 1970 on or in seconds since then,"
        text = tokens.take(expected)
        try:
            # Times are compared modulo 2^32 (RFC 4034, section 3.1.5), so later dates are valid too.
            seconds = secondsFromDate(text) & self.most if len(text) == 14 and text[:4] >= "1970" else int(text)
        except ValueError:
            raise tokens.bad(text, expected) from None
        if seconds > self.most or not (text.isascii() and text.isdigit()):
            raise tokens.bad(text, expected)
        return seconds

    def toText(self, value: int, before: Sequence[object]) -> str:
        return dateFromSeconds(value)


class Duration(Number):
    """
    A number of seconds.
    """

    def __init__(self) -> None:
        super().__init__(4)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        expected = f"{self.expected()}, seconds or a duration such as 1h30m,"
        text = tokens.take(expected)
        try:
            return secondsFromDuration(text)
        except ValueError:
            raise tokens.bad(text, expected) from None
