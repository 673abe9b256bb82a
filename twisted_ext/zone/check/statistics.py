"""
Statistics of a zone.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from twisted_ext.wire.names import labelCount, nameToText
from twisted_ext.wire.rrtypes import DS, typeName
from twisted_ext.zone.store.nodes import CUT, DNAME, EMPTY, HASHED, OCCLUDED

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Statistics"]

#: Octets of a record's type, class, TTL and length.
_FIXED: Final = 10


class Statistics:
    """
    Statistics of one version.

    @ivar names: the number of names with records.
    @ivar octets: the size of all records, uncompressed.
    @ivar largest: the size of the largest RRset, its owner and its type.
    @ivar deepest: the largest number of labels of a name, and the name.
    @ivar empty: the number of empty non-terminals.
    @ivar wildcards: the number of names whose first label is C{*}.
    @ivar delegations: the number of delegations; C{secure} is the number of those with DS records.
    @ivar hidden: the number of names below delegations and DNAME records: mainly glue.
    @ivar subtrees: the number of names with DNAME records.
    @ivar hashes: the number of names with NSEC3 records.
    """

    def __init__(self, version: Version) -> None:
        self.apex = version.apexName
        self.serial = version.serial
        self.names = self.records = self.octets = 0
        self.empty = self.wildcards = self.delegations = self.secure = self.hidden = self.subtrees = self.hashes = 0
        self.types: Counter[int] = Counter()
        self.ttls: Counter[int] = Counter()
        self.largest: tuple[int, bytes, int] = (0, b"", 0)
        self.deepest: tuple[int, bytes] = (0, b"")
        apex = version.apex
        for node in version.nodes():
            key, flags = node.key, node.flags
            if flags & EMPTY:
                self.empty += 1
            if not node.sets:
                continue
            name = node.sets[0].name
            self.names += 1
            if key.startswith(b"\x01*"):
                self.wildcards += 1
            depth = labelCount(key + apex)
            if depth > self.deepest[0]:
                self.deepest = (depth, name)
            if flags & OCCLUDED:
                self.hidden += 1
            elif flags & CUT:
                self.delegations += 1
                self.secure += node.of(DS) is not None
            if flags & DNAME:
                self.subtrees += 1
            if flags & HASHED:
                self.hashes += 1
            for rrset in node.sets:
                count = len(rrset.rdatas)
                size = sum(map(len, rrset.rdatas)) + count * (_FIXED + len(name))
                self.records += count
                self.octets += size
                self.types[rrset.rrType] += count
                self.ttls[rrset.ttl] += count
                if size > self.largest[0]:
                    self.largest = (size, name, rrset.rrType)

    def toJSON(self) -> dict[str, object]:
        ttls = sorted(self.ttls.items())
        return {
            "zone": nameToText(self.apex),
            "serial": self.serial,
            "names": self.names,
            "records": self.records,
            "octets": self.octets,
            "types": {typeName(rrType): count for rrType, count in self.types.most_common()},
            "ttl": {"least": ttls[0][0], "most": ttls[-1][0], "usual": self.ttls.most_common(1)[0][0], "different": len(ttls)},
            "largest": {"octets": self.largest[0], "name": nameToText(self.largest[1]), "type": typeName(self.largest[2])},
            "deepest": {"labels": self.deepest[0], "name": nameToText(self.deepest[1])},
            "empty": self.empty,
            "wildcards": self.wildcards,
            "delegations": {"all": self.delegations, "secure": self.secure},
            "hidden": self.hidden,
            "dnames": self.subtrees,
            "hashes": self.hashes,
        }
