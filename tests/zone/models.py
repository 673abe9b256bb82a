"""
A simple model of a zone that the implementation is compared with, and strategies for zones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hypothesis import strategies as st

from twisted_ext.wire.names import canonicalKey, nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNAME, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, TXT, A, typeNumber
from twisted_ext.zone.store import nodes
from twisted_ext.zone.store.nodes import Node, gathered

__all__ = ["APEX", "KEYS", "SOA_SET", "Change", "Contents", "Model", "changed", "contents", "edits", "record"]

APEX: Final = nameFromText("test.Example.")

#: The record sets of each node.
Contents = dict[bytes, tuple[RRSet, ...]]


def record(text: str) -> RRSet:
    """
    Return the record of a line with owner, TTL, type and rdata.
    """
    owner, ttl, rrType, rdata = text.split(None, 3)
    number = typeNumber(rrType) or 0
    return RRSet(nameFromText(owner, APEX), number, 1, int(ttl), (rdataFromText(number, rdata, APEX),))


SOA_SET: Final = record("test.Example. 3600 SOA ns1 admin 7 3600 900 604800 300")

#: The labels of the zones: a wildcard, octets that could be mistaken for a separator, and labels that sort closely.
_LABELS: Final = (b"a", b"*", b"b", b"\x00", b"a\x00", b"a\x01")


def _keys() -> tuple[bytes, ...]:
    ones = [bytes([len(label)]) + label for label in _LABELS]
    few = ones[:2]
    return (*ones, *[two + one for two in ones[:4] for one in few], *[three + two + one for three in few for two in few for one in few])


#: The names of the zones.
KEYS: Final = _keys()

#: Types with a number that chooses the rdata, and a TTL; and whether the owner is in capitals.
_Given = tuple[list[tuple[int, int, int]], bool]

#: The serial number, whether there are NSEC and DNAME records, and which NSEC3PARAM record.
_Top = tuple[int, bool, bool, int]

_SALTS: Final = (b"", b"\xab")


def _sets(key: bytes, kinds: Iterable[tuple[int, int, int]], capitals: bool) -> tuple[RRSet, ...]:
    name = (key.upper() if capitals else key) + APEX
    sets = []
    for rrType, choice, ttl in kinds:
        if rrType == A:
            rdatas = tuple([bytes([192, 0, 2, number]) for number in range(choice + 1)])
        elif rrType in (NS, CNAME, DNAME):
            rdatas = (KEYS[choice] + APEX,)
        elif rrType == NSEC:
            rdatas = (KEYS[choice] + APEX + b"\x00\x01\x40",)
        elif rrType == NSEC3:
            rdatas = (b"\x01\x00\x00\x00" + bytes([len(_SALTS[choice % 2])]) + _SALTS[choice % 2] + b"\x01\x00\x00\x01\x40",)
        elif rrType == RRSIG:
            rdatas = tuple([covered.to_bytes(2, "big") + bytes(16) + APEX + b"signed" for covered in (A, NSEC)[: choice % 2 + 1]])
        else:
            rdatas = (bytes([1, choice]),)
        sets.append(RRSet(name, rrType, 1, ttl, rdatas))
    return tuple(sets)


_kinds: Final = st.tuples(st.sampled_from((A, A, NS, CNAME, DNAME, NSEC, NSEC3, RRSIG, TXT)), st.integers(0, 3), st.sampled_from((60, 300)))

_keysOfZones: Final = st.sampled_from(KEYS)

_setsAt: Final = st.tuples(st.lists(_kinds, min_size=1, max_size=3, unique_by=lambda kind: kind[0]), st.booleans())


def _at(key: bytes, drawn: _Given) -> tuple[RRSet, ...]:
    return _sets(key, *drawn)


def _apex(drawn: _Top) -> tuple[RRSet, ...]:
    serial, signed, renamed, salt = drawn
    rdata = SOA_SET.rdatas[0][:-20] + serial.to_bytes(4, "big") + SOA_SET.rdatas[0][-16:]
    sets = [RRSet(APEX, SOA, 1, 3600, (rdata,)), RRSet(APEX, NS, 1, 3600, (KEYS[0] + APEX,))]
    if signed:
        sets += _sets(b"", [(NSEC, 0, 300)], False)
    if renamed:
        sets += _sets(b"", [(DNAME, 0, 300)], False)
    if salt < 2:
        sets.append(RRSet(APEX, NSEC3PARAM, 1, 0, (b"\x01\x00\x00\x00" + bytes([len(_SALTS[salt])]) + _SALTS[salt],)))
    return tuple(sets)


def _contentsOf(drawn: tuple[dict[bytes, _Given], _Top]) -> Contents:
    names, top = drawn
    return {b"": _apex(top), **{key: sets for key, given in names.items() if (sets := _at(key, given))}}


_tops: Final = st.tuples(st.integers(1, 0xFFFFFFFF), st.booleans(), st.sampled_from((False, False, False, True)), st.integers(0, 2))

#: Zones.
contents: Final = st.tuples(st.dictionaries(_keysOfZones, _setsAt, max_size=14), _tops).map(_contentsOf)


#: A change: the new record sets of names by number, the numbers of existing names to remove, and the new
#: record sets of the apex, if these change.
Change = tuple[list[tuple[int, _Given]], list[int], _Top | None]

#: Changes to zones.
edits: Final = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, len(KEYS) - 1), _setsAt), max_size=3),
        st.lists(st.integers(0, 13), max_size=3),
        st.none() | _tops,
    ),
    max_size=6,
)


def changed(held: Contents, change: Change) -> Contents:
    """
    Return the new record sets of each name that a change affects.
    """
    coming, going, top = change
    there = sorted([key for key, sets in held.items() if key and sets])
    changes: Contents = {there[number % len(there)]: () for number in going} if there else {}
    changes.update({KEYS[number]: _at(KEYS[number], given) for number, given in coming})
    if top is not None:
        changes[b""] = _apex(top)
    return changes


def _parentKeys(key: bytes) -> list[bytes]:
    found = []
    while key:
        key = key[key[0] + 1 :]
        found.append(key)
    return found


class Model:
    """
    A zone with these contents. Every query goes through all of them.
    """

    def __init__(self, held: Contents) -> None:
        self.held = {key: gathered(sets) for key, sets in held.items() if sets}
        self.keys = set(self.held)
        for key in self.held:
            self.keys.update(_parentKeys(key))

    def find(self, key: bytes) -> Node | None:
        """
        Return what L{Version.find<twisted_ext.zone.store.version.Version.find>} should return.
        """
        if key not in self.keys:
            return None
        sets = self.held.get(key, ())
        types = {rrset.rrType for rrset in sets}
        flags = 0 if sets else nodes.EMPTY
        for rrType, flag in ((CNAME, nodes.CNAME), (DNAME, nodes.DNAME), (NSEC, nodes.SIGNED)):
            if rrType in types:
                flags |= flag
        if key and NS in types:
            flags |= nodes.CUT
        if NSEC3 in types and types <= {NSEC3, RRSIG}:
            flags |= nodes.HASHED
        for above in _parentKeys(key):
            others = {rrset.rrType for rrset in self.held.get(above, ())}
            if DNAME in others or above and NS in others:
                flags |= nodes.OCCLUDED
        below = [other for other in self.keys if other and other[other[0] + 1 :] == key]
        if b"\x01*" + key in below:
            flags |= nodes.WILDCARD
        return Node(key, sets, flags, len(below))

    def nsecBefore(self, key: bytes) -> bytes | None:
        """
        Return the key of the last name with an NSEC record up to this one.
        """
        order = canonicalKey(key + APEX)
        before = [other for other in self._keysWith(NSEC) if canonicalKey(other + APEX) <= order]
        return max(before, key=lambda other: canonicalKey(other + APEX), default=None)

    def nsec3For(self, label: bytes) -> tuple[bytes, bool] | None:
        """
        Return the key of the name whose NSEC3 record matches or covers a hash, and whether it matches.
        """
        parameters = [rrset.rdatas[0] for rrset in self.held[b""] if rrset.rrType == NSEC3PARAM]
        if not parameters:
            return None
        labels = []
        for key in self._keysWith(NSEC3):
            rdata = next(rrset.rdatas[0] for rrset in self.held[key] if rrset.rrType == NSEC3)
            isHash = set(key[1:]) <= set(b"0123456789abcdefghijklmnopqrstuv")
            if key[0] + 1 == len(key) and isHash and rdata.startswith(parameters[0]):
                labels.append(key[1:])
        if not labels:
            return None
        found = max([each for each in labels if each <= label], default=max(labels))
        return bytes([len(found)]) + found, found == label

    def _keysWith(self, rrType: int) -> list[bytes]:
        return [key for key, sets in self.held.items() if any(rrset.rrType == rrType for rrset in sets)]

    @property
    def records(self) -> set[tuple[bytes, int, int, bytes]]:
        """
        All records except the SOA, each as its folded owner, type, TTL and rdata.
        """
        return {
            (rrset.name.lower(), rrset.rrType, rrset.ttl, rdata)
            for sets in self.held.values()
            for rrset in sets
            for rdata in rrset.rdatas
            if rrset.rrType != SOA
        }
