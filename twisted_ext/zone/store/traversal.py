"""
Iterates over whole versions: to compare two, for a transfer, for the next image.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadChange
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.changeset import Difference, compareSets, setsOf
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import CNAME, CUT, DNAME, EMPTY, HASHED, SIGNED, Node, recordsOf
from twisted_ext.zone.store.steps import finished

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["builderOf", "candidates", "difference", "differing", "stretches"]

#: Octets of records passed on at a time: the room in a message of 65,535 octets besides header, question, SOA and TSIG.
_STRETCH_OCTETS: Final = 48_000

#: Names compared in one step: less than a millisecond.
_STEP: Final = 200

#: Flags of a node that depend on its own records only.
_MARKS: Final = CUT | DNAME | CNAME | SIGNED | HASHED


def difference(before: Version, after: Version) -> Difference:
    """
    Return the records removed and added from a version to a later one.

    @raise BadChange: it is a version of another zone.
    """
    if before.apex != after.apex:
        raise BadChange(f"{nameToText(before.apex)} and {nameToText(after.apex)} are two zones, not two versions of one")
    found = finished(differing(before, after))
    assert found is not None
    return found


def differing(before: Version, after: Version, most: int | None = None) -> Generator[None, None, Difference | None]:
    """
    Compare two versions as L{difference} does, in short steps.

    @param most: the maximum size of the rdata of all changes; L{None} is returned if they are larger.
    """
    removed: list[RRSet] = []
    added: list[RRSet] = []
    for count, key in enumerate(candidates(before, after)):
        if key is not None:
            compareSets(setsOf(before.find(key)), setsOf(after.find(key)), removed, added)
        if not count % _STEP or key is None:
            if most is not None and sum([len(rdata) for rrset in (*removed, *added) for rdata in rrset.rdatas]) > most:
                return None
            yield
    return Difference(before.soa, removed, after.soa, added)


def candidates(before: Version, after: Version) -> Iterator[bytes | None]:
    """
    Return the names at which the two may differ, and L{None} from time to time, so that the caller can do other work.
    """
    old, new = before.overlay, after.overlay
    yield from [key for key in {**old, **new} if key not in old or key not in new or old[key] is not new[key]]
    if before.image is after.image:
        return
    changed = old.keys() | new.keys()
    for image, other, both in ((before.image, after.image, True), (after.image, before.image, False)):
        # By how many places names are further on in the other image, as they usually are in the same order.
        shift = 0
        for begin in range(0, image.nodes, _STEP):
            yield None
            count = min(_STEP, image.nodes - begin)
            if image.isSame(begin, other, begin + shift, count):
                continue
            for index in range(begin, begin + count):
                key = image.key(index)
                there = other.find(key)
                if there >= 0:
                    shift = there - index
                if key not in changed and (there < 0 or (both and image.rendered(index) != other.rendered(there))):
                    yield key


def stretches(version: Version, limit: int = _STRETCH_OCTETS) -> Iterator[tuple[bytes | memoryview, int]]:
    """
    Return all records in wire format for transfer messages, which have the apex at octet 12 in their question. The SOA comes first.

    @param limit: the maximum size of a piece; a single record may be larger.

    @return: octets, and the number of records in them.
    """
    image = version.image
    overlay = version.overlay
    yield from _pieces([version.top], limit)
    first = 1
    for stop in sorted([index for key in overlay if (index := image.find(key)) > 0] + [image.nodes]):
        while first < stop:
            view, records, following = image.stretches(first, limit, stop)
            if len(view) > limit:
                yield from _pieces([image.node(first)], limit)
            elif records:
                yield view, records
            first = following
        first = stop + 1
    yield from _pieces([node for key, node in overlay.items() if key and node is not None], limit)


def _pieces(nodes: list[Node], limit: int) -> Iterator[tuple[bytes, int]]:
    records: list[bytes] = []
    size = 0
    for node in nodes:
        for record in recordsOf(node.sets, len(node.key)):
            if size + len(record) > limit and records:
                yield b"".join(records), len(records)
                records, size = [], 0
            records.append(record)
            size += len(record)
    if records:
        yield b"".join(records), len(records)


def builderOf(version: Version) -> ImageBuilder:
    """
    Return a builder with all records of a version. The names of a signed zone are in canonical order, in which a signer finds those below
    a cut.
    """
    image = version.image
    overlay = version.overlay
    builder = ImageBuilder(version.apexName)
    builder.aliases = image.aliases
    nodes, counts, marks = builder.nodes, builder.counts, builder.marks
    if b"" not in overlay:
        builder.addSets(version.top.sets)
    for index in range(1, image.nodes):
        flags = image.flags(index)
        if flags & EMPTY:
            continue
        key = image.key(index)
        if overlay and key in overlay:
            continue
        nodes[key] = image.rendered(index)
        count = image.tally(index)
        if count > 1:
            counts[key] = count
        if flags & _MARKS:
            marks[key] = flags & _MARKS
    for place in range(image.hashes):
        key = image.key(image.inHashes(place))
        if key not in overlay:
            marks[key] = marks.get(key, 0) | HASHED
    for node in overlay.values():
        if node is not None:
            builder.addSets(node.sets)
    if version.signed:
        builder.ordered()
    return builder
