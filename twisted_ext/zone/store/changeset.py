"""
Differences between versions of a zone: records removed and added, as IXFR sends them (RFC 1995) and the journal stores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadChange, BadMessage
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import SOA, typeName
from twisted_ext.zone.store.nodes import Kind, keyBelow, kindOf
from twisted_ext.zone.store.nodes import rendered as renderedSet
from twisted_ext.zone.store.serials import serialIn

if TYPE_CHECKING:
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = [
    "Difference", "applied", "compareSets", "condensed", "fromRendered", "isIdentical", "longestRendered", "rendered",
    "setsOf", "sortedSets",
]  # fmt: skip

#: Type, class, TTL, octets of rdata.
_FIXED: Final = Struct(">HHIH")

#: A compression pointer to the zone's name after the header, where every message of its transfer has it.
_APEX: Final = b"\xc0\x0c"

#: Owner, type and rdata, all in canonical form.
_Record = tuple[bytes, int, bytes]


def sortedSets(sets: dict[Kind, RRSet]) -> tuple[RRSet, ...]:
    return tuple([sets[kind] for kind in sorted(sets)])


def setsOf(node: Node | None) -> dict[Kind, RRSet]:
    return {} if node is None else {kindOf(rrset): rrset for rrset in node.sets}


def compareSets(
    before: dict[Kind, RRSet], after: dict[Kind, RRSet], removed: list[RRSet], added: list[RRSet], *, spelling: bool = False
) -> None:
    """
    Collect the records removed from and added to a name, without SOAs.

    @param spelling: whether a change of the owner's case counts.
    """
    for kind, old in before.items():
        if kind[0] == SOA:
            continue
        new = after.get(kind)
        if new is old:
            continue
        if new is None:
            removed.append(old)
        elif new.ttl != old.ttl or spelling and new.name != old.name:
            removed.append(old)
            added.append(new)
        elif new.rdatas != old.rdatas:
            _part(old, new.rdatas, removed)
            _part(new, old.rdatas, added)
    added.extend([new for kind, new in after.items() if kind[0] != SOA and kind not in before])


def _part(rrset: RRSet, others: Iterable[bytes], to: list[RRSet]) -> None:
    known = set(others)
    rdatas = tuple([rdata for rdata in rrset.rdatas if rdata not in known])
    if rdatas:
        to.append(rrset if len(rdatas) == len(rrset.rdatas) else rrset.withRdatas(rdatas))


class Difference:
    """
    The changes from one serial number to another one.

    @ivar before: the old SOA.
    @ivar removed: RRsets of the other records removed.
    @ivar after: the new SOA.
    @ivar added: RRsets of the other records added.
    @ivar beside: what a database is to store with them that is not in the zone.
    """

    __slots__ = ("before", "removed", "after", "added", "beside")

    def __init__(self, before: RRSet, removed: Sequence[RRSet], after: RRSet, added: Sequence[RRSet]) -> None:
        """
        @raise BadChange: C{before} or C{after} is not an SOA.
        """
        if before.rrType != SOA or after.rrType != SOA:
            raise BadChange("a difference begins with the old SOA and the new SOA")
        self.before = before
        self.removed = tuple(removed)
        self.after = after
        self.added = tuple(added)
        self.beside: Sequence[object] = ()

    @property
    def oldSerial(self) -> int:
        return serialIn(self.before.rdatas[0])

    @property
    def newSerial(self) -> int:
        return serialIn(self.after.rdatas[0])

    @property
    def sets(self) -> tuple[RRSet, ...]:
        """
        All RRsets, in the order of a transfer (RFC 1995, section 4).
        """
        return (self.before, *self.removed, self.after, *self.added)

    @property
    def records(self) -> int:
        """
        The number of records removed and added, the SOAs included.
        """
        return sum([len(rrset.rdatas) for rrset in self.sets])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Difference):
            return NotImplemented
        return (
            self.before == other.before
            and self.after == other.after
            and _recordsOf(self.removed) == _recordsOf(other.removed)
            and _recordsOf(self.added) == _recordsOf(other.added)
        )

    def __hash__(self) -> int:
        return hash((self.oldSerial, self.newSerial))

    def __repr__(self) -> str:
        return f"<Difference {self.oldSerial} to {self.newSerial}, {self.records} record(s)>"


def _recordsOf(sets: Iterable[RRSet]) -> dict[_Record, RRSet]:
    records: dict[_Record, RRSet] = {}
    for record in eachRecord(tuple(sets)):
        records[(record.name.lower(), record.rrType, canonicalOf(record.rrType, record.rdatas[0]))] = record
    return records


def _grouped(records: dict[_Record, RRSet]) -> tuple[RRSet, ...]:
    groups: dict[tuple[bytes, Kind, int], tuple[RRSet, list[bytes]]] = {}
    for (name, _, _), record in records.items():
        _, rdatas = groups.setdefault((name, kindOf(record), record.ttl), (record, []))
        rdatas += record.rdatas
    return tuple([first.withRdatas(tuple(rdatas)) for first, rdatas in groups.values()])


def condensed(differences: Sequence[Difference]) -> Difference:
    """
    Condense consecutive differences into one, without records that were added and removed again (RFC 1995, section 5).

    @raise BadChange: there are none, or they are not consecutive.
    """
    if not differences:
        raise BadChange("nothing to condense")
    if len(differences) == 1:
        return differences[0]
    removed: dict[_Record, RRSet] = {}
    added: dict[_Record, RRSet] = {}
    serial = differences[0].oldSerial
    for difference in differences:
        if difference.oldSerial != serial:
            raise BadChange(f"a difference from {difference.oldSerial} does not follow one to {serial}")
        serial = difference.newSerial
        # The TTL does not matter for a removal. To change the TTL or the spelling, a record is removed and added again.
        for key, record in _recordsOf(difference.removed).items():
            if added.pop(key, None) is None:
                removed[key] = record
        for key, record in _recordsOf(difference.added).items():
            if key in removed and isIdentical(removed[key], record):
                del removed[key]
            else:
                added[key] = record
    return Difference(differences[0].before, _grouped(removed), differences[-1].after, _grouped(added))


def isIdentical(rrset: RRSet, other: RRSet) -> bool:
    """
    Return whether two sets of one kind are equal to the octet: C{==} ignores case and order.
    """
    return rrset.ttl == other.ttl and rrset.rdatas == other.rdatas and rrset.name == other.name


class _Changing:
    """
    An RRset that is being changed. Removing or adding a record takes constant time.

    @ivar like: an RRset with its name and TTL.
    @ivar rdatas: its records in order, by their canonical forms: a removal may write names in another case than the record has.
    """

    __slots__ = ("like", "rdatas")

    def __init__(self, like: RRSet) -> None:
        self.like = like
        self.rdatas = {canonicalOf(like.rrType, rdata): rdata for rdata in like.rdatas}

    def remove(self, rrset: RRSet) -> bool:
        """
        Remove records; return whether all of them were there.
        """
        gone = [self.rdatas.pop(canonicalOf(rrset.rrType, rdata), None) for rdata in rrset.rdatas]
        return None not in gone

    def add(self, rrset: RRSet) -> bool:
        """
        Add records; return whether none of them was there.
        """
        come = {canonicalOf(rrset.rrType, rdata): rdata for rdata in rrset.rdatas}
        if not self.rdatas.keys().isdisjoint(come):
            return False
        self.like = rrset
        self.rdatas.update(come)
        return True

    @property
    def rrset(self) -> RRSet:
        like = self.like
        rdatas = tuple(self.rdatas.values())
        return like if rdatas == like.rdatas else like.withRdatas(rdatas)


def applied(version: Version, differences: Iterable[Difference], *, bounded: bool = True) -> Version:
    """
    Apply differences to a version of a zone. Records to remove have to be there and records to add must not, so that a difference for
    another version is rejected.

    @param bounded: see L{Version.edited<twisted_ext.zone.store.version.Version.edited>}.

    @raise BadChange: a difference does not apply.
    @raise BudgetSpent: more names would differ from the image than the limit.
    """
    apex = version.apex
    serial = version.serial
    nodes: dict[bytes, dict[Kind, _Changing]] = {}
    for difference in differences:
        if difference.oldSerial != serial:
            raise BadChange(f"{nameToText(apex)} is at serial {serial}, the difference begins at {difference.oldSerial}")
        for rrset in (difference.before, *difference.removed):
            sets = _setsAt(version, nodes, rrset.name)
            kind = kindOf(rrset)
            present = sets.get(kind)
            if present is None or not present.remove(rrset):
                raise _unfit(rrset, f"is to be removed from serial {serial} and is not there")
            if not present.rdatas:
                del sets[kind]
        for rrset in (difference.after, *difference.added):
            sets = _setsAt(version, nodes, rrset.name)
            kind = kindOf(rrset)
            present = sets.get(kind)
            if present is None:
                sets[kind] = _Changing(rrset)
            elif not present.add(rrset):
                raise _unfit(rrset, f"is to be added to serial {serial} and is there already")
        serial = difference.newSerial
    if not nodes:
        return version
    soa = nodes[b""].get((SOA, 0))
    if soa is None or len(soa.rdatas) != 1:
        raise BadChange(f"{nameToText(apex)} would not have one SOA any more")
    changes = {key: sortedSets({kind: changing.rrset for kind, changing in sets.items()}) for key, sets in nodes.items()}
    return version.edited(changes, bounded=bounded)


def _unfit(rrset: RRSet, how: str) -> BadChange:
    return BadChange(f"{nameToText(rrset.name)} {typeName(rrset.rrType)} {how}")


def _setsAt(version: Version, nodes: dict[bytes, dict[Kind, _Changing]], name: bytes) -> dict[Kind, _Changing]:
    key = keyBelow(name, version.apex)
    if key is None:
        raise BadChange(f"{nameToText(name)} is not in {nameToText(version.apex)}")
    sets = nodes.get(key)
    if sets is None:
        node = version.find(key)
        sets = nodes[key] = {} if node is None else {kindOf(rrset): _Changing(rrset) for rrset in node.sets}
    return sets


def rendered(sets: Iterable[RRSet], apex: bytes) -> bytes:
    """
    Write records in wire format for a transfer message, whose question begins with the zone's name.
    """
    parts: list[bytes] = []
    size = len(apex)
    for rrset in sets:
        parts += renderedSet(rrset, len(rrset.name) - size)
    return b"".join(parts)


def longestRendered(octets: bytes) -> int:
    """
    Estimate the size of the longest record in the output of L{rendered}; reading stops at anything else.

    @return: the size of the longest record if it is more than half of the octets; otherwise a number up to that size.
    """
    position = longest = 0
    end = len(octets)
    # If less is left than the longest record takes, there is no longer one.
    while end - position > longest:
        start = position
        while position < end and 0 < octets[position] < 64:
            position += octets[position] + 1
        position += 2 + _FIXED.size
        if position > end:
            break
        position += octets[position - 2] << 8 | octets[position - 1]
        longest = max(longest, position - start)
    return longest


def fromRendered(octets: bytes, apexName: bytes) -> tuple[RRSet, ...]:
    """
    Parse the output of L{rendered}; adjacent records of one RRset are merged.

    @param apexName: the zone's name as it is written.

    @raise BadMessage: this is not output of L{rendered}.
    """
    groups: list[tuple[RRSet, list[bytes]]] = []
    position = 0
    end = len(octets)
    try:
        while position < end:
            start = position
            while (length := octets[position]) and length < 64:
                position += length + 1
            if octets[position : position + 2] != _APEX:
                raise BadMessage(f"a record at octet {start} whose owner does not end with the zone's name")
            name = octets[start:position] + apexName
            rrType, rrClass, ttl, size = _FIXED.unpack_from(octets, position + 2)
            position += 2 + _FIXED.size
            rdata = octets[position : position + size]
            position += size
            if position > end:
                raise BadMessage(f"the record at octet {start} extends past the end of the stored octets")
            record = RRSet(name, rrType, rrClass, ttl, (rdata,))
            last = groups[-1][0] if groups else None
            if last is not None and last.ttl == ttl and last.name == name and kindOf(last) == kindOf(record):
                groups[-1][1].append(rdata)
            else:
                groups.append((record, [rdata]))
    except (IndexError, StructError):
        raise BadMessage("a record that extends past the end of the stored octets") from None
    return tuple([first if len(rdatas) == 1 else first.withRdatas(tuple(rdatas)) for first, rdatas in groups])
