"""
Tests of what the API looks up in zones.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed

from tests.zone.plain import versionOf
from twisted_ext.metrics.figures import Figures
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.web.api.powerdns.lookups import PowerDNSLookups
from twisted_ext.web.api.site.replies import ApiReply
from twisted_ext.web.api.site.site import ApiAsked
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

def _searched(zones: Zones, **fields: str) -> tuple[list[dict[str, Any]], int]:
    """
    Return what a search finds, and in how many steps.
    """
    added = SimpleNamespace(found=lambda find: succeed([]))
    common = SimpleNamespace(zones=zones, originOf=lambda apex: ("file", False), added=added)
    lookups = PowerDNSLookups(cast(Any, SimpleNamespace(zoneSets=SimpleNamespace(common=common))), lambda: 0.0)
    found: list[ApiReply] = []
    lookups.search(cast(Any, SimpleNamespace(fields=fields))).addCallback(found.append)
    parts = found[0].parts
    assert parts is not None
    sent = list(parts)
    return cast("list[dict[str, Any]]", json.loads(b"".join(sent))), len(sent)


def test_searchIsWhole() -> None:
    """
    A search ends with the last record, however many there are, and sends as many results as are wanted. Others get their turn each few
    dozen records, also at a name that has thousands.
    """
    zones = Zones()
    many = "".join([f"many A 10.0.{number >> 8}.{number & 255}\n" for number in range(2000)])
    names = "".join([f"n{number} A 192.0.2.1\n" for number in range(2000)])
    zones.put(Zone(versionOf(f"@ SOA a. b. 1 2 3 4 5\n{many}{names}zz TXT last\n")))
    found, steps = _searched(zones, q="*last*")
    assert [each["name"] for each in found] == ["zz.example."]
    assert steps > 4000 / 64
    assert _searched(zones, q="*nothing*")[0] == []
    assert len(_searched(zones, q="192.0.2.1", max="7")[0]) == 7
    assert [each["object_type"] for each in _searched(zones, q="example*")[0]] == ["zone", "record"]
    assert len(_searched(zones, q="many.example", object_type="record", max="5000")[0]) == 1000


def test_statisticsByKind() -> None:
    """
    Statistics have numbers as text, and maps of what is counted by type and by rcode in the words of PowerDNS, unless they are left out.
    """
    figures = Figures(types={"A": 3, "TXT": 1}, replies={"NOERROR": 3, "NXDOMAIN": 1})
    operations = SimpleNamespace(figures=lambda: succeed(figures), started=0.0)
    lookups = PowerDNSLookups(cast(Any, operations), lambda: 12.0)

    def ask(**fields: str) -> dict[str, object]:
        replies: list[ApiReply] = []
        lookups.statistics(ApiAsked("GET", [], fields, b"", cast(Any, None), "192.0.2.1")).addCallback(replies.append)
        items = cast("list[dict[str, Any]]", replies[0].body)
        assert {item["type"] for item in items} <= {"StatisticItem", "MapStatisticItem"}
        return {item["name"]: item["value"] for item in items}

    whole = ask()
    assert whole["uptime"] == "12"
    assert whole["response-by-qtype"] == [{"name": "A", "value": "3"}, {"name": "TXT", "value": "1"}]
    assert whole["response-by-rcode"] == [{"name": "No Error", "value": "3"}, {"name": "Non-Existent domain", "value": "1"}]
    assert "response-by-qtype" not in ask(includerings="false")
    assert ask(statistic="uptime") == {"uptime": "12"}


def test_flushOfSome() -> None:
    """
    The type and the names below are passed on to the cache.
    """
    did: list[tuple[str, dict[str, str]]] = []

    def do(path: str, given: dict[str, str]) -> Deferred[dict[str, object]]:
        did.append((path, given))
        return succeed({"flushed": 3})

    lookups = PowerDNSLookups(cast(Any, SimpleNamespace(do=do)), lambda: 0.0)
    replies: list[ApiReply] = []
    for fields in ({"domain": "a.example."}, {"domain": "a.example.", "type": "MX", "subtree": "true"}):
        asked = SimpleNamespace(fields=fields, expectScope=lambda scope: None)
        lookups.flush(cast(Any, asked)).addCallback(replies.append)
    assert [each.body for each in replies] == [{"count": 3, "result": "Flushed cache."}] * 2
    assert did == [
        ("cache/flush", {"name": "a.example.", "type": "", "below": ""}),
        ("cache/flush", {"name": "a.example.", "type": "MX", "below": "true"}),
    ]
