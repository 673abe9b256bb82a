"""
Tests of L{twisted_ext.apps.robot.moments}.
"""

from __future__ import annotations

from datetime import UTC

import pytest

from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.moments import TIME_ZONE, momentFrom, momentShown, zoneFrom
from twisted_ext.errors import BadDescription

__all__: list[str] = []


@pytest.mark.parametrize(
    ("text", "after"),
    [("in 90s x", 90), ("IN 2h30M x", 9000), ("in 1w2d x", 777_600), ("  in   5m   x", 300)],
)
def test_timesFromNow(text: str, after: int) -> None:
    """
    A time from now is the sum of weeks, days, hours, minutes and seconds, and the rest of the line is the text.
    """
    assert momentFrom(text, 1000.0, UTC) == (1000.0 + after, "x")


def test_datesAreOfTheTimeZone() -> None:
    """
    A date and time is that of the time zone, and is shown in it.
    """
    berlin = zoneFrom("Europe/Berlin")
    assert momentFrom("at 1970-01-02 00:00 a  b", 0.0, UTC) == (86400.0, "a  b")
    assert momentFrom("at 1970-01-02T01:00 a", 0.0, berlin) == (86400.0, "a")
    assert momentShown(86400.0, berlin) == "1970-01-02 01:00 CET"
    assert momentShown(86400.0, UTC) == "1970-01-02 00:00 UTC"


def test_skippedTimesAreRefused() -> None:
    """
    A time that the change to summer time skips is refused; of one that occurs twice, the first is meant.
    """
    berlin = zoneFrom("Europe/Berlin")
    with pytest.raises(CommandError, match="2026-03-29 has no 02:30 in Europe/Berlin"):
        momentFrom("at 2026-03-29 02:30 x", 0.0, berlin)
    assert momentShown(momentFrom("at 2026-10-25 02:30 x", 0.0, berlin)[0], berlin) == "2026-10-25 02:30 CEST"


@pytest.mark.parametrize(
    "text",
    ["", "in", "in 5m", "in 5 x", "in 5y x", "in -5m x", "in \u0665m x", "at 2026-12-01 x", "at 09 x", "tomorrow x", "at 2026-12-01 09:00"],
)
def test_otherTextsAreRefused(text: str) -> None:
    """
    A text that begins with no time, or has nothing behind it, is refused with an example.
    """
    with pytest.raises(CommandError, match="write in 2h30m TEXT"):
        momentFrom(text, 0.0, UTC)


@pytest.mark.parametrize("text", ["at 2026-13-01 09:00 x", "at 2026-02-30 09:00 x", "at 2026-12-01 24:00 x", "at 0000-01-01 00:00 x"])
def test_datesThatDoNotExistAreRefused(text: str) -> None:
    """
    A date or time that does not exist is refused.
    """
    with pytest.raises(CommandError, match="is not a date and time"):
        momentFrom(text, 0.0, UTC)


def test_endsOfTheCalendarAreRefused() -> None:
    """
    A time that has no year in UTC is refused.
    """
    for text in ("at 0001-01-01 00:00 x", "at 9999-12-31 23:59 x"):
        for zone in ("Asia/Tokyo", "America/New_York"):
            try:
                momentFrom(text, 0.0, zoneFrom(zone))
            except CommandError as error:
                assert "is not a date and time" in str(error) or "has no" in str(error)


@pytest.mark.parametrize("text", ["Nowhere/Land", "../../etc/passwd", "/etc/passwd", "Europe", "", "a\x00b"])
def test_otherTimeZonesAreRefused(text: str) -> None:
    """
    A setting that is not the name of a time zone is refused, paths included.
    """
    with pytest.raises(BadDescription, match="is not a time zone"):
        TIME_ZONE.fromText(text)
    assert TIME_ZONE.fromText("Europe/Berlin") == "Europe/Berlin"
