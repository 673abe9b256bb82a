"""
What makes one version of a zone into another one: records that go and records that come, as IXFR sends them (RFC 1995) and the journal
keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadChange, BadMessage
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import RRSIG, SOA, typeName
from twisted_ext.zone.store.canonical import canonicalOf
from twisted_ext.zone.store.nodes import keyBelow
from twisted_ext.zone.store.nodes import rendered as renderedSet
from twisted_ext.zone.store.serials import serialIn

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Difference", "Kind", "applied", "condensed", "fromRendered", "kindOf", "rendered", "sortedSets"]

#: Type, and for signatures the type that they cover: what tells the sets of one name apart (RFC 4034, section 3).
Kind = tuple[int, int]

#: Type, class, TTL, octets of rdata.
_FIXED: Final = Struct(">HHIH")

#: A pointer to where the zone's name stands in every message of a transfer of it: behind the header.
_APEX: Final = b"\xc0\x0c"

#: Owner, type and rdata, all of it in canonical form.
_Record = tuple[bytes, int, bytes]


def kindOf(rrset: RRSet) -> Kind:
    """
    @return: what tells this set apart from others of its name.
    """
    rrType = rrset.rrType
    return (rrType, int.from_bytes(rrset.rdatas[0][:2], "big") if rrType == RRSIG else 0)


def sortedSets(sets: dict[Kind, RRSet]) -> tuple[RRSet, ...]:
    """
    @return: the sets of a name in the order in which a node has them.
    """
    return tuple([sets[kind] for kind in sorted(sets)])


class Difference:
    """
    The way from one serial number to another one.

    @ivar before: the SOA that goes.
    @ivar removed: sets of the other records that go.
    @ivar after: the SOA that comes.
    @ivar added: sets of the other records that come.
    """

    __slots__ = ("before", "removed", "after", "added")

    def __init__(self, before: RRSet, removed: Sequence[RRSet], after: RRSet, added: Sequence[RRSet]) -> None:
        """
        @raise BadChange: one of the SOAs is none.
        """
        if before.rrType != SOA or after.rrType != SOA:
            raise BadChange("a difference begins with the SOA that goes and the SOA that comes")
        self.before = before
        self.removed = tuple(removed)
        self.after = after
        self.added = tuple(added)

    @property
    def oldSerial(self) -> int:
        """
        The serial number that it begins at.
        """
        return serialIn(self.before.rdatas[0])

    @property
    def newSerial(self) -> int:
        """
        The serial number that it leads to.
        """
        return serialIn(self.after.rdatas[0])

    @property
    def records(self) -> int:
        """
        How many records go and come, the SOAs among them.
        """
        return 2 + sum([len(rrset.rdatas) for rrset in self.removed]) + sum([len(rrset.rdatas) for rrset in self.added])

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
    """
    @return: the records in sets of equal owner, kind and TTL.
    """
    groups: dict[tuple[bytes, Kind, int], list[RRSet]] = {}
    for (name, _, _), record in records.items():
        groups.setdefault((name, kindOf(record), record.ttl), []).append(record)
    return tuple(
        [
            RRSet(group[0].name, group[0].rrType, group[0].rrClass, group[0].ttl, tuple([record.rdatas[0] for record in group]))
            for group in groups.values()
        ]
    )


def condensed(differences: Sequence[Difference]) -> Difference:
    """
    Make one difference of several that follow each other: what came and went again is in it no more (RFC 1995, section 5).

    @raise BadChange: there are none, or they do not follow each other.
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
        # A record goes whatever TTL it has come with, and to have another TTL or to be written otherwise it goes and comes.
        for key, record in _recordsOf(difference.removed).items():
            if added.pop(key, None) is None:
                removed[key] = record
        for key, record in _recordsOf(difference.added).items():
            if key in removed and _isSpelled(removed[key], record):
                del removed[key]
            else:
                added[key] = record
    return Difference(differences[0].before, _grouped(removed), differences[-1].after, _grouped(added))


