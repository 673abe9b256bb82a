"""
Tests of what the API looks up in zones.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from tests.zone.plain import versionOf
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.web.api.powerdns.lookups import PowerDNSLookups
from twisted_ext.web.api.site.replies import ApiReply
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

_KEY = "oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA=="


def test_keysOfASignedZone() -> None:
    """
    The keys of a zone are those that it publishes, with their roles; a zone without signatures has none.
    """
    zones = Zones()
    lookups = PowerDNSLookups(cast(Any, None), lambda: 0.0)
    soa = "@ SOA a. b. 1 2 3 4 5\n"
    entry, other = f"@ DNSKEY 257 3 13 {_KEY}\n", f"@ DNSKEY 256 3 13 {_KEY}\n"
    for text, roles in ((soa, []), (f"{soa}{entry}", ["csk"]), (f"{soa}{entry}{other}", ["ksk", "zsk"])):
        keys = cast("list[dict[str, object]]", lookups.cryptokeys(zones.put(Zone(versionOf(text)))).body)
        assert sorted([str(key["keytype"]) for key in keys]) == roles
        assert all((key["algorithm"], key["bits"]) == ("ECDSAP256SHA256", 256) and _KEY in str(key["dnskey"]) for key in keys)
        assert all(("ds" in key) == (key["flags"] == 257) for key in keys)


def _searched(zones: Zones, **fields: str) -> tuple[list[dict[str, Any]], int]:
    """
    Return what a search finds, and in how many steps.
    """
    lookups = PowerDNSLookups(cast(Any, SimpleNamespace(zones=zones, zoneSet=None)), lambda: 0.0)
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
