"""
Tests of what the API looks up in zones.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock

from tests.zone.plain import versionOf
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.web.api.powerdns.lookups import PowerDNSLookups
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

_KEY = "oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA=="


def test_keysOfASignedZone() -> None:
    """
    The keys of a zone are those that it publishes, with their roles; a zone without signatures has none.
    """
    zones = Zones()
    lookups = PowerDNSLookups(cast(Any, None), Clock(), lambda: 0.0)
    soa = "@ SOA a. b. 1 2 3 4 5\n"
    for text, roles in ((soa, []), (f"{soa}@ DNSKEY 257 3 13 {_KEY}\n@ DNSKEY 256 3 13 {_KEY}\n", ["ksk", "zsk"])):
        keys = cast("list[dict[str, object]]", lookups.cryptokeys(zones.put(Zone(versionOf(text)))).body)
        assert sorted([str(key["keytype"]) for key in keys]) == roles
        assert all(key["algorithm"] == "13" and _KEY in str(key["dnskey"]) for key in keys)
