"""
The records of a zone in canonical order and form (RFC 4034, section 6), as needed for signatures, digests and comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.nodes import sortKey

if TYPE_CHECKING:
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = ["canonicalRecords", "orderedNodes"]

_fixed: Final = Struct(">HHI").pack


def orderedNodes(version: Version) -> Iterator[Node]:
    """
    Return the nodes of a zone in canonical order, without empty non-terminals.
    """
    image, overlay = version.image, version.overlay
    places: list[tuple[bytes, int]] = []
    for index in range(image.nodes):
        if image.tally(index):
            key = image.key(index)
            if key not in overlay:
                places.append((sortKey(key), index))
    changed = [node for node in overlay.values() if node is not None and node.sets]
    places += [(sortKey(node.key), -1 - number) for number, node in enumerate(changed)]
    places.sort()
    for _, index in places:
        yield image.node(index) if index >= 0 else changed[-1 - index]


def canonicalRecords(version: Version) -> Iterator[tuple[RRSet, bytes]]:
    """
    Return the RRsets of a zone in canonical order, each with its records in canonical form.
    """
    for node in orderedNodes(version):
        owner = node.key + version.apex
        for rrset in node.sets:
            rrType = rrset.rrType
            if len(rrset.rdatas) == 1:
                rdatas = [canonicalOf(rrType, rrset.rdatas[0])]
            else:
                rdatas = sorted({canonicalOf(rrType, rdata) for rdata in rrset.rdatas})
            start = owner + _fixed(rrType, rrset.rrClass, rrset.ttl)
            yield rrset, b"".join([start + len(rdata).to_bytes(2, "big") + rdata for rdata in rdatas])
