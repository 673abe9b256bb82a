"""
Builds the image of a zone.
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Collection, Iterable
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import accumulate, compress, repeat
from operator import and_, or_
from struct import Struct
from typing import Final
from zlib import crc32

from librt.vecs import vec
from mypy_extensions import i32, i64

from twisted_ext.errors import BadZone
from twisted_ext.files import STATE_FILE, newFileBeside, syncFolder
from twisted_ext.wire.codes import IN, className
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.limits import FINDINGS_KEPT, IMAGE_OCTETS, PROBES
from twisted_ext.zone.store.image import ALIASES, ORDERED, Header, abridgedOf, digested
from twisted_ext.zone.store.nodes import (
    BETWEEN,
    CUT,
    DNAME,
    EMPTY,
    HASHED,
    OCCLUDED,
    SAYING,
    SIGNED,
    SOA_OCTETS,
    STAR,
    TO_APEX,
    WILDCARD,
    decoded,
    gathered,
    isOnlyHashed,
    isSettled,
    keyBelow,
    recordsIn,
    recordsOf,
    sortKey,
    unevenIn,
)  # fmt: skip
from twisted_ext.zone.store.serials import serialIn

__all__ = ["ImageBuilder", "LONG", "valuesOf"]

#: Sort keys of names, and the numbers of their nodes.
_Chain = list[tuple[bytes, int]]

_pack: Final = Struct(">HHHIH").pack

#: The type of SOA records.
_START: Final = SOA.to_bytes(2, "big")

#: Octets of records at a name above which they are no longer copied for each further record.
LONG: Final = 16_384


class ImageBuilder:
    """
    Collects the records of a zone in any order and builds an image of them.

    For speed, a caller with many records may fill C{nodes}, C{counts}, C{marks} and C{mixed} directly. One that adds names in this way
    after L{ordered} has to reset C{inOrder}.

    @ivar nodes: the records of each key, each as owner's labels, a pointer to octet 12, type, class, TTL, length, rdata.
    @ivar counts: the number of records of a key if there is more than one.
    @ivar marks: the flags of a key by its types (L{SAYING}), if any; C{CUT} is ignored at the apex.
    @ivar mixed: keys where records of one RRset may not be adjacent, may be duplicates, or may have different TTLs: this is mended there.
    @ivar long: further records of keys whose C{nodes} have L{LONG} octets or more, so that these are not copied for each.
    @ivar aliases: whether records of type 65401 are ALIAS records, whose target's addresses are those of their owner.
    @ivar inOrder: whether the names are in canonical order since L{ordered}, which is noted in the image.
    @ivar rrClass: the class of all records; only class IN can be built.
    @ivar uneven: some of the RRsets whose records had different TTLs, as L{unevenIn<twisted_ext.zone.store.nodes.unevenIn>} has them. In
        an image they have the lowest one.
    @ivar header: the header of the image, once it is built.
    """

    __slots__ = ("apexName", "nodes", "counts", "marks", "mixed", "long", "rrClass", "aliases", "inOrder", "uneven", "header")

    def __init__(self, apexName: bytes, rrClass: int = IN) -> None:
        self.apexName = apexName
        self.rrClass = rrClass
        self.nodes: dict[bytes, bytes] = {b"": b""}
        self.counts: dict[bytes, int] = {}
        self.marks: dict[bytes, int] = {}
        self.mixed: set[bytes] = set()
        self.long: dict[bytes, bytearray] = {}
        self.aliases = False
        self.inOrder = False
        self.uneven: list[tuple[bytes, int, tuple[int, ...]]] = []
        self.header: Header | None = None

    def add(self, owner: bytes, rrType: int, ttl: int, rdata: bytes) -> None:
        """
        @param owner: the owner's labels above the apex, as written and without a final zero.
        @param rdata: uncompressed.
        """
        key = owner.lower()
        record = owner + _pack(TO_APEX, rrType, 1, ttl, len(rdata)) + rdata
        before = self.nodes.get(key)
        self.inOrder = False
        if not before:
            self.nodes[key] = record
            self.counts[key] = 1
        else:
            if len(before) < LONG:
                self.nodes[key] = before + record
            else:
                self.lengthen(key, record)
            self.counts[key] += 1
            self.mixed.add(key)
        said = SAYING.get(rrType)
        if said:
            self.marks[key] = self.marks.get(key, 0) | said

    def store(self, key: bytes, records: bytes, count: int, mark: int, mixed: bool) -> int:
        """
        Add adjacent records of one name, as in C{nodes}.

        @param count: the number of records.
        @param mark: the flags that their types give the name.
        @param mixed: whether the name belongs to C{mixed} even if it has no other records.

        @return: how many octets of its records are in C{long}.
        """
        before = self.nodes.setdefault(key, records)
        size = 0
        self.inOrder = False
        if not before:
            before = self.nodes[key] = records
        if before is records:
            if count > 1:
                self.counts[key] = count
                if mixed:
                    self.mixed.add(key)
            if mark:
                self.marks[key] = mark
        else:
            if len(before) < LONG:
                self.nodes[key] = before + records
            else:
                size = self.lengthen(key, records)
            self.counts[key] = self.counts.get(key, 1) + count
            self.mixed.add(key)
            if mark:
                self.marks[key] = self.marks.get(key, 0) | mark
        return size

    def lengthen(self, key: bytes, record: bytes) -> int:
        """
        Append a record to a key that has many; return how many octets its further records have in C{long}.
        """
        more = self.long.setdefault(key, bytearray())
        more += record
        # With so many records, checking whether one of this type is there already would take too long.
        self.mixed.add(key)
        return len(more)

    def drop(self, key: bytes, types: Collection[int]) -> None:
        """
        Remove the records of some types from a name that has others.
        """
        self.join()
        spelled = self.nodes[key][: len(key)]
        kept = [each for each in recordsIn(self.nodes[key], len(key)) if each[1] not in types]
        self.nodes[key] = b"".join([spelled + _pack(TO_APEX, rrType, IN, ttl, len(rdata)) + rdata for _, rrType, ttl, rdata in kept])
        self.counts[key] = len(kept)

    def join(self) -> None:
        """
        Move the records from C{long} to C{nodes}, for callers that read C{nodes}.
        """
        while self.long:
            key, more = self.long.popitem()
            self.nodes[key] += more

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
        Build the image in memory.

        @param fingerprint: identifies the sources; returned with the opened image.

        @raise BadZone: there is not exactly one SOA, the zone is too large for an image, or it is not of class IN.
        """
        return b"".join(self._parts(fingerprint))

    def finishTo(self, path: str, fingerprint: bytes = b"") -> None:
        """
        Write the image to a file, atomically: a process that opens the path meanwhile gets the old content or all of the new one.

        @raise BadZone: see L{finish}.
        @raise OSError: it cannot be written.
        """
        parts = self._parts(fingerprint)
        descriptor, beside = _beside(path)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                for part in parts:
                    view = memoryview(part).cast("B")
                    while view:
                        written = file.write(view)
                        view = view[written:]
                os.fsync(descriptor)
            os.rename(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        syncFolder(path)

    def _parts(self, fingerprint: bytes) -> list[bytes | array[int]]:
        if self.rrClass != IN:
            raise BadZone(f"{nameToText(self.apexName)} is of class {className(self.rrClass)}; only zones of class IN are served")
        nodes, counts = self.nodes, self.counts
        if next(iter(nodes), None) != b"":
            # The apex is node 0.
            self.nodes = nodes = {b"": nodes.pop(b"", b""), **nodes}
        self._settle()
        serial = self._startOfAuthority()
        keys = list(nodes)
        children, wild, deep = self._climb(keys)
        octets = list(nodes.values())
        area = b"".join(octets)
        if len(area) > IMAGE_OCTETS.most:
            most = f"{IMAGE_OCTETS.most:.0f}"
            raise BadZone(f"{nameToText(self.apexName)} has more octets of records than an image has room for, {most}")
        below = valuesOf(keys, children, 0)
        flags, chain, hashed = self._flags(keys, octets, below, deep, wild)
        slots, salt = _placed(keys)
        # One array for all words: many small zones feel each call.
        words = array("I", accumulate(map(len, octets), initial=0))
        words.extend(accumulate(valuesOf(keys, counts, 1), initial=0))
        records = words[-1]
        words.extend(accumulate(map(len, keys), initial=0))
        words.extend(below)
        words.frombytes(memoryview(slots).cast("B"))
        linked = chain + hashed
        orders: bytes | array[int] = b""
        if linked:
            orders = abridgedOf([order for order, _ in linked])
            words.extend([index for _, index in linked])
        names = b"".join(keys)
        body: list[bytes | array[int]] = [orders, words, bytes(flags), names, area]
        summed = 0
        for part in body:
            summed = crc32(part, summed)
        header = self.header = Header(
            nodes=len(keys), records=records, slots=len(slots), salted=len(salt) | (ALIASES if self.aliases else 0),
            chain=len(chain), hashed=len(hashed), names=len(names), area=len(area), serial=serial, apex=len(self.apexName),
            fingerprint=len(fingerprint), summed=summed, salt=salt or (ORDERED if self.inOrder else b""),
        )  # fmt: skip
        *_, begin, size = header.places()
        return [header.packed(self.apexName, fingerprint, size), *body, bytes(size - begin - len(area))]

    def _settle(self) -> None:
        """
        Remove duplicate records, make the TTLs of each RRset equal, and put the SOA first.
        """
        self.join()
        nodes, counts, apexName = self.nodes, self.counts, self.apexName
        for key in {b"", *self.mixed}:
            records = nodes[key]
            if (key or records[2:4] == _START) and isSettled(records, len(key)):
                continue
            if len(self.uneven) < FINDINGS_KEPT.default:
                self.uneven += unevenIn(records, len(key))
            several = recordsOf(gathered(decoded(records, len(key), apexName)), len(key))
            nodes[key] = b"".join(several)
            counts[key] = len(several)
        self.mixed.clear()

    def ordered(self) -> list[bytes]:
        """
        Put the names with records into canonical order, with their records settled and the SOA record first, and return them. The image
        notes it, unless records are added afterwards.

        @raise BadZone: there is not exactly one SOA record.
        """
        self._settle()
        self._startOfAuthority()
        return self.arranged()

    def arranged(self) -> list[bytes]:
        """
        Put the names with records into canonical order, each with its records as they are, and return them.
        """
        nodes, counts, marks = self.nodes, self.counts, self.marks
        # If an image was built before, there are empty non-terminals, which the next one adds again behind the others.
        keys = sorted([key for key, records in nodes.items() if records], key=sortKey)
        self.nodes = {key: nodes[key] for key in keys}
        # In the same order, in which their values are found fast.
        self.counts = {key: counts[key] for key in keys if key in counts}
        self.marks = {key: marks[key] for key in keys if key in marks}
        self.inOrder = True
        return keys

    def _startOfAuthority(self) -> int:
        records = self.nodes[b""]
        said = "has no SOA record"
        if records[2:4] == _START:
            end = BETWEEN + (records[10] << 8 | records[11])
            said = "has more than one SOA record" if records[end + 2 : end + 4] == _START else "has an SOA record that is cut short"
            if end - BETWEEN >= SOA_OCTETS and records[end + 2 : end + 4] != _START:
                return serialIn(records[BETWEEN:end])
        elif len(self.nodes) == 1 and not records:
            said = "is empty, and has no SOA record"
        raise BadZone(f"{nameToText(self.apexName)} {said}; a zone has exactly one SOA record, at its apex")

    def _climb(self, keys: list[bytes]) -> tuple[dict[bytes, int], set[bytes], list[int]]:
        """
        Add empty non-terminals to the nodes and to their keys. Return the number of children of each name that has any, the names with a
        wildcard among them, and the node numbers of all names that are not directly below the apex.
        """
        nodes, counts = self.nodes, self.counts
        deep = [index for index, key in enumerate(keys) if key and key[0] + 1 != len(key)]
        children = {b"": len(nodes) - 1 - len(deep)}
        wild: set[bytes] = {b""} if STAR in nodes else set()
        for place in range(len(deep)):
            key = keys[deep[place]]
            while key:
                parent = key[key[0] + 1 :]
                children[parent] = children.get(parent, 0) + 1
                if key[0] == 1 and key[1] == 42:
                    wild.add(parent)
                if parent in nodes:
                    break
                if parent[0] + 1 != len(parent):
                    deep.append(len(keys))
                keys.append(parent)
                nodes[parent] = b""
                counts[parent] = 0
                key = parent
        return children, wild, deep

    def _flags(
        self, keys: list[bytes], octets: list[bytes], below: list[int], deep: list[int], wild: set[bytes]
    ) -> tuple[list[int], _Chain, _Chain]:
        """
        Return the flags of all nodes, the NSEC chain and the NSEC3 chain.

        @param keys: the keys of all nodes.
        @param octets: the records of all nodes.
        @param below: the number of children of all nodes.
        @param deep: the numbers of names that are not directly below the apex.
        """
        marks = self.marks
        if marks.get(b"", 0) & CUT:
            marks[b""] &= ~CUT
        flags = valuesOf(keys, marks, 0)
        several = list(compress(range(len(keys)), map(or_, flags, below)))
        cutting = CUT | DNAME
        hidden: list[int] = []
        if any(mark & cutting for mark in marks.values()):
            for index in range(1, len(keys)) if flags[0] & cutting else deep:
                key = keys[index]
                while key:
                    key = key[key[0] + 1 :]
                    if marks.get(key, 0) & cutting:
                        hidden.append(index)
                        break
        chain: _Chain = []
        hashed: _Chain = []
        for index in several:
            key = keys[index]
            flag = flags[index]
            if flag & HASHED:
                if key and key[0] == len(key) - 1:
                    hashed.append((key[1:], index))
                if not isOnlyHashed(octets[index], len(key)):
                    flag &= ~HASHED
            if flag & SIGNED:
                chain.append((sortKey(key), index))
            if key and not octets[index]:
                flag |= EMPTY
            if key in wild:
                flag |= WILDCARD
            flags[index] = flag
        for index in hidden:
            flags[index] |= OCCLUDED
        chain.sort()
        hashed.sort()
        return flags, chain, hashed


def _beside(path: str) -> tuple[int, str]:
    """
    Open an empty file that no other process writes; return descriptor and path. Its path is the same each time, unless another process is
    writing the same image now: a file left by a killed process is reused.
    """
    beside = f"{path}.new"
    try:
        # In a world-writable directory, this may be another user's link or file.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, STATE_FILE)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EACCES):
            raise
        return newFileBeside(path, STATE_FILE)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise FileNotFoundError
        flock(descriptor, LOCK_EX | LOCK_NB)
        # The process that held the lock may just have renamed the file.
        if os.path.samestat(os.fstat(descriptor), os.stat(beside)):
            os.ftruncate(descriptor, 0)
            return descriptor, beside
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return newFileBeside(path, STATE_FILE)


def valuesOf(keys: list[bytes], values: dict[bytes, int], default: int) -> list[int]:
    """
    Return the value of each key. In a dictionary with a million names, each look-up misses the processor's caches. Usually its keys are in
    the order of the names, so that one pass over both finds all values.
    """
    if not values:
        return [default] * len(keys)
    found: list[int] = []
    following = iter(values.items())
    wanted, value = next(following)
    left = len(values)
    for key in keys:
        if key == wanted:
            found.append(value)
            left -= 1
            if not left:
                return found + [default] * (len(keys) - len(found))
            wanted, value = next(following)
        else:
            found.append(default)
    return list(map(values.get, keys, repeat(default)))


def _placed(keys: list[bytes]) -> tuple[vec[i32], bytes]:
    """
    Return the slots, and the salt of their digests; no salt if they use CRC-32.
    """
    size = 1 << (len(keys) * 2 - 1).bit_length()
    most = int(PROBES.default)
    slots = _place(map(crc32, keys), size, most)
    if slots is not None:
        return slots, b""
    # Names cannot be chosen to collide under a salt that is drawn after they are all known.
    salt = os.urandom(8)
    slots = _place(map(digested, keys, repeat(salt)), size, size)
    assert slots is not None, "twice as many slots as names have room for all of them"
    return slots, salt


def _place(numbers: Iterable[int], size: int, most: int) -> vec[i32] | None:
    slots = vec[i32]([0] * size)
    mask: i64 = size - 1
    number: i32 = 1
    slot: i64
    for slot in map(and_, numbers, repeat(size - 1)):
        if slots[slot]:
            begin = slot
            while slots[slot]:
                slot = slot + 1 & mask
            if (slot - begin & mask) >= most:
                return None
        slots[slot] = number
        number += 1
    return slots
