"""
Lists the differences between two zones record by record, in canonical order, for display.

L{twisted_ext.zone.store.traversal.difference} computes them for transfers and journals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted_ext.wire.codes import className
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NSEC, NSEC3, RRSIG, typeName
from twisted_ext.zone.store.nodes import sortKey
from twisted_ext.zone.store.traversal import candidates

if TYPE_CHECKING:
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = ["Change", "changes"]

_SIGNATURES: Final = frozenset((RRSIG, NSEC, NSEC3))


@dataclass(slots=True, eq=False, repr=False)
class Change:
    """
    A record that is in one of two zones only.

    @ivar added: whether it is in the second zone.
    """

    added: bool
    rrset: RRSet
    rdata: bytes

    @property
    def text(self) -> str:
        rrset = self.rrset
        head = f"{nameToText(rrset.name)} {rrset.ttl} {className(rrset.rrClass)} {typeName(rrset.rrType)}"
        return f"{head} {rdataToText(rrset.rrType, self.rdata)}"

    def toJSON(self) -> dict[str, object]:
        rrset = self.rrset
        return {
            "change": "added" if self.added else "removed",
            "name": nameToText(rrset.name),
            "ttl": rrset.ttl,
            "class": className(rrset.rrClass),
            "type": typeName(rrset.rrType),
            "data": rdataToText(rrset.rrType, self.rdata),
        }


def changes(before: Version, after: Version, *, signatures: bool = True) -> Iterator[Change]:
    """
    Return the records removed and added between two versions of a zone, in canonical order. The case of names does not matter.

    @param signatures: include RRSIG, NSEC and NSEC3 records.
    """
    keys = [key for key in candidates(before, after) if key is not None]
    for key in sorted(keys, key=sortKey):
        yield from _atNode(before.find(key), after.find(key), signatures)


def _atNode(first: Node | None, second: Node | None, signatures: bool) -> Iterator[Change]:
    sets = _recordsOf(first, signatures), _recordsOf(second, signatures)
    for key in sorted({*sets[0], *sets[1]}):
        if key not in sets[1]:
            yield Change(False, *sets[0][key])
        elif key not in sets[0]:
            yield Change(True, *sets[1][key])


def _recordsOf(node: Node | None, signatures: bool) -> dict[tuple[int, bytes, int], tuple[RRSet, bytes]]:
    if node is None:
        return {}
    return {
        (rrset.rrType, canonicalOf(rrset.rrType, rdata), rrset.ttl): (rrset, rdata)
        for rrset in node.sets
        if signatures or rrset.rrType not in _SIGNATURES
        for rdata in rrset.rdatas
    }