def _isSpelled(record: RRSet, other: RRSet) -> bool:
    return record.ttl == other.ttl and record.rdatas == other.rdatas and record.name == other.name


class _Changing:
    """
    A set while records go from it and come to it, each at the same cost, however many there are.

    @ivar like: what has its name and TTL.
    @ivar rdatas: its records, in their order, by their canonical forms: names in them may come in one case and go in another.
    """

    __slots__ = ("like", "rdatas")

    def __init__(self, like: RRSet) -> None:
        self.like = like
        self.rdatas = {canonicalOf(like.rrType, rdata): rdata for rdata in like.rdatas}

    def remove(self, rrset: RRSet) -> bool:
        """
        @return: whether all of these were there.
        """
        gone = [self.rdatas.pop(canonicalOf(rrset.rrType, rdata), None) for rdata in rrset.rdatas]
        return None not in gone

    def add(self, rrset: RRSet) -> bool:
        """
        @return: whether none of these was there.
        """
        come = {canonicalOf(rrset.rrType, rdata): rdata for rdata in rrset.rdatas}
        if not self.rdatas.keys().isdisjoint(come):
            return False
        self.like = rrset
        self.rdatas.update(come)
        return True

    @property
    def rrset(self) -> RRSet:
        """
        What it is by now.
        """
        like = self.like
        rdatas = tuple(self.rdatas.values())
        return like if rdatas == like.rdatas else RRSet(like.name, like.rrType, like.rrClass, like.ttl, rdatas)


def applied(version: Version, differences: Iterable[Difference], *, bounded: bool = True) -> Version:
    """
    Take a version of a zone further. What goes has to be there and what comes must not be, so that nothing is made of a difference that
    belongs to another version.

    @param bounded: see L{Version.edited<twisted_ext.zone.store.version.Version.edited>}.

    @raise BadChange: it does not fit.
    @raise BudgetSpent: more would differ from the image than may.
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
                raise _unfit(rrset, f"is to go from serial {serial} and is not there")
            if not present.rdatas:
                del sets[kind]
        for rrset in (difference.after, *difference.added):
            sets = _setsAt(version, nodes, rrset.name)
            kind = kindOf(rrset)
            present = sets.get(kind)
            if present is None:
                sets[kind] = _Changing(rrset)
            elif not present.add(rrset):
                raise _unfit(rrset, f"is to come into serial {serial} and is there")
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
    @param apex: the zone's name.

    @return: the records as a message of a transfer has them, whose question begins with the zone's name.
    """
    parts: list[bytes] = []
    size = len(apex)
    for rrset in sets:
        parts += renderedSet(rrset, len(rrset.name) - size)
    return b"".join(parts)


def longestRendered(octets: bytes) -> int:
    """
    @param octets: what L{rendered} gave; nothing is read behind what is none of that.

    @return: how many the longest record has, if it has more than half of them; otherwise no more than that.
    """
    position = longest = 0
    end = len(octets)
    # Where less is left than the longest has there is no longer one.
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
    @param octets: what L{rendered} gave.
    @param apexName: the zone's name as it is written.

    @return: the sets; records that stand beside each other and belong to one set are in one.

    @raise BadMessage: it is nothing that L{rendered} gives.
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
                raise BadMessage(f"the record at octet {start} runs out of what was kept")
            record = RRSet(name, rrType, rrClass, ttl, (rdata,))
            last = groups[-1][0] if groups else None
            if last is not None and last.ttl == ttl and last.name == name and kindOf(last) == kindOf(record):
                groups[-1][1].append(rdata)
            else:
                groups.append((record, [rdata]))
    except (IndexError, StructError):
        raise BadMessage("a record that runs out of what was kept") from None
    return tuple(
        [
            first if len(rdatas) == 1 else RRSet(first.name, first.rrType, first.rrClass, first.ttl, tuple(rdatas))
            for first, rdatas in groups
        ]
    )
