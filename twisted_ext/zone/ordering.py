"""
The records of a zone in canonical order and form (RFC 4034, section 6), as they are signed, digested and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.registry import canonicalRdata, declarationOf
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.nodes import sortKey

if TYPE_CHECKING:
    from twisted_ext.zone.nodes import Node
    from twisted_ext.zone.versions import Version

__all__ = ["canonicalOf", "canonicalRecords", "orderedNodes", "recordsOf"]

_fixed: Final = Struct(">HHIH").pack

#: Types whose rdata ends with names that are folded, and how many octets stand before them: NS, MD, MF, CNAME, MB, MG, MR, PTR, MINFO, MX,
#: RP, AFSDB, RT, PX, SRV, KX, DNAME.
_ENDING: Final = dict.fromkeys((2, 3, 4, 5, 7, 8, 9, 12, 14, 17, 39), 0) | dict.fromkeys((15, 18, 21, 26, 36), 2) | {33: 6}

_RRSIG: Final = 46

#: Octets of an RRSIG before the signer's name.
_SIGNER: Final = 18


@lru_cache(1024)
def _isFolded(rrType: int) -> bool:
    return any(field.folded for field in declarationOf(rrType).fields)


def canonicalOf(rrType: int, rdata: bytes) -> bytes:
    """
    @return: the rdata in canonical form. What is no rdata of its type is left as it is.
    """
    before = _ENDING.get(rrType)
    if before is not None:
        return rdata.lower() if not before else rdata[:before] + rdata[before:].lower()
    if not _isFolded(rrType):
        return rdata
    if rrType == _RRSIG:
        position = _SIGNER
        try:
            while length := rdata[position]:
                position += length + 1
        except IndexError:
            return rdata
        return rdata[:_SIGNER] + rdata[_SIGNER:position].lower() + rdata[position:]
    try:
        return canonicalRdata(rrType, rdata)
    except BadMessage:
        return rdata


def orderedNodes(version: Version) -> Iterator[Node]:
    """
    @return: the nodes of a zone, the apex first, each name before those below it. Empty non-terminals are left out.
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


def recordsOf(node: Node, owner: bytes) -> Iterator[tuple[RRSet, bytes]]:
    """
    @param owner: the node's name, folded and absolute.

    @return: the node's sets in canonical order, each with its records in canonical form.
    """
    for rrset in node.sets:
        rrType = rrset.rrType
        if len(rrset.rdatas) == 1:
            rdatas = [canonicalOf(rrType, rrset.rdatas[0])]
        else:
            rdatas = sorted({canonicalOf(rrType, rdata) for rdata in rrset.rdatas})
        start = owner + _fixed(rrType, rrset.rrClass, rrset.ttl, 0)[:8]
        yield rrset, b"".join([start + len(rdata).to_bytes(2, "big") + rdata for rdata in rdatas])


def canonicalRecords(version: Version) -> Iterator[tuple[RRSet, bytes]]:
    """
    @return: the sets of a zone in canonical order, each with its records in canonical form.
    """
    apex = version.apex
    for node in orderedNodes(version):
        yield from recordsOf(node, node.key + apex)
