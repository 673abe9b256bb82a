"""
The records of a zone at one name.

A name of a zone is identified by its I{key}: its folded labels above the apex in wire format, without a final zero. C{b""} is the apex,
C{b"\\x03www"} is www below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final

from twisted_ext.wire.rdata.canonical import distinct
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME as _CNAME
from twisted_ext.wire.rrtypes import DNAME as _DNAME
from twisted_ext.wire.rrtypes import NS, NSEC, NSEC3, NSEC3PARAM, NXT, RRSIG, SIG, SOA

__all__ = [
    "BETWEEN",
    "CUT",
    "DNAME",
    "BESIDE_ALIASES",
    "CNAME",
    "OCCLUDED",
    "EMPTY",
    "WILDCARD",
    "SIGNED",
    "HASHED",
    "SAYING",
    "Kind",
    "Node",
    "keyBelow",
    "kindOf",
    "parentKey",
    "sortKey",
    "flagsOf",
    "hashingOf",
    "isHashed",
    "isOnlyHashed",
    "isSettled",
    "gathered",
    "hasKind",
    "octetsOf",
    "decoded",
    "rendered",
    "recordsIn",
    "recordsOf",
    "STAR",
    "TO_APEX",
    "SOA_OCTETS",
    "unevenIn",
]

#: A delegation: NS records at a name other than the apex.
CUT: Final = 1

#: The name has a DNAME record.
DNAME: Final = 2

#: Types allowed beside a CNAME (RFC 4035, section 2.5, and RFC 2181, section 10.1). RFC 2535 permitted KEY, which other servers refuse.
BESIDE_ALIASES: Final = frozenset((RRSIG, NSEC, NSEC3, SIG, NXT))

#: The name has a CNAME record.
CNAME: Final = 4

#: The name is below a cut or a DNAME record: glue, or occluded data.
OCCLUDED: Final = 8

#: No records, but names below (an empty non-terminal: RFC 8020; RFC 4592, section 2.2.2).
EMPTY: Final = 16

#: The wildcard C{*} exists directly below.
WILDCARD: Final = 32

#: The name has an NSEC record.
SIGNED: Final = 64

#: The name has only NSEC3 records and signatures: it does not exist as a name (RFC 5155, section 7.2.8).
HASHED: Final = 128

#: Digits of hashes in names: base 32 with the extended hex alphabet.
_HASH_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv"

#: The wildcard label (RFC 4592, section 2.1.1).
STAR: Final = b"\x01*"

#: Octets of the shortest rdata of an SOA: two root names and five numbers.
SOA_OCTETS: Final = 22

#: Flags of a node by its types.
SAYING: Final = {NS: CUT, _CNAME: CNAME, _DNAME: DNAME, NSEC: SIGNED, NSEC3: HASHED}

_FIXED: Final = Struct(">HHHIH")
_fixed: Final = _FIXED.unpack_from
_pack: Final = _FIXED.pack

#: The end of every owner: a pointer to the apex, which is the name in the question of a transfer and so always at octet 12.
TO_APEX: Final = 0xC00C

#: Octets of a record between its owner's labels and its rdata: pointer, type, class, TTL and length.
BETWEEN: Final = 12

#: Type, and for signatures the type covered: identifies an RRset of a name (RFC 4034, section 3).
Kind = tuple[int, int]

#: Octets of a record besides its owner and its rdata.
_BESIDE: Final = 10


class Node:
    """
    The records at one name, and the name's flags. Treated as immutable.

    @ivar key: the name, folded, relative to the apex.
    @ivar sets: the records, sorted by type. Signatures are one RRset for each type covered.
    @ivar flags: L{CUT}, L{DNAME}, L{CNAME}, L{OCCLUDED}, L{EMPTY}, L{WILDCARD}, L{SIGNED}, L{HASHED}.
    @ivar children: the number of names directly below this one, empty non-terminals included.
    """

    __slots__ = ("key", "sets", "flags", "children")

    def __init__(self, key: bytes, sets: tuple[RRSet, ...], flags: int, children: int) -> None:
        self.key = key
        self.sets = sets
        self.flags = flags
        self.children = children

    def of(self, rrType: int) -> RRSet | None:
        """
        Return the records of a type; for RRSIG those that cover one type.
        """
        for rrset in self.sets:
            if rrset.rrType == rrType:
                return rrset
        return None

    def signatures(self, rrType: int) -> RRSet | None:
        for rrset in self.sets:
            if rrset.rrType == RRSIG and int.from_bytes(rrset.rdatas[0][:2], "big") == rrType:
                return rrset
        return None

    @property
    def types(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys([rrset.rrType for rrset in self.sets]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return (
            self.key == other.key
            and self.flags == other.flags
            and self.children == other.children
            and self.sets == other.sets
        )

    def __hash__(self) -> int:
        return hash((self.key, self.flags, self.children))

    def __repr__(self) -> str:
        return f"<Node {self.key!r} {list(self.sets)} flags={self.flags} children={self.children}>"


def keyBelow(name: bytes, apex: bytes) -> bytes | None:
    """
    Return the key of an absolute name, or L{None} if it is outside of the zone.

    @param apex: the zone's name, folded.
    """
    folded = name.lower()
    if not folded.endswith(apex):
        return None
    boundary = len(folded) - len(apex)
    position = 0
    while position < boundary:
        position += folded[position] + 1
    return folded[:boundary] if position == boundary else None


def parentKey(key: bytes) -> bytes:
    """
    Return the key of the name directly above any key but the apex.
    """
    return key[key[0] + 1 :]


def sortKey(key: bytes) -> bytes:
    """
    Return octets that sort in the canonical order of names (RFC 4034, section 6.1): by labels from the right, a name before its
    descendants.
    """
    plain = b"\x00" not in key and b"\x01" not in key
    if plain and key and key[0] + 1 == len(key):
        return key[1:] + b"\x00"
    labels = []
    position = 0
    while position < len(key):
        end = position + 1 + key[position]
        labels.append(key[position + 1 : end])
        position = end
    labels.reverse()
    if not plain:
        # The octet that ends a label has to be less than any octet in labels.
        labels = [label.replace(b"\x01", b"\x01\x02").replace(b"\x00", b"\x01\x01") for label in labels]
    labels.append(b"")
    return b"\x00".join(labels)


def flagsOf(key: bytes, sets: tuple[RRSet, ...]) -> int:
    """
    Return the flags of a node that depend on its own records only.
    """
    if not sets:
        return EMPTY if key else 0
    flags = 0
    for rrset in sets:
        flags |= SAYING.get(rrset.rrType, 0)
    if not key:
        flags &= ~CUT
    if flags & HASHED and any(rrset.rrType not in (NSEC3, RRSIG) for rrset in sets):
        flags &= ~HASHED
    return flags


def hashingOf(top: Iterable[RRSet]) -> tuple[int, int, bytes] | None:
    """
    Return the hash algorithm, the further iterations and the salt of the NSEC3 chain in use (RFC 5155, section 4), if these RRsets of the
    apex have one.
    """
    for rrset in top:
        if rrset.rrType == NSEC3PARAM:
            for rdata in rrset.rdatas:
                if len(rdata) >= 5 and rdata[0] == 1 and not rdata[1]:
                    return 1, int.from_bytes(rdata[2:4], "big"), rdata[5 : 5 + rdata[4]]
    return None


def isHashed(key: bytes, sets: Iterable[RRSet], hashing: tuple[int, int, bytes] | None) -> bool:
    """
    Return whether there is an NSEC3 record of the chain in use: with its parameters, at a hash one label below the apex (RFC 5155, section
    3).
    """
    if hashing is None or not key or key[0] + 1 != len(key) or key[1:].translate(None, _HASH_DIGITS):
        return False
    algorithm, iterations, salt = hashing
    said = iterations.to_bytes(2, "big") + bytes([len(salt)]) + salt
    for rrset in sets:
        if rrset.rrType == NSEC3:
            return any(rdata[0] == algorithm and rdata[2 : 2 + len(said)] == said for rdata in rrset.rdatas)
    return False


def kindOf(rrset: RRSet) -> Kind:
    rrType = rrset.rrType
    return (rrType, int.from_bytes(rrset.rdatas[0][:2], "big") if rrType == RRSIG else 0)


def gathered(sets: Iterable[RRSet]) -> tuple[RRSet, ...]:
    """
    Merge and sort the RRsets of one node: types ascending, duplicate rdata removed (ignoring the case of names), one TTL for each RRset
    (RFC 2181, section 5), signatures separated by type covered. Empty RRsets are omitted.
    """
    groups: dict[Kind, list[RRSet]] = {}
    for rrset in sets:
        for part in _apart(rrset):
            groups.setdefault(kindOf(part), []).append(part)
    return tuple([_merged(groups[kind]) for kind in sorted(groups)])


def _merged(parts: list[RRSet]) -> RRSet:
    first = parts[0]
    if len(parts) == 1:
        if len(first.rdatas) == 1:
            return first
        rdatas = distinct(first.rrType, first.rdatas)
        return first if len(rdatas) == len(first.rdatas) else first.withRdatas(rdatas)
    rdatas = distinct(first.rrType, [rdata for part in parts for rdata in part.rdatas])
    return RRSet(first.name, first.rrType, first.rrClass, min([part.ttl for part in parts]), rdatas)


def _apart(rrset: RRSet) -> Iterable[RRSet]:
    if not rrset.rdatas:
        return ()
    if rrset.rrType != RRSIG or len(rrset.rdatas) == 1:
        return (rrset,)
    covering: dict[bytes, list[bytes]] = {}
    for rdata in rrset.rdatas:
        covering.setdefault(rdata[:2], []).append(rdata)
    if len(covering) == 1:
        return (rrset,)
    return [rrset.withRdatas(tuple(rdatas)) for rdatas in covering.values()]


def decoded(records: bytes, labels: int, apexName: bytes) -> tuple[RRSet, ...]:
    """
    Parse the output of L{rendered} for one node.

    @param labels: the size of their owner's labels.
    @param apexName: the apex as it is written.

    @raise IndexError: the octets are malformed, for which L{struct.error} is raised as well.
    """
    end = len(records)
    if end:
        # Most names have one record.
        _, rrType, rrClass, ttl, length = _fixed(records, labels)
        start = labels + BETWEEN
        if start + length == end:
            return (RRSet(records[:labels] + apexName, rrType, rrClass, ttl, (records[start:],)),)
    # For each RRset its name, type and class, its TTLs, and its rdata.
    groups: dict[int, tuple[bytes, int, int, list[int], list[bytes]]] = {}
    position = 0
    while position < end:
        fixed = position + labels
        _, rrType, rrClass, ttl, length = _fixed(records, fixed)
        start = fixed + BETWEEN
        rdata = records[start : start + length]
        place = rrType << 16 | int.from_bytes(rdata[:2], "big") if rrType == RRSIG else rrType << 16
        group = groups.get(place)
        if group is None:
            groups[place] = (records[position:fixed] + apexName, rrType, rrClass, [ttl], [rdata])
        else:
            group[3].append(ttl)
            group[4].append(rdata)
        position = start + length
    if position != end:
        raise IndexError("a record extends past the end of its node")
    sets = []
    for place in sorted(groups):
        name, rrType, rrClass, ttls, rdatas = groups[place]
        if len(rdatas) == 1:
            sets.append(RRSet(name, rrType, rrClass, ttls[0], (rdatas[0],)))
        else:
            sets.append(RRSet(name, rrType, rrClass, min(ttls), tuple(dict.fromkeys(rdatas))))
    return tuple(sets)


def octetsOf(sets: Iterable[RRSet]) -> int:
    """
    Return the size of records with their whole owners.
    """
    return sum([len(rrset.name) + len(rdata) + _BESIDE for rrset in sets for rdata in rrset.rdatas])


def recordsIn(records: bytes, labels: int) -> Iterator[tuple[bytes, int, int, bytes]]:
    """
    Return the owner's labels, the type, the TTL and the rdata of each record of one node.
    """
    position = 0
    while position < len(records):
        fixed = position + labels
        _, rrType, _, ttl, length = _fixed(records, fixed)
        start = fixed + BETWEEN
        yield records[position:fixed], rrType, ttl, records[start : start + length]
        position = start + length


def unevenIn(records: bytes, labels: int) -> list[tuple[bytes, int, tuple[int, ...]]]:
    """
    Return the owner's labels, the type and the TTLs, in ascending order, of each RRset of one node whose records have different ones.
    """
    ttls: dict[Kind, set[int]] = {}
    for _, rrType, ttl, rdata in recordsIn(records, labels):
        ttls.setdefault((rrType, int.from_bytes(rdata[:2], "big") if rrType == RRSIG else 0), set()).add(ttl)
    return [(records[:labels], rrType, tuple(sorted(several))) for (rrType, _), several in ttls.items() if len(several) > 1]


def rendered(rrset: RRSet, labels: int) -> list[bytes]:
    """
    Write the records of an RRset in wire format as in a transfer message.

    @param labels: octets of the owner above the apex.
    """
    owner = rrset.name[:labels]
    rrType, rrClass, ttl = rrset.rrType, rrset.rrClass, rrset.ttl
    return [owner + _pack(TO_APEX, rrType, rrClass, ttl, len(rdata)) + rdata for rdata in rrset.rdatas]


def isSettled(records: bytes, labels: int) -> bool:
    """
    Return whether the records of each RRset of one node are certainly adjacent and distinct, with the same owner and TTL.
    """
    kinds: set[bytes] = set()
    several: set[bytes] = set()
    before = head = first = b""
    position = 0
    end = len(records)
    while position < end:
        fixed = position + labels
        start = fixed + BETWEEN
        after = start + (records[fixed + 10] << 8 | records[fixed + 11])
        kind = records[fixed + 2 : fixed + 4]
        if kind == b"\x00\x2e":
            kind += records[start : start + 2]
        if kind == before:
            # Whether a difference in case matters depends on which octets are names; do not decide that here.
            if not several:
                several = {first.lower()}
            if records[position : fixed + 10] != head or (rdata := records[start:after].lower()) in several:
                return False
            several.add(rdata)
        elif kind in kinds:
            return False
        else:
            kinds.add(kind)
            before, head, first, several = kind, records[position : fixed + 10], records[start:after], set()
        position = after
    return True


def isOnlyHashed(records: bytes, labels: int) -> bool:
    """
    Return whether a node with NSEC3 records has only these and their signatures, so that it is only the hash of a name.
    """
    position = 0
    while position < len(records):
        fixed = position + labels
        if records[fixed + 2] or records[fixed + 3] not in (NSEC3, RRSIG):
            return False
        position = fixed + BETWEEN + (records[fixed + 10] << 8 | records[fixed + 11])
    return True


def recordsOf(sets: Iterable[RRSet], labels: int) -> list[bytes]:
    """
    Return the records of a node, the SOA first.
    """
    return [record for rrset in sorted(sets, key=lambda rrset: rrset.rrType != SOA) for record in rendered(rrset, labels)]


def hasKind(octets: bytes, length: int, record: bytes) -> bool:
    """
    Return whether one of the records has the same type as C{record}; for signatures, covers the same type.

    @param length: octets of the owner's labels, the same in all records.
    """
    kind = record[length + 2 : length + 4]
    covers = record[length + BETWEEN : length + BETWEEN + 2] if kind == b"\x00\x2e" else b""
    position = length
    while position < len(octets):
        if octets[position + 2 : position + 4] == kind and octets.startswith(covers, position + BETWEEN):
            return True
        position += BETWEEN + int.from_bytes(octets[position + 10 : position + BETWEEN], "big") + length
    return False
