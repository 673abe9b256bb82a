"""
Tests of schedules in settings, and of lists that apply at times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.server.settings.faults import assertFaults
from tests.server.views.served import tableOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.blocking.lists import choicesIn, listsIn, unusedLists
from twisted_ext.server.features.blocking.names import BlockedNames
from twisted_ext.server.features.blocking.schedulesettings import ScheduleSettings
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.built import Features
from twisted_ext.server.settings.tomlfile import valuesFromTOML
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A


def test_tables() -> None:
    """
    A list may apply always, or during several schedules.
    """
    text = (
        'lists = ["ads", "games during night", "games during homework"]\ntime-zone = "Europe/Berlin"\n'
        '[[list]]\nname = "ads"\nfile = "/lists/ads"\n[[list]]\nname = "games"\nfile = "/lists/games"\n'
        '[[schedule]]\nname = "night"\ntimes = ["21:00-06:30"]\n[[schedule]]\nname = "homework"\ndays = "mon-fri"\ntimes = "14:00-17:30"\n'
    )
    settings = Settings(valuesFromTOML(text, "txdns.toml"))
    assert listsIn(settings) == ["block:ads=/lists/ads", "block:games=/lists/games"]
    (_, always), (_, night), (_, homework) = choicesIn(settings)
    assert always is None and night is not None and homework is not None
    wednesday = [datetime(2026, 11, 25, hour, 0) for hour in (5, 12, 15, 22)]
    assert [night.schedule.isOn(each) for each in wednesday] == [True, False, False, True]
    assert [homework.schedule.isOn(each) for each in wednesday] == [False, False, True, False]
    assert unusedLists(settings) == []


@pytest.mark.parametrize("given", ["night=21:00-06:30", "homework=mon-fri 14:00-17:30 sun", {"name": "off", "days": ["sat"], "times": []}])
def test_everyFormReadsBack(given: object) -> None:
    """
    What C{--show-config} prints, and what workers get, is the same schedule.
    """
    settings = Settings.of(schedule=[given])
    for again in (Settings(valuesFromTOML(settings.toTOML(), "txdns.toml")), Settings.fromJSON(settings.toJSON())):
        assert again[BlockingSettings].schedule == settings[BlockingSettings].schedule


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[schedule]]\ntimes = "1:00-2:00"', ['txdns.toml:1: a schedule has no name; write name = "homework"']),
        ('[[schedule]]\nname = "a"', ['schedule a has neither days nor times; write times = ["14:00-17:30"]']),
        ('[[schedule]]\nname = "a"\ntimes = ["25:00-1:00"]', ["txdns.toml:1: schedule a: '25:00-1:00' has a time that there is not"]),
        ('[[schedule]]\nname = "a"\ndays = ["someday"]', ["schedule a: 'someday' is not a day; write one of mon, tue"]),
        ('[[schedule]]\nname = "a"\ntime = ["1:00-2:00"]', ["schedule a: time: there is no such key; did you mean times?"]),
        ('time-zone = "Berlin"', ["time-zone takes the name of a time zone, such as Europe/Berlin; Berlin is not a time zone"]),
        ('schedule = ["a"]', ["schedule 'a' is not a valid schedule: write its name, an equals sign, and days or times"]),
    ],
)
def test_badTables(text: str, said: Sequence[str]) -> None:
    """
    Each error is reported with its line and what would be right.
    """
    assertFaults(text, said)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lists": "games during nihgt"}, "lists: there is no schedule nihgt; did you mean night?"),
        ({"lists": "games during night", "schedule": ()}, "lists: there is no schedule night; give it times by schedule, or a table"),
        ({"lists": "games at night"}, "lists: 'games at night' is not the name of a list; write ads, or games during homework"),
        ({"lists": "games during"}, "lists: 'games during' is not the name of a list"),
        ({"schedule": ["a=1:00-2:00", "a=3:00-4:00"]}, "schedule a is given twice"),
    ],
)
def test_badChoices(values: dict[str, object], said: str) -> None:
    """
    Lists and schedules that there are not cannot be chosen.
    """
    settings = Settings.of(**{"list": "games=/lists/games", "schedule": "night=21:00-06:30", "lists": "games", **values})
    with pytest.raises(BadDescription) as caught:
        choicesIn(settings)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("text", ["a", "=1:00-2:00", "a=", "a= ", "{", "{}"])
def test_badTexts(text: str) -> None:
    """
    What is neither a name with times nor a table is refused.
    """
    with pytest.raises(BadDescription):
        ScheduleSettings.fromText(text)


def test_settingsOfTables() -> None:
    """
    Each key of a table is explained.
    """
    assert all(each.help for each in ScheduleSettings.declared())


def test_listsBeginAndEnd(tmp_path: Path) -> None:
    """
    A list begins and ends by the clock of the zone, within a second, in the view that chose it; each time earlier replies are dropped once.
    """
    for name in ("ads", "games"):
        (tmp_path / name).write_text(f"{name}.example\n")
    settings = Settings.of(
        hostsFile="",
        list=[f"ads={tmp_path}/ads", f"games={tmp_path}/games"],
        lists="ads",
        schedule="night=21:00-06:30",
        timeZone="Europe/Berlin",
        view=[{"name": "children", "clients": "192.168.1.40", "lists": ["ads", "games during night"]}],
    )
    clock, changes = Clock(), []
    # Shortly before the clocks are put back in Berlin, in the night from Saturday to Sunday.
    begin = datetime(2026, 10, 24, 18, 59, 58, tzinfo=UTC).timestamp()
    site = Site(cast(IReactorTime, clock), settings, lambda: changes.append(clock.seconds()), today=lambda: begin + clock.seconds())
    features = Features(site)
    features.begin()
    words = [f"block:{name}={tmp_path}/{name}" for name in ("ads", "games")]
    features.take("blocking", {"table": tableOf(tmp_path / "table", words), "paused": []})
    policies = [cast(BlockedNames, each.active["blocking"]).policy for each in (features, features.views["children"])]
    games = nameFromText("www.games.example")
    switched: list[tuple[float, bool]] = []
    changes.clear()
    for _ in range(40_000):
        features.look()
        verdict = policies[1].verdict(games, A)
        on = verdict is not None and verdict.blocked
        if not switched or switched[-1][1] != on:
            switched.append((clock.seconds(), on))
        assert policies[0].verdict(games, A) is None
        clock.advance(1)
    # Ten and a half hours later by the time that passed: an hour came twice.
    assert switched == [(0, False), (2, True), (2 + 10.5 * 3600, False)]
    assert changes == [2, 2 + 10.5 * 3600]
    assert all(policy.verdict(nameFromText("ads.example"), A) is not None for policy in policies)
    later = Features(replace(site, settings=settings), features)
    later.begin()
    features.close(later)
    later.close()
