"""
Zones that look signed: with keys, placeholder signatures, and a complete chain of NSEC or NSEC3 records.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from typing import Final

from tests.zone.plain import setsOf
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.names import labelCount, labelsOf, nameFromText
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.rdata.types.dnssec import DNSKEY
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.nodes import CUT, OCCLUDED, Node
from twisted_ext.zone.store.order import orderedNodes
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

__all__ = ["BEGIN", "END", "signed"]

#: The inception and expiration of the signatures.
BEGIN: Final = 1_700_000_000
END: Final = BEGIN + 30 * 86400

_KEY: Final = DNSKEY(257, 3, 13, bytes(range(64)))

_NS: Final = 2
_DS: Final = 43
_RRSIG: Final = 46
_NSEC: Final = 47
_NSEC3: Final = 50


def signed(text: str, origin: str = "example.", *, nsec3: bool = False, optOut: bool = False, ttl: int = 300) -> list[RRSet]:
    """
    Return the records of a signed zone.

    @param text: Records as for L{setsOf}, with the SOA and NS records of the apex.
    """
    apex = nameFromText(origin)
    sets = [*setsOf(text, origin, ttl), RRSet(apex, 48, 1, ttl, (_KEY.wire,))]
    if nsec3:
        sets.append(RRSet(apex, 51, 1, 0, (b"\x01\x00\x00\x00\x00",)))
    version = Zone.fromRecords(apex, sets).current
    sets += _hashedChain(version, optOut, ttl) if nsec3 else _chain(version, ttl)
    return [*sets, *_signatures(Zone.fromRecords(apex, sets).current)]


def _chain(version: Version, ttl: int) -> Iterable[RRSet]:
    nodes = [node for node in orderedNodes(version) if not node.flags & OCCLUDED]
    for node, following in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        types = _typesAt(node) | {_NSEC, _RRSIG}
        name = following.key + version.apex
        yield RRSet(node.sets[0].name, _NSEC, 1, ttl, (name + TypeBits().write(sorted(types), ()),))


def _typesAt(node: Node) -> set[int]:
    return set(node.types) & {_NS, _DS} if node.flags & CUT else set(node.types)


def _hashedChain(version: Version, optOut: bool, ttl: int) -> Iterable[RRSet]:
    hashes: dict[bytes, set[int]] = {}
    for node in version.nodes():
        if node.flags & OCCLUDED or (optOut and node.flags & CUT and node.of(_DS) is None):
            continue
        types = _typesAt(node)
        hashes[sha1(node.key + version.apex).digest()] = types | {_RRSIG} if types - {_NS} or types and not node.flags & CUT else types
    ordered = sorted(hashes)
    for digest, following in zip(ordered, [*ordered[1:], ordered[0]], strict=True):
        rdata = b"\x01" + bytes([optOut]) + b"\x00\x00\x00\x14" + following + TypeBits().write(sorted(hashes[digest]), ())
        label = toBase32Hex(digest).lower().encode()
        yield RRSet(bytes([len(label)]) + label + version.apex, _NSEC3, 1, ttl, (rdata,))


def _signatures(version: Version) -> Iterable[RRSet]:
    for node in version.nodes():
        if node.flags & OCCLUDED:
            continue
        for rrset in node.sets:
            if node.flags & CUT and rrset.rrType not in (_DS, _NSEC):
                continue
            labels = labelCount(rrset.name) - (labelsOf(rrset.name)[:1] == [b"*"])
            fixed = rrset.rrType.to_bytes(2, "big") + bytes([13, labels]) + rrset.ttl.to_bytes(4, "big")
            times = END.to_bytes(4, "big") + BEGIN.to_bytes(4, "big") + _KEY.keyTag.to_bytes(2, "big")
            yield RRSet(rrset.name, _RRSIG, 1, rrset.ttl, (fixed + times + version.apex + bytes(64),))
