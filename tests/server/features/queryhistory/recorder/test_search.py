"""
Tests of the search in a history, beside a look at each row.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.server.features.queryhistory.recorder.histories import BEGIN, historyOf, rowOf
from twisted_ext.server.features.queryhistory.recorder.rows import STATUSES, Row, reversedName, shownName
from twisted_ext.server.features.queryhistory.recorder.search import Filter, Place, counts, rowAt, search
from twisted_ext.wire.names import nameFromText

_NAMES = tuple("example www.example xwww.example a\\.b.example a.b.example exam-ple example.org %.example _x.example .".split())
_CLIENTS = ("192.0.2.7", "192.0.2.70", "192.0.3.7", "192.0.2.0/24", "2001:db8::7", "fe80::1%eth0", "", "0f" * 12)
_RULES = ("", "ads.txt:7", "ads.txt:70", "Kids 100%:1")


def _made(count: int) -> list[Row]:
    chance = Random(7)
    return [
        rowOf(
            chance.choice(_NAMES),
            # A clock that jumps.
            BEGIN + number // 10 - 50 * (number % 97 == 0),
            client=chance.choice(_CLIENTS),
            type=chance.choice((1, 28, 65)),
            rcode=chance.choice((-1, 0, 0, 3)),
            rule=chance.choice(_RULES),
            ede=chance.choice(("", "Blocked")),
            upstream=chance.choice(("", "192.0.2.53:53")),
            view=chance.choice(("", "children")),
            status=chance.choice(STATUSES),
            micros=number,
            security=chance.choice((0, 0, 1, 2, 3)),
            alias=chance.choice((None, "", "example.cdn", "example.cdn example.edge")),
        )
        for number in range(count)
    ]


_ROWS = _made(2000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """
    A history of two finished files and one that is written.
    """
    folder = tmp_path_factory.mktemp("history")
    historyOf(folder, _ROWS[:700], _ROWS[700:1500], _ROWS[1500:], isOpen=True)
    yield folder


def _isFound(row: Row, wanted: Filter) -> bool:
    """
    Look at one row, with other means than the search.
    """
    name = shownName(row.name)
    if wanted.name is not None:
        top = shownName(wanted.name)
        wire, above = nameFromText(name), nameFromText(top)
        labels, suffix = _labels(wire), _labels(above)
        if labels != suffix and not (wanted.isBelow and labels[len(labels) - len(suffix) :] == suffix and len(labels) > len(suffix)):
            return False
    if isinstance(wanted.clients, frozenset):
        if row.client not in wanted.clients:
            return False
    elif wanted.clients is not None:
        address = row.client.split("%")[0].split("/")[0]
        if len(address) == 24 or not address or ip_address(address) not in wanted.clients:
            return False
    return (
        wanted.part.lower() in name
        and wanted.type in (None, row.type)
        and wanted.rcode in (None, row.rcode)
        and (not wanted.rule or wanted.rule.lower() in row.rule.lower())
        and (not wanted.statuses or row.status in wanted.statuses)
        and wanted.security in (None, row.security)
        and (wanted.since is None or row.at >= wanted.since)
        and (wanted.until is None or row.at < wanted.until)
    )


def _labels(wire: bytes) -> list[bytes]:
    labels: list[bytes] = []
    while wire[0]:
        labels.append(wire[1 : 1 + wire[0]])
        wire = wire[1 + wire[0] :]
    return labels


_TIMES = some.one_of(some.none(), some.integers(BEGIN - 60, BEGIN + 260).map(lambda seconds: seconds * 1_000_000))
_FILTERS = some.builds(
    Filter,
    name=some.one_of(some.none(), some.sampled_from(_NAMES).map(lambda name: reversedName(nameFromText(name)))),
    isBelow=some.booleans(),
    part=some.sampled_from(("", "", "WWW", "m", "%", "_", "a\\.b", "e.")),
    clients=some.one_of(
        some.none(),
        some.frozensets(some.sampled_from(_CLIENTS[:-2]), min_size=1, max_size=3),
        some.sampled_from(("192.0.2.0/25", "192.0.0.0/16", "2001:db8::/32", "::/0")).map(ip_network),
    ),
    type=some.sampled_from((None, None, 1, 65)),
    rcode=some.sampled_from((None, None, 0, 3, -1)),
    rule=some.sampled_from(("", "", "ads", "ADS.txt:7", "%", "_")),
    statuses=some.frozensets(some.integers(0, len(STATUSES) - 1)),
    security=some.sampled_from((None, None, 0, 2)),
    since=_TIMES,
    until=_TIMES,
    before=some.one_of(some.none(), some.builds(Place, some.integers(0, 4), some.integers(0, 900))),
)


def _olderThan(place: Place) -> int:
    """
    Return how many rows are older than a place.
    """
    begins = (0, 0, 700, 1500, 2000)[place.segment]
    sizes = (0, 700, 800, 500, 0)[place.segment]
    return begins + min(max(place.row - 1, 0), sizes)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_FILTERS)
def test_asByLookingAtEachRow(folder: Path, wanted: Filter) -> None:
    """
    Each filter finds the rows for which it holds, the newest first, and no others.
    """
    complaints: list[str] = []
    found = [each.row for each in search(str(folder), wanted, complaints.append)]
    older = _ROWS if wanted.before is None else _ROWS[: _olderThan(wanted.before)]
    assert found == [row for row in reversed(older) if _isFound(row, wanted)]
    assert complaints == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_FILTERS, some.sampled_from(("client", "name", "rule")))
def test_countsAsByLookingAtEachRow(folder: Path, wanted: Filter, kind: str) -> None:
    """
    What is counted is what is found, of rows that have a client, a name or a rule.
    """
    wanted = replace(wanted, before=None)
    values = [getattr(row, kind) for row in _ROWS if _isFound(row, wanted)]
    assert counts(str(folder), wanted, kind, print) == Counter([each for each in values if each or kind == "name"])


def test_countingGoesByTheBestWay(folder: Path) -> None:
    """
    Rows are read in their order where most of them are counted, and by an index where that has what is counted.
    """
    asked: list[str] = []

    class Noted(sqlite3.Connection):
        def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
            """
            Note how a count is made.
            """
            if "GROUP BY" in sql:
                asked.append(" ".join([str(row[3]) for row in super().execute(f"EXPLAIN QUERY PLAN {sql}", cast("Any", values))]))
            return super().execute(sql, cast("Any", values))

    connect = sqlite3.connect
    with patch.object(sqlite3, "connect", lambda *given, **more: connect(*given, **more, factory=Noted)):
        for wanted, kind, word in (
            (Filter(statuses=frozenset([3])), "name", "SCAN q"), (Filter(), "name", "USING COVERING INDEX byname"),
            (Filter(), "rule", "USING COVERING INDEX byrule"), (Filter(since=(BEGIN + 1) * 1_000_000), "client", "SCAN q"),
            (Filter(name="example.www"), "client", "byname"),
        ):  # fmt: skip
            asked.clear()
            counts(str(folder), wanted, kind, print)
            # The last file is still written.
            assert word in asked[-1], (wanted, asked)
            assert ("INDEX" in asked[-1]) is ("SCAN q" != word)


def test_eachFilterAlone(folder: Path) -> None:
    """
    Each part of a filter finds something, and not everything: the comparison above compares something.
    """
    whole = Filter()
    parts: list[dict[str, Any]] = [
        {"name": "example.www"}, {"part": "ww"}, {"clients": frozenset(["192.0.2.7"])}, {"clients": ip_network("192.0.2.0/24")},
        {"type": 65}, {"rcode": -1}, {"rule": "txt:70"}, {"statuses": frozenset([3])}, {"security": 3},
        {"since": (BEGIN + 100) * 1_000_000}, {"until": (BEGIN + 100) * 1_000_000},
    ]  # fmt: skip
    for each in parts:
        assert 0 < len(list(search(str(folder), replace(whole, **each), print))) < len(_ROWS)


def test_placesOfRows(folder: Path) -> None:
    """
    Each row is found again by its place, and no other text is a place.
    """
    whole = list(search(str(folder), Filter(), print))
    for number in range(0, len(whole), 97):
        each = whole[number]
        assert list(search(str(folder), Filter(before=each.place), print)) == whole[number + 1 :]
        assert rowAt(str(folder), each.place) == each.row
        assert Place.fromText(str(each.place)) == each.place
    for place in (Place(9, 1), Place(1, 99999)):
        assert rowAt(str(folder), place) is None
    for text in ("", "1", "1.", ".1", "1.x", "1.1 OR 1", "1." + "9" * 40, "-1.1", "1.\u0661", "1.2.3"):
        assert Place.fromText(text) is None


def test_filesThatGoWhileTheyAreSearched(tmp_path: Path) -> None:
    """
    Files that are removed during a search are left out; the one that is read is read to its end.
    """
    first, second = historyOf(tmp_path, [rowOf("a.example")], [rowOf(f"b{number}.example") for number in range(50)])
    complaints: list[str] = []
    found = search(str(tmp_path), Filter(), complaints.append)
    next(found)
    first.unlink()
    second.unlink()
    assert (len(list(found)), complaints) == (49, [])


def test_aSearchThatTakesTooLong(tmp_path: Path) -> None:
    """
    A file for which the time does not suffice is named, and the others are searched.
    """
    rows = [rowOf(f"n{number}.example") for number in range(20_000)]
    _, path = historyOf(tmp_path, [rowOf("a.example")], rows)
    complaints: list[str] = []
    found = [each.row.name for each in search(str(tmp_path), Filter(part="a.e", rcode=0), complaints.append, seconds=-1.0)]
    assert found == ["example.a"]
    assert complaints == [f"{path}: interrupted"]


def test_foldersThatCannotBeRead(tmp_path: Path) -> None:
    """
    Without a folder there is an error; in an empty one there is nothing.
    """
    with pytest.raises(FileNotFoundError):
        list(search(str(tmp_path / "none"), Filter(), print))
    assert list(search(str(tmp_path), Filter(), print)) == []
