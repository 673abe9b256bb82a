"""
Times as text, as users write and read them: ISO 8601, in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = ["timeFromText", "timeToText"]

#: The last second that four digits of a year can express.
_LAST: Final = 253402300799

#: Characters of a time: the longest has microseconds, and an offset with them.
_MOST_CHARACTERS: Final = 48


def timeToText(seconds: int) -> str:
    """
    Format a time in UTC, such as C{2026-12-01T12:00:00Z}; as a number where there is no such date.

    @param seconds: seconds since 1970.
    """
    if not 0 <= seconds <= _LAST:
        return str(seconds)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timeFromText(text: str) -> int:
    """
    Parse a date, or date and time, of ISO 8601, in UTC unless it has an offset.

    @return: seconds since 1970.

    @raise ValueError: it is not valid.
    """
    if len(text) > _MOST_CHARACTERS or not text.isascii():
        raise ValueError(text[:_MOST_CHARACTERS])
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
