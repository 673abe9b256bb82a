"""
Tests of the keys of zones, as the API of PowerDNS' kind has them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, succeed

from tests.zone.plain import versionOf
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.web.api.powerdns.cryptokeys import Cryptokeys, keysOf
from twisted_ext.web.api.site.replies import ApiRefusal
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

_KEY = "oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA=="


def test_keysOfASignedZone() -> None:
    """
    The keys of a zone are those that it publishes, with their roles; a zone without signatures has none.
    """
    zones = Zones()
    soa = "@ SOA a. b. 1 2 3 4 5\n"
    entry, other = f"@ DNSKEY 257 3 13 {_KEY}\n", f"@ DNSKEY 256 3 13 {_KEY}\n"
    for text, roles in ((soa, []), (f"{soa}{entry}", ["csk"]), (f"{soa}{entry}{other}", ["ksk", "zsk"])):
        keys = keysOf(zones.put(Zone(versionOf(text))))
        assert sorted([str(key["keytype"]) for key in keys]) == roles
        assert all((key["algorithm"], key["bits"]) == ("ECDSAP256SHA256", 256) and _KEY in str(key["dnskey"]) for key in keys)
        assert all(("ds" in key) == (key["flags"] == 257) for key in keys)


@pytest.mark.parametrize(
    "said, body",
    [
        ("Invalid keytype 'main'", {"keytype": "main"}),
        ("'bits' must be a positive integer value", {"bits": "5.5"}),
        ("'bits' must be a positive integer value", {"bits": -6}),
        ("'bits' must be a positive integer value", {"bits": True}),
        ("Unknown algorithm: lkjhgf", {"algorithm": "lkjhgf"}),
        ("Unknown algorithm: 99999", {"algorithm": "9" * 5000}),
        ("Can not guess key size for algorithm 17", {"algorithm": 17}),
        ("requires the size", {"algorithm": "rsasha256"}),
        ("does not support the given bit size", {"algorithm": 10, "bits": 1024}),
        ("makes keys of ecdsap256sha256 (13); leave algorithm out", {"algorithm": "ed25519"}),
        ("makes keys of ecdsap256sha256 (13); leave algorithm out", {"algorithm": 8, "bits": 2048}),
        ("makes keys of 256 bits; leave bits out", {"bits": 2048}),
        ("by its signing policy", {"content": "Private-key-format: v1.2"}),
        ("by its signing policy", {"active": "false"}),
        (None, {"algorithm": "ecdsa256", "bits": 256}),
        (None, {"algorithm": "13", "active": "true", "keytype": "ksk"}),
        (None, {}),
    ],
)
def test_firstKeyIsThatOfThePolicy(said: str | None, body: dict[str, object]) -> None:
    """
    A client that has a zone signed gets the key that it asks for, or is told what the policy makes: never another one without a word.
    """
    noted: list[dict[str, object]] = []

    def note(asked: object, apex: bytes, change: Callable[[dict[str, object]], dict[str, object]]) -> Deferred[None]:
        noted.append(change({}))
        return succeed(None)

    added = SimpleNamespace(policyOf=lambda apex: SigningPolicy())
    zoneSet = SimpleNamespace(originOf=lambda apex: ("added", False), addedAt=lambda apex: object(), added=added)
    keys = Cryptokeys(cast(Any, zoneSet), cast(Any, SimpleNamespace(note=note)))
    asked = SimpleNamespace(expectScope=lambda scope: None, body=json.dumps({"active": True, **body}).encode())
    place = Zones().put(Zone(versionOf(f"@ SOA a. b. 1 2 3 4 5\n@ DNSKEY 257 3 13 {_KEY}\n")))
    if said is None:
        replies: list[Any] = []
        keys.create(cast(Any, asked), place).addCallback(replies.append)
        assert (replies[0].code, noted) == (201, [{"dnssec": True}])
        return
    with pytest.raises(ApiRefusal) as refused:
        keys.create(cast(Any, asked), place)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 200
    assert not noted


@pytest.mark.parametrize("isSplit", [False, True])
def test_onlyTheOnlyKeyIsRemoved(isSplit: bool) -> None:
    """
    Signing ends with the only key; of two, which sign by a policy, none is removed.
    """
    noted: list[dict[str, object]] = []

    def note(asked: object, apex: bytes, change: Callable[[dict[str, object]], dict[str, object]]) -> Deferred[None]:
        noted.append(change({"dnssec": True}))
        return succeed(None)

    keys = Cryptokeys(cast(Any, None), cast(Any, SimpleNamespace(note=note)))
    asked = cast(Any, SimpleNamespace(expectScope=lambda scope: None))
    lines = [f"@ DNSKEY {flags} 3 13 {_KEY}\n" for flags in ((257, 256) if isSplit else (257,))]
    place = Zones().put(Zone(versionOf(f"@ SOA a. b. 1 2 3 4 5\n{''.join(lines)}")))
    number = str(keysOf(place)[0]["id"])
    with pytest.raises(ApiRefusal, match="Not Found"):
        keys.remove(asked, place, "0")
    if isSplit:
        with pytest.raises(ApiRefusal, match="keeps them by its signing policy"):
            keys.remove(asked, place, number)
    else:
        keys.remove(asked, place, number)
    assert noted == ([] if isSplit else [{"dnssec": False}])
