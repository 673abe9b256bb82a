"""
Going through all that a version holds: against another one, for a transfer, for the next image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from twisted_ext.errors import BadChange
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.building import ImageBuilder
from twisted_ext.zone.nodes import Node, rendered

if TYPE_CHECKING:
    from twisted_ext.zone.differences import Difference
    from twisted_ext.zone.versions import Version

__all__ = ["builderOf", "difference", "stretches"]


def difference(before: Version, after: Version) -> Difference:
    """
    See L{Version.difference<twisted_ext.zone.versions.Version.difference>}.
    """
    from twisted_ext.zone.differences import Difference

    if before.apex != after.apex:
        raise BadChange(f"{nameToText(before.apex)} and {nameToText(after.apex)} are two zones, not two versions of one")
    removed: list[RRSet] = []
    added: list[RRSet] = []
    for key in _candidates(before, after):
        old, new = before.find(key), after.find(key)
        _compare(() if old is None else old.sets, () if new is None else new.sets, removed, added)
    return Difference(before.soa, removed, after.soa, added)


def _candidates(before: Version, after: Version) -> Iterator[bytes]:
    if before.image is after.image:
        yield from {**before.overlay, **after.overlay}
        return
    for node in before.nodes():
        yield node.key
    for node in after.nodes():
        if before.find(node.key) is None:
            yield node.key


def _compare(old: tuple[RRSet, ...], new: tuple[RRSet, ...], removed: list[RRSet], added: list[RRSet]) -> None:
    if old is new:
        return
    for sets, others, gone in ((old, new, removed), (new, old, added)):
        there = {(rrset.rrType, rrset.ttl, rdata) for rrset in others for rdata in rrset.rdatas}
        for rrset in sets:
            if rrset.rrType == SOA:
                continue
            rdatas = tuple([rdata for rdata in rrset.rdatas if (rrset.rrType, rrset.ttl, rdata) not in there])
            if rdatas:
                gone.append(RRSet(rrset.name, rrset.rrType, rrset.rrClass, rrset.ttl, rdatas))


def stretches(version: Version, limit: int) -> Iterator[tuple[bytes | memoryview, int]]:
    """
    See L{Version.stretches<twisted_ext.zone.versions.Version.stretches>}.
    """
    image = version.image
    overlay = version.overlay
    changed = sorted([index for key in overlay if (index := image.find(key)) >= 0] + [image.nodes])
    yield from _pieces(version.top, limit)
    first = 1
    for stop in changed:
        while first < stop:
            view, records, following = image.stretches(first, limit, stop)
            if len(view) > limit:
                yield from _pieces(image.node(first), limit)
            elif records:
                yield view, records
            first = following
        first = max(first, stop + 1)
    for key, node in overlay.items():
        if key and node is not None and node.sets:
            yield from _pieces(node, limit)


def _pieces(node: Node, limit: int) -> Iterator[tuple[bytes, int]]:
    records: list[bytes] = []
    size = 0
    for record in _recordsOf(node):
        if size + len(record) > limit and records:
            yield b"".join(records), len(records)
            records, size = [], 0
        records.append(record)
        size += len(record)
    if records:
        yield b"".join(records), len(records)


def _recordsOf(node: Node) -> list[bytes]:
    labels = len(node.key)
    return [record for rrset in sorted(node.sets, key=lambda each: each.rrType != SOA) for record in rendered(rrset, labels)]


def builderOf(version: Version) -> ImageBuilder:
    """
    @return: what builds the next image from a version.
    """
    builder = ImageBuilder(version.apexName)
    for node in version.nodes():
        builder.addSets(node.sets)
    return builder
