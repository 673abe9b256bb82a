"""
Tests of the command C{txdns control why}.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.server.views.served import tableOf
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.blocking.names import BlockedNames
from twisted_ext.server.features.built import Features
from twisted_ext.server.operations.table import verbAt
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

_IN = "192.168.1.40 is in view children"


@pytest.fixture
def features(tmp_path: Path) -> Iterator[Features]:
    """
    Features of a server whose view C{children} has a list at night, at noon of a day in November.
    """
    (tmp_path / "ads").write_text("# title\n||ads.example^\n@@||good.ads.example^\n")
    (tmp_path / "games").write_text("0.0.0.0 games.example\nads.example\n")
    settings = Settings.of(
        hostsFile="",
        list=[f"ads={tmp_path}/ads", f"games={tmp_path}/games"],
        lists="ads",
        block="casino.example",
        schedule="night=21:00-06:30",
        timeZone="Europe/Berlin",
        view=[
            {"name": "children", "clients": "192.168.1.40", "lists": ["ads", "games during night"], "block-except": ["fine.example"]},
            {"name": "guests", "clients": "192.168.9.0/24", "lists": [], "block": []},
        ],
    )
    noon = datetime(2026, 11, 25, 11, 0, tzinfo=UTC).timestamp()
    made = Features(Site(cast(IReactorTime, Clock()), settings, today=lambda: noon))
    made.begin()
    words = [f"block:{name}={tmp_path}/{name}" for name in ("ads", "games")]
    made.take("blocking", {"table": tableOf(tmp_path / "table", words), "paused": []})
    yield made
    made.close()


def why(features: Features, name: str, client: str, time: str = "") -> dict[str, JSON]:
    return cast("dict[str, JSON]", features.run(*verbAt("why"), {"name": name, "client": client, **({"time": time} if time else {})}))


@pytest.mark.parametrize(
    ("name", "client", "time", "said"),
    [
        ("x.ads.example", "192.168.1.7", "", ["192.168.1.7 is in no view", "x.ads.example is blocked by ads:2 (PATH/ads): ads.example"]),
        ("good.ads.example.", "::1", "", ["::1 is in no view", "good.ads.example is an exception by ads:3 (PATH/ads): good.ads.example"]),
        ("CASINO.example", "192.168.1.7", "", ["192.168.1.7 is in no view", "CASINO.example is blocked by block: casino.example"]),
        ("a.fine.example", "192.168.1.40", "", [_IN, "a.fine.example is an exception by block-except: fine.example"]),
        (
            "games.example",
            "192.168.1.40",
            "",
            [
                _IN,
                "games.example is not blocked: no rule is about it",
                "during night it is blocked by games:1 (PATH/games): games.example",
            ],
        ),
        (
            "games.example",
            "192.168.1.40",
            "21:00",
            [_IN, "games.example is blocked by games:1 (PATH/games): games.example"],
        ),
        (
            "ads.example",
            "192.168.1.40",
            "2026-12-24T12:00",
            [
                _IN,
                "ads.example is blocked by ads:2 (PATH/ads): ads.example",
                "during night it is blocked by games:2 (PATH/games): ads.example",
            ],
        ),
        ("games.example", "192.168.1.7", "22:00", ["192.168.1.7 is in no view", "games.example is not blocked: no rule is about it"]),
    ],
)
def test_decidingRule(features: Features, tmp_path: Path, name: str, client: str, time: str, said: list[str]) -> None:
    """
    The view of the client is named, and the rule that decides there, with its list, its line and when it applies.
    """
    assert why(features, name, client, time)["said"] == [line.replace("PATH", str(tmp_path)) for line in said]


def test_forPrograms(features: Features) -> None:
    """
    Programs get the view, the decision and the rule.
    """
    found = why(features, "x.ads.example", "192.168.1.40")
    del found["said"]
    assert found == {"client": "192.168.1.40", "view": "children", "blocked": True, "rewritten": False, "rule": "ads:2"}


def test_paused(features: Features) -> None:
    """
    A pause is said, and what would be decided without it.
    """
    policies = features.views["children"].active["blocking"]
    policies.take({"table": None, "paused": ["children"]})
    said = why(features, "ads.example", "192.168.1.40")["said"]
    assert isinstance(said, list)
    assert said[1] == "blocking is paused; without that:"
    assert "is blocked by ads:2" in str(said[2])


def test_pausedAtAnotherTime(features: Features, tmp_path: Path) -> None:
    """
    What is decided at another time does not depend on the pause of now.
    """
    features.views["children"].active["blocking"].take({"table": None, "paused": ["children"]})
    said = why(features, "games.example", "192.168.1.40", "22:00")["said"]
    assert said == [_IN, f"games.example is blocked by games:1 ({tmp_path}/games): games.example"]


@pytest.mark.parametrize("octets", [None, b"", b"x" * 100])
def test_tableThatCannotBeMapped(features: Features, tmp_path: Path, octets: bytes | None) -> None:
    """
    If the next table of lists is gone or damaged, the former one stays in force, also for views.
    """
    path = tmp_path / "next"
    if octets is not None:
        path.write_bytes(octets)
    before = [why(features, "ads.example", client)["said"] for client in ("192.168.1.7", "192.168.1.40")]
    features.take("blocking", {"table": str(path), "paused": []})
    assert [why(features, "ads.example", client)["said"] for client in ("192.168.1.7", "192.168.1.40")] == before
    for policies in (features.active, features.views["children"].active):
        blocking = policies["blocking"]
        assert isinstance(blocking, BlockedNames)
        assert blocking.policy.verdict(nameFromText("ads.example"), A) is not None


@pytest.mark.parametrize(
    ("name", "client", "time", "said"),
    [
        ("a..b", "192.168.1.40", "", "'a..b' is not a name"),
        ("ads.example", "children", "", "'children' is not an address; write 192.0.2.1 or 2001:db8::1"),
        ("ads.example", "192.168.1.40", "soon", "'soon' is not a time; write 21:30 or 2026-11-25T21:30"),
        ("ads.example", "192.168.1.40", "25:00", "'25:00' is not a time"),
        ("ads.example", "192.168.9.7", "", "blocking is not switched on in view guests"),
    ],
)
def test_wrongWords(features: Features, name: str, client: str, time: str, said: str) -> None:
    """
    Words that cannot be used are errors that say what can.
    """
    with pytest.raises(CallerFault) as caught:
        why(features, name, client, time)
    assert str(caught.value).startswith(said)
