"""
Tests of L{twisted_ext.zone.store.chain}.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zone.models import APEX, KEYS, SOA_SET, Change, Contents, changed, contents, edits
from twisted_ext.wire.names import canonicalKey
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NSEC, NSEC3, TXT
from twisted_ext.zone.store.chain import HashChain, NSECChain
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import kindOf, sortKey
from twisted_ext.zone.store.overlay import standing, standingFrom
from twisted_ext.zone.store.version import Version


def linked(key: bytes) -> tuple[RRSet, ...]:
    """
    Return an NSEC record for a name.
    """
    return (RRSet(key + APEX, NSEC, 1, 300, (APEX + b"\x00\x01\x40",)),)


def expectChain(chain: NSECChain, names: set[bytes]) -> None:
    """
    Expect that a chain has these names.
    """
    ordered = sorted(names, key=lambda key: canonicalKey(key + APEX))
    orders = [sortKey(key) for key in ordered]
    for key in (b"", *KEYS, b"\x01z", b"\x01z\x01a", *ordered):
        order = sortKey(key)
        behind = bisect_right(orders, order)
        assert chain.after(order) == (ordered[behind] if behind < len(ordered) else b"")
        ahead = bisect_left(orders, order)
        assert chain.before(order) == (ordered[ahead - 1] if ahead else None)


@given(contents, edits, st.lists(st.tuples(st.booleans(), st.sampled_from((b"", *KEYS))), max_size=12), st.booleans())
def test_chain(held: Contents, changes: list[Change], moves: list[tuple[bool, bytes]], isSettled: bool) -> None:
    """
    Neighbours are those in a sorted list of the names: of a version after any edits, and while names are added and removed, whether or not
    they are there. The version stays as it is.
    """
    builder = ImageBuilder(APEX)
    for sets in held.values():
        builder.addSets(sets)
    version = Version(Image(builder.finish()))
    for drawn in changes:
        change = changed(held, drawn)
        version = version.edited(change)
        held = {**held, **change}
    if isSettled:
        version = version.settled()
    before = {key for key, sets in held.items() if any(rrset.rrType == NSEC for rrset in sets)}
    names = {*before}
    chain = NSECChain(version)
    expectChain(chain, names)
    for isNew, key in moves:
        if isNew:
            chain.add(key)
            names.add(key)
        else:
            chain.remove(key)
            names.discard(key)
        expectChain(chain, names)
    expectChain(NSECChain(version), before)


@pytest.mark.parametrize("isEdited", [False, True], ids=["removed", "edited"])
def test_runs(isEdited: bool) -> None:
    """
    Many names in a row that are gone, by edits or by the change, are passed over, in both directions.
    """
    keys = [b"\x04%04d" % number for number in range(400)]
    builder = ImageBuilder(APEX)
    builder.addSets([SOA_SET, *linked(b""), *[rrset for key in keys for rrset in linked(key)]])
    version = Version(Image(builder.finish()))
    gone = [*keys[10:300], *keys[301:390]]
    if isEdited:
        version = version.edited(dict.fromkeys(gone, ()))
    chain = NSECChain(version)
    if not isEdited:
        for key in gone:
            chain.remove(key)
    expectChain(chain, {b"", *keys} - {*gone})
    chain.add(keys[100])
    chain.remove(keys[300])
    expectChain(chain, {b"", *keys[:10], keys[100], *keys[390:]})
    chain.remove(keys[100])
    for key in keys[390:]:
        chain.remove(key)
    expectChain(chain, {b"", *keys[:10]})


_LABELS: Final = [b"%c" % letter * 32 for letter in b"0123489abckuv"]


def expectHashes(chain: HashChain, labels: set[bytes]) -> None:
    """
    Expect that a chain has these hashes.
    """
    ordered = sorted(labels)
    for label in (*_LABELS, b"00" + b"v" * 30, b"v" * 31):
        behind, ahead = bisect_right(ordered, label), bisect_left(ordered, label)
        assert chain.after(label) == (b"" if not ordered else ordered[behind % len(ordered)])
        assert chain.before(label) == (b"" if not ordered else ordered[ahead - 1])


def hashed(label: bytes) -> tuple[RRSet, ...]:
    """
    Return an NSEC3 record.
    """
    return (RRSet(b"\x20" + label + APEX, NSEC3, 1, 300, (b"\x01\x00\x00\x00\x00\x14" + bytes(20),)),)


_some = st.sets(st.sampled_from(_LABELS))


@given(_some, st.lists(st.tuples(_some, _some), max_size=3), st.lists(st.tuples(st.booleans(), st.sampled_from(_LABELS)), max_size=12))
def test_hashes(held: set[bytes], edits: list[tuple[set[bytes], set[bytes]]], moves: list[tuple[bool, bytes]]) -> None:
    """
    Neighbours of hashes are those in a sorted list, around its end as well: of a version after any edits, and while hashes are added and
    removed. Names that look like hashes, and have other records, do not count. The version stays as it is.
    """
    labels = {*held}
    builder = ImageBuilder(APEX)
    builder.addSets([SOA_SET, *[rrset for label in labels for rrset in hashed(label)]])
    version = Version(Image(builder.finish()))
    for add, remove in edits:
        other = RRSet(b"\x20" + _LABELS[3] + APEX, TXT, 1, 60, (b"\x01x",))
        changes = {b"\x20" + label: () for label in remove} | {b"\x20" + label: hashed(label) for label in add}
        key = b"\x20" + _LABELS[3]
        version = version.edited({**changes, key: tuple(sorted((other, *changes.get(key, ())), key=kindOf))})
        labels = labels - remove - {_LABELS[3]} | add
    before = {*labels}
    chain = HashChain(version)
    expectHashes(chain, labels)
    for isNew, label in moves:
        if isNew:
            chain.add(label)
            labels.add(label)
        else:
            chain.remove(label)
            labels.discard(label)
        expectHashes(chain, labels)
    expectHashes(HashChain(version), before)
    expectHashes(HashChain(version.settled()), before)


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_standing(gone: set[int], place: int) -> None:
    """
    The nearest index that is not gone is found in both directions, from one that is gone or not.
    """
    indexes: Sequence[int] = sorted(gone)
    assert standing(indexes, place) == next((each for each in range(place, -1, -1) if each not in gone), -1)
    assert standingFrom(indexes, place) == next(each for each in range(place, 50) if each not in gone)
