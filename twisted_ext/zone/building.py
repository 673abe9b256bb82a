"""
Building the image of a zone.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from itertools import accumulate
from struct import Struct
from typing import Final
from zlib import crc32

from twisted_ext.errors import BadZone
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.images import Header, abridged, hashOf
from twisted_ext.zone.limits import IMAGE_OCTETS, PROBES
from twisted_ext.zone.nodes import (
    CNAME,
    CUT,
    DNAME,
    EMPTY,
    HASHED,
    OCCLUDED,
    SIGNED,
    WILDCARD,
    decoded,
    keyBelow,
    rendered,
    sortKey,
)

__all__ = ["ImageBuilder", "SAYING"]

_SOA: Final = 6
_RRSIG: Final = 46
_NSEC3: Final = 50

#: Marks of a name, by the types that there are: who fills C{nodes} directly says these for every name that has one of them. (At the apex
#: C{CUT} is not said.)
SAYING: Final = {2: CUT, 5: CNAME, 39: DNAME, 47: SIGNED, 50: HASHED}

_pack: Final = Struct(">HHHIH").pack
_TO_APEX: Final = 0xC00C


class ImageBuilder:
    """
    Collects the records of a zone in any order.

    Who has many may fill C{nodes}, C{counts}, C{marks} and C{mixed} without a call for each record.

    @ivar apexName: the apex as it is written.
    @ivar nodes: for each key the records, each as owner's labels, a pointer to octet 12, type, class, TTL, length, rdata.
    @ivar counts: how many records a key has, where it is more than one.
    @ivar marks: what the types at a key say of it (L{SAYING}), where they say anything.
    @ivar mixed: keys at which a type occurs twice: there, equal records are made one and TTLs are made equal.
    """

    __slots__ = ("apexName", "nodes", "counts", "marks", "mixed")

    def __init__(self, apexName: bytes) -> None:
        self.apexName = apexName
        self.nodes: dict[bytes, bytes] = {b"": b""}
        self.counts: dict[bytes, int] = {}
        self.marks: dict[bytes, int] = {}
        self.mixed: set[bytes] = set()

    def add(self, owner: bytes, rrType: int, ttl: int, rdata: bytes) -> None:
        """
        @param owner: its labels above the apex, as written and without a final zero.
        @param rdata: uncompressed.
        """
        key = owner.lower()
        record = owner + _pack(_TO_APEX, rrType, 1, ttl, len(rdata)) + rdata
        before = self.nodes.get(key)
        if not before:
            self.nodes[key] = record
            self.counts[key] = 1
        else:
            self.nodes[key] = before + record
            self.counts[key] += 1
            self.mixed.add(key)
        said = SAYING.get(rrType)
        if said:
            self.marks[key] = self.marks.get(key, 0) | said

    def addSets(self, sets: Iterable[RRSet]) -> None:
        """
        @raise BadZone: an owner lies outside of the zone.
        """
        apex = self.apexName.lower()
        for rrset in sets:
            key = keyBelow(rrset.name, apex)
            if key is None:
                raise BadZone(f"{nameToText(rrset.name)} is not in {nameToText(apex)}")
            owner = rrset.name[: len(key)]
            for rdata in rrset.rdatas:
                self.add(owner, rrset.rrType, rrset.ttl, rdata)

    def finish(self, fingerprint: bytes = b"") -> bytes:
        """
        @param fingerprint: what tells these sources from others, for whoever opens the image.

        @return: the image.

        @raise BadZone: there is no SOA, or more than one; or it is larger than an image can be.
        """
        return b"".join(self._parts(fingerprint))

    def finishTo(self, path: str, fingerprint: bytes = b"") -> None:
        """
        Write the image to a file. Whoever opens the path meanwhile gets what was there before, or all of the new one, even if the machine
        stops at any moment.

        @raise BadZone: see L{finish}.
        @raise OSError: it cannot be written.
        """
        parts = self._parts(fingerprint)
        beside = f"{path}.{os.getpid()}.new"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                for part in parts:
                    view = memoryview(part).cast("B")
                    while view:
                        view = view[file.write(view) :]
                os.fsync(file.fileno())
            os.rename(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _parts(self, fingerprint: bytes) -> list[bytes | array[int]]:
        nodes, counts, marks = self.nodes, self.counts, self.marks
        self._settle()
        serial = self._startOfAuthority()
        children = self._climb()
        flags = bytearray(len(nodes))
        cuts = {key for key, mark in marks.items() if mark & (CUT | DNAME if key else DNAME)}
        chain = []
        hashed = []
        for index, key in enumerate(nodes):
            flag = marks.get(key, 0)
            if not key:
                flag &= ~CUT
            if flag & HASHED and not self._onlyHashed(key):
                flag &= ~HASHED
            if not nodes[key] and key:
                flag |= EMPTY
            if key and b"\x01*" + key in nodes or not key and b"\x01*" in nodes:
                flag |= WILDCARD
            if cuts and self._below(key, cuts):
                flag |= OCCLUDED
            if flag & SIGNED and not flag & OCCLUDED:
                chain.append((sortKey(key), index))
            if marks.get(key, 0) & HASHED and not flag & OCCLUDED and key[0] + 1 == len(key):
                hashed.append((key[1:], index))
            flags[index] = flag
        chain.sort()
        hashed.sort()
        total = sum([counts.get(key, 1) if blob else 0 for key, blob in nodes.items()])
        slots, digest = self._placed()
        records = array("I", accumulate(map(len, nodes.values()), initial=0))
        tallies = array("I", accumulate([counts.get(key, 1) if blob else 0 for key, blob in nodes.items()], initial=0))
        names = array("I", accumulate(map(len, nodes), initial=0))
        order = array("Q", [abridged(each) for each, _ in chain + hashed])
        nodesInOrder = array("I", [index for _, index in chain + hashed])
        keys = b"".join(nodes)
        area = b"".join(nodes.values())
        body: list[bytes | array[int]] = [
            order, records, tallies, names, array("I", [children.get(key, 0) for key in nodes]), slots,
            nodesInOrder, bytes(flags), keys, area,
        ]  # fmt: skip
        summed = 0
        for part in body:
            summed = crc32(part, summed)
        header = Header(
            nodes=len(nodes), records=total, slots=len(slots), digest=digest, chain=len(chain), hashed=len(hashed), names=len(keys),
            area=len(area), serial=serial, apex=len(self.apexName), fingerprint=len(fingerprint), summed=summed,
        )  # fmt: skip
        if header.size > IMAGE_OCTETS.most:
            raise BadZone(f"{nameToText(self.apexName)} would take {header.size} octets; an image has {IMAGE_OCTETS.most} at most")
        end = header.places()[-2] + len(area)
        return [header.packed(self.apexName, fingerprint), *body, bytes(-end % 8)]

    def _settle(self) -> None:
        """
        Make equal records one, and TTLs of a set equal; put the SOA first.
        """
        for key in {b"", *self.mixed}:
            sets = decoded(self.nodes[key], len(key), self.apexName)
            records = []
            for rrset in sorted(sets, key=lambda each: each.rrType != _SOA):
                records += rendered(rrset, len(key))
            self.nodes[key] = b"".join(records)
            self.counts[key] = len(records)
        self.mixed.clear()

    def _startOfAuthority(self) -> int:
        soas = [each for each in decoded(self.nodes[b""], 0, self.apexName) if each.rrType == _SOA]
        if len(soas) != 1 or len(soas[0].rdatas) != 1 or len(soas[0].rdatas[0]) < 22:
            raise BadZone(f"{nameToText(self.apexName)} has no SOA record, or more than one; a zone has exactly one at its apex")
        return int.from_bytes(soas[0].rdatas[0][-20:-16], "big")

    def _climb(self) -> dict[bytes, int]:
        """
        Add empty non-terminals.

        @return: how many names are directly below each.
        """
        nodes = self.nodes
        children: dict[bytes, int] = {}
        for key in list(nodes):
            while key:
                parent = key[key[0] + 1 :]
                children[parent] = children.get(parent, 0) + 1
                if parent in nodes:
                    break
                nodes[parent] = b""
                key = parent
        return children

    @staticmethod
    def _below(key: bytes, cuts: set[bytes]) -> bool:
        while key:
            key = key[key[0] + 1 :]
            if key in cuts:
                return True
        return False

    def _onlyHashed(self, key: bytes) -> bool:
        sets = decoded(self.nodes[key], len(key), self.apexName)
        return all(each.rrType in (_NSEC3, _RRSIG) for each in sets)

    def _placed(self) -> tuple[array[int], bool]:
        size = 1 << (len(self.nodes) * 2 - 1).bit_length()
        for digest in (False, True):
            slots = self._place(size, digest)
            if slots is not None:
                break
        else:
            raise BadZone("names cannot be placed")
        return slots, digest

    def _place(self, size: int, digest: bool) -> array[int] | None:
        mask = size - 1
        slots = array("I", bytes(4 * size))
        most = PROBES.default
        for number, key in enumerate(self.nodes, 1):
            slot = hashOf(key, digest) & mask
            begin = slot
            while slots[slot]:
                slot = (slot + 1) & mask
                if (slot - begin & mask) > most and not digest:
                    return None
            slots[slot] = number
        return slots
