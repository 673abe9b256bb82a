"""
Tests of L{twisted_ext.resolver.policy.zones.changed}: changes in front of a table, beside a table of the zone as it is after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from random import Random

import pytest

from tests.resolver.policy.zones.test_verdict import every
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.resolver.policy.zones.changed import ChangedZones, recordsIn, rowsOf, rowsSince
from twisted_ext.resolver.policy.zones.reading import Record, RulesOfZone
from twisted_ext.resolver.policy.zones.rules import ADDRESS, CLIENT, SERVER_ADDRESS, PolicyZones, PolicyZonesBuilder
from twisted_ext.resolver.policy.zones.verdict import Selection
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, SOA, A
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version

APEX = nameFromText("rpz.test")

_LABELS = ("a", "b", "c", "*")

_ACTIONS = ((CNAME, "."), (CNAME, "*."), (CNAME, "rpz-passthru."), (CNAME, "wall."), (A, "192.0.2.1"))

_PREFIXES = [f"{length}.{last & 256 - (1 << 32 - length)}.2.0.192.rpz-ip" for length in (24, 30, 31, 32) for last in (0, 4, 5, 6)]
_CLIENTS = ["32.7.0.0.10.rpz-client-ip", "8.0.0.0.10.rpz-client-ip", "64.zz.db8.2001.rpz-client-ip", "128.7.zz.db8.2001.rpz-client-ip"]


_NEAR = ["32.7.0.0.10.rpz-nsip", "8.0.0.0.10.rpz-nsip", "64.zz.db8.2001.rpz-nsip"]


def soaOf(serial: int) -> RRSet:
    """
    Return the SOA record of a version.
    """
    return RRSet(APEX, SOA, 1, 60, (rdataFromText(SOA, f"ns. h. {serial} 3600 600 86400 60"),))


def _owner(random: Random) -> bytes:
    chosen = random.random()
    if chosen < 0.2:
        return nameFromText(random.choice([*_PREFIXES, *_CLIENTS, *_NEAR]))[:-1]
    labels = [random.choice(_LABELS[:3]) for _ in range(random.randrange(1, 5))]
    if random.random() < 0.35:
        labels[0] = "*"
    if chosen > 0.8:
        labels.append("rpz-nsdname")
    return nameFromText(".".join(labels))[:-1]


def setOf(key: bytes, rrType: int, text: str) -> tuple[RRSet, ...]:
    """
    Return the records of a name, of which there is one.
    """
    return (RRSet(key + APEX, rrType, 1, 60, (rdataFromText(rrType, text),)),)


def _sets(random: Random, key: bytes) -> tuple[RRSet, ...]:
    return setOf(key, *random.choice(_ACTIONS))


def imageOf(zone: dict[bytes, tuple[RRSet, ...]], *, isOrdered: bool = True) -> Version:
    """
    Return a version with the records of a zone by their names below it.
    """
    builder = ImageBuilder(APEX)
    builder.addSets([rrset for sets in zone.values() for rrset in sets])
    if isOrdered:
        builder.ordered()
    return Version(Image(builder.finish()))


def _zonesOf(records: Sequence[Record]) -> PolicyZones:
    builder = PolicyZonesBuilder()
    builder.add("zone:z", RulesOfZone(records, APEX))
    return PolicyZones(PolicyTable(b"".join(builder.pack())))


def _recordsOf(zone: dict[bytes, tuple[RRSet, ...]]) -> list[Record]:
    return [
        (rrset.name, rrset.rrType, rrset.ttl, rdata) for _, sets in sorted(zone.items()) for rrset in sets for rdata in rrset.rdatas
    ]


def _differences(one: PolicyZones, other: PolicyZones, random: Random) -> list[object]:
    """
    Return what the two decide otherwise of random names and addresses.
    """
    found: list[object] = []

    def told(selection: Selection, zones: PolicyZones, name: bytes, client: bytes, address: bytes) -> list[object]:
        hit = selection.before(name)
        rules: list[object] = [] if hit is None else [hit.owner, hit.action]
        rules += [(each.name, each.isWildcard, zones.action(each)) for each in zones.forServer(name).values()]
        for packed, trigger in ((client, CLIENT), (address, ADDRESS), (client, SERVER_ADDRESS)):
            rules += [(each.network, zones.action(each)) for each in zones.forAddress(packed, trigger).values()]
        return rules

    for _ in range(150):
        name = nameFromText(".".join([random.choice("abcx") for _ in range(random.randrange(1, 6))]))
        client = ip_address(random.choice(["10.0.0.7", "10.9.9.9", "192.0.2.9", "2001:db8::7", "2001:db8::8"])).packed
        address = bytes((192, 0, 2, random.randrange(8)))
        first, second = told(every(one), one, name, client, address), told(every(other), other, name, client, address)
        if first != second:
            found.append((name, client, address, first, second))
    return found


def _changed(random: Random, zone: dict[bytes, tuple[RRSet, ...]], serial: int) -> dict[bytes, tuple[RRSet, ...]]:
    """
    Change a zone at random, and return what is changed.
    """
    changes: dict[bytes, tuple[RRSet, ...]] = {b"": (soaOf(serial),)}
    for _ in range(random.randrange(1, 6)):
        key = random.choice([*zone]) if random.random() < 0.5 else _owner(random)
        if key:
            changes[key] = () if key in zone and random.random() < 0.6 else _sets(random, key)
    for key, sets in changes.items():
        if sets:
            zone[key] = sets
        else:
            zone.pop(key, None)
    return changes


@pytest.mark.parametrize("seed", range(20))
def test_changesAreAsAFullLoad(seed: int) -> None:
    """
    After random changes, one after the other, what is decided with changes in front of a table is what is with a table of the zone as it is
    then; with a table made of the image and the changes as well.
    """
    _compareChanges(seed)


@pytest.mark.long
def test_tenThousandChangesAreAsFullLoads() -> None:
    """
    The same holds for ten thousand changes.
    """
    for seed in range(1000, 2000):
        _compareChanges(seed)


def _compareChanges(seed: int) -> None:
    random = Random(seed)
    zone: dict[bytes, tuple[RRSet, ...]] = {b"": (soaOf(1),)}
    for _ in range(random.randrange(12)):
        key = _owner(random)
        zone[key] = _sets(random, key)
    version = imageOf(zone, isOrdered=seed % 3 > 0)
    assert version.image.isOrdered is (seed % 3 > 0)
    image = Version(version.image)
    table, base = _zonesOf(_recordsOf(zone)), version
    for serial in range(2, 12):
        version = version.edited(_changed(random, zone, serial))
        full = _zonesOf(_recordsOf(zone))
        rows = rowsSince(version, base)
        if rows is None:
            # A new wildcard above names, of which the image has no order.
            assert not version.image.isOrdered
            table, base = full, version
            continue
        changed = ChangedZones(table, {0: rows})
        assert _differences(changed, full, random) == []
        assert not full.after & ~changed.after
        assert not full.servers & ~changed.servers
        remade = [*recordsIn(image, rowsOf(version), APEX)]
        assert sorted(remade) == sorted(_recordsOf(zone))
        if random.random() < 0.3:
            table, base = _zonesOf(remade), version


def test_wildcardAboveManyNames() -> None:
    """
    A new wildcard above a thousand names or more is not told by changes.
    """
    zone: dict[bytes, tuple[RRSet, ...]] = {b"": (soaOf(1),)}
    for number in range(1100):
        key = nameFromText(f"x.n{number}.top")[:-1]
        zone[key] = _sets(Random(1), key)
    version = imageOf(zone)
    wild = nameFromText("*.top")[:-1]
    assert rowsSince(version.edited({wild: _sets(Random(1), wild)}), None) is None
    other = nameFromText("*.n7.top")[:-1]
    rows = rowsSince(version.edited({other: _sets(Random(1), other)}), None)
    assert rows is not None
    # With the wildcard, what it is not about, and the name above both.
    assert len(rows) == 3
    # Without an order of names, all would have to be looked at, unless only this wildcard is there.
    version = imageOf(zone, isOrdered=False)
    assert rowsSince(version.edited({other: _sets(Random(1), other)}), None) is None
    new = nameFromText("*.new.top")[:-1]
    assert rowsSince(version.edited({new: _sets(Random(1), new)}), None) is not None


def test_whatIsNoRow() -> None:
    """
    Changes that are none are an error of their own.
    """
    table = _zonesOf([])
    for rows in (["zz 1"], ["00"], ["- 1 5"], ["- x"]):
        with pytest.raises(ValueError, match="unpack|hexadecimal|literal"):
            ChangedZones(table, {0: rows})
