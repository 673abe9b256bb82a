"""
Tests of L{twisted_ext.resolver.policy.rules.schedule}.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.rules.schedule import DAYS, Schedule, localTime

#: Clocks are put back and forward by an hour, by half an hour, and never.
_ZONES = ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata")

_SCHEDULES = (
    ((), ("21:00-06:30",)),
    (("mon-fri",), ("14:00-17:30", "02:15-02:45")),
    (("sat-sun",), ()),
    (("fri-mon", "wed"), ("23:59-00:01", "12:00-24:00")),
    (("sun",), ("22:00-21:59",)),
)


def naive(days: tuple[str, ...], times: tuple[str, ...], local: datetime) -> bool:
    """
    Return whether a time on the wall is in an interval that begins on its day or on the day before.
    """
    chosen = set()
    for each in days or ("mon-sun",):
        first, _, last = each.partition("-")
        day = DAYS.index(first)
        chosen.add(day)
        while last and DAYS[day] != last:
            day = (day + 1) % 7
            chosen.add(day)
    wall = local.replace(tzinfo=None, fold=0)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    for start in (midnight, midnight - timedelta(days=1)):
        for each in times or ("00:00-24:00",):
            begin, end = [timedelta(hours=int(part[:2]), minutes=int(part[3:])) for part in each.split("-")]
            if start.weekday() in chosen and start + begin <= wall < start + end + (timedelta(days=1) if end < begin else timedelta()):
                return True
    return False


def minutes(zone: str, step: int) -> Iterator[float]:
    """
    Yield times of the year 2026, each of these minutes, and each minute of the days when clocks are changed.
    """
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    there = ZoneInfo(zone)
    for day in range(365):
        midnight = begin + timedelta(days=day)
        changes = midnight.astimezone(there).utcoffset() != (midnight + timedelta(days=1)).astimezone(there).utcoffset()
        for minute in range(0, 1440, 1 if changes else step):
            yield midnight.timestamp() + 60 * minute


def differences(zone: str, step: int) -> int:
    clock = localTime(zone)
    schedules = [(days, times, Schedule(days, times)) for days, times in _SCHEDULES]
    return sum(
        schedule.isOn(local) != naive(days, times, local)
        for local in map(clock, minutes(zone, step))
        for days, times, schedule in schedules
    )


@pytest.mark.parametrize("zone", _ZONES)
def test_year(zone: str) -> None:
    """
    Over a year, and when clocks are changed, a schedule is on when one is that looks at each of its intervals.
    """
    assert differences(zone, 37) == 0


@pytest.mark.long
@pytest.mark.parametrize("zone", _ZONES)
def test_eachMinuteOfYear(zone: str) -> None:
    """
    The same holds for each minute.
    """
    assert differences(zone, 1) == 0


def test_zones() -> None:
    """
    The clock of a zone differs from that of others, and changes with the season.
    """
    summer, winter = [datetime(2026, month, 1, 12, tzinfo=UTC).timestamp() for month in (7, 1)]
    clock = localTime("Europe/Berlin")
    assert [clock(each).hour for each in (summer, winter)] == [14, 13]
    assert localTime("")(summer) == datetime.fromtimestamp(summer)


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berlni", "Europe/Berlni is not a time zone; did you mean Europe/Berlin?"),
        ("xyzzy", "xyzzy is not a time zone, such as Europe/Berlin"),
        ("../../etc/passwd", "is not a time zone"),
        ("/etc/localtime", "is not a time zone"),
        ("Europe/Berlin\x00", "is not a time zone"),
        ("Europe", "is not a time zone"),
    ],
)
def test_badZones(zone: str, said: str) -> None:
    """
    What is no time zone is refused, paths of files too.
    """
    with pytest.raises(BadDescription) as caught:
        localTime(zone)
    assert said in str(caught.value)


def test_daysWithCapitals() -> None:
    """
    Days may be written with capitals and with spaces around them.
    """
    schedule = Schedule([" Sat-SUN "], [])
    # The 23rd is a Monday.
    assert [schedule.isOn(datetime(2026, 11, day, 12)) for day in range(23, 30)] == [False] * 5 + [True] * 2


@pytest.mark.parametrize(
    ("days", "times", "said"),
    [
        (("day",), (), "'day' is not a day; write one of mon, tue, wed, thu, fri, sat, sun, or several as mon-fri"),
        (("mon-",), (), "'mon-' is not a day"),
        (("mon-x",), (), "'mon-x' is not a day"),
        ((), ("25:00-26:00",), "'25:00-26:00' has a time that there is not; write 14:00-17:30"),
        ((), ("24:00-25:00",), "has a time that there is not"),
        ((), ("24:00-06:00",), "has a time that there is not"),
        ((), ("12:60-13:00",), "has a time that there is not"),
        ((), ("12-13",), "'12-13' is not a time of the day; write 14:00-17:30, or 21:00-06:30 for a night"),
        ((), ("",), "'' is not a time of the day"),
        ((), ("12:00-12:00",), "'12:00-12:00' has no length; write 00:00-24:00 for a whole day"),
    ],
)
def test_badSchedules(days: tuple[str, ...], times: tuple[str, ...], said: str) -> None:
    """
    Days and times that cannot be are refused with what would be right.
    """
    with pytest.raises(BadDescription) as caught:
        Schedule(days, times)
    assert said in str(caught.value)
