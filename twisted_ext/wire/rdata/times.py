"""
Convert times in records: 32-bit seconds since 1970 and C{YYYYMMDDHHMMSS} (RFC 4034, section 3.2); durations such as C{1h30m}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from twisted_ext.wire.rdata.fieldtypes import Number
from twisted_ext.wire.tokens import Tokens

__all__ = ["Duration", "Time", "secondsFromDate", "dateFromSeconds", "secondsFromDuration"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

_DURATION: Final = re.compile("(?:[0-9]{1,10}[smhdwSMHDW])+|[0-9]{1,10}")

_SEPARATORS: Final = str.maketrans("", "", "-:T")

_PART: Final = re.compile("([0-9]+)([a-z]?)")


def secondsFromDate(text: str) -> int:
    """
    @param text: fourteen digits: year, month, day, hour, minute, second, in UTC.

    @return: seconds since 1970.

    @raise ValueError: there is no such date.
    """
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:])
    return int(datetime(int(text[:4]), int(text[4:6]), int(text[6:8]), hour, minute, second, tzinfo=UTC).timestamp())


def dateFromSeconds(seconds: int) -> str:
    """
    Format a time in seconds since 1970 as fourteen digits, in UTC.
    """
    # This takes less time than strftime.
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19].translate(_SEPARATORS)


def secondsFromDuration(text: str) -> int:
    """
    @param text: a number of seconds, or numbers with units: C{1h30m}, C{2W}.

    @raise ValueError: it is neither, or does not fit into 32 bits.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    total = sum([int(digits) * _UNITS[unit or "s"] for digits, unit in _PART.findall(text.lower())])
    if total > 0xFFFFFFFF:
        raise ValueError(text)
    return total


def _secondsFromTime(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    # Times are compared modulo 2^32 (RFC 4034, section 3.1.5), so later dates are valid too.
    seconds = secondsFromDate(text) & 0xFFFFFFFF if len(text) == 14 and text[:4] >= "1970" else int(text)
    if seconds > 0xFFFFFFFF:
        raise ValueError(text)
    return seconds


class Time(Number):
    def __init__(self) -> None:
        super().__init__(4)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        expected = f"{self.expected()}, a time as YYYYMMDDHHMMSS from 1970 on or in seconds since then,"
        return tokens.parsed(expected, _secondsFromTime)

    def toText(self, value: int, before: Sequence[object]) -> str:
        return dateFromSeconds(value)


class Duration(Number):
    def __init__(self) -> None:
        super().__init__(4)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        return tokens.parsed(f"{self.expected()}, seconds or a duration such as 1h30m,", secondsFromDuration)
