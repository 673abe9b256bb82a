"""
Signs a whole zone in place: signatures are appended to the octets of each name in an L{ImageBuilder}. No object is made for a record, so
that nearly all of the time goes into the cryptography.

A chain of NSEC3 records (RFC 5155, section 7.1) has no salt and no further iterations (RFC 9276, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha1
from struct import Struct
from typing import Final

from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.privatekeys.keys import PrivateKey
from twisted_ext.dnssec.privatekeys.roles import OF_KEYS
from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.errors import BadZone
from twisted_ext.wire.codes import IN, className
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.names import labelCount, nameToText
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.rrtypes import ALIAS, DNSKEY, DS, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG
from twisted_ext.zone.sign.sets import (
    HASH_LABEL,
    MADE,
    PARAMETERS,
    canonicalSet,
    expectSignable,
    hashHead,
    negativeTTL,
    signatureHead,
    startOf,
)
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import BETWEEN, CUT, DNAME, HASHED, SAYING, SIGNED, TO_APEX

__all__ = ["HashedChain", "Progress", "SignedCounts", "signWhole", "withoutSignatures"]

_pack: Final = Struct(">HHHIH").pack

_UINT32: Final = 0xFFFFFFFF

#: Names that are signed together: a key that is in another process, or in a token, gets that many at a time.
_BATCH: Final = 512

#: Whom to tell how many names are signed, of how many.
Progress = Callable[[int, int], object]

_EMPTY: Final[tuple[int, ...]] = ()


class HashedChain:
    """
    Collects the names of a zone.
    """

    __slots__ = ("_apex", "_bitmaps", "_head", "_names", "_optOut", "_types")

    def __init__(self, apex: bytes, optOut: bool) -> None:
        """
        @param apex: folded.
        @param optOut: leave out delegations without DS records, and empty non-terminals of only these (RFC 5155, section 6).
        """
        self._apex = apex
        self._optOut = optOut
        self._head = hashHead(optOut)
        # The types of each name, and of each digest the name.
        self._types: dict[bytes, tuple[int, ...]] = {}
        self._names: dict[bytes, bytes] = {}
        self._bitmaps: dict[tuple[int, ...], bytes] = {}

    def add(self, key: bytes, types: list[int], isCut: bool) -> None:
        """
        Add a name.

        @param key: folded, relative to the apex.
        @param types: of its records, without signatures.
        @param isCut: whether a zone is delegated there.
        """
        if isCut:
            types = [each for each in types if each == NS or each == DS]
            if DS not in types:
                if not self._optOut:
                    self._types[key] = (NS,)
                return
        self._types[key] = tuple(sorted([*types, RRSIG]))

    def records(self) -> list[tuple[bytes, bytes]]:
        """
        Return the key and the rdata of each record, in the order of the chain.

        @raise BadZone: two names have the same digest.
        """
        types = self._types
        for key in [*types]:
            # Empty non-terminals above it.
            while key:
                key = key[key[0] + 1 :]
                if key in types:
                    break
                types[key] = _EMPTY
        names, apex = self._names, self._apex
        for key in types:
            digest = sha1(key + apex, usedforsecurity=False).digest()
            other = names.setdefault(digest, key)
            if other is not key:
                said = f"{nameToText(key + apex)} and {nameToText(other + apex)}"
                raise BadZone(f"{said} have the same hash (RFC 5155, section 7.1); rename one of them, or use NSEC")
        digests = sorted(names)
        found: list[tuple[bytes, bytes]] = []
        bitmaps, head = self._bitmaps, self._head
        for index, digest in enumerate(digests):
            listed = types[names[digest]]
            bits = bitmaps.get(listed)
            if bits is None:
                bits = bitmaps[listed] = TypeBits().write(listed, ())
            following = digests[index + 1] if index + 1 < len(digests) else digests[0]
            found.append((HASH_LABEL + toBase32Hex(digest).encode("ascii"), head + following + bits))
        return found


class SignedCounts:
    """
    What was signed.

    @ivar names: the names in the chain of NSEC or NSEC3 records.
    @ivar signatures: how many there are.
    @ivar kept: how many of them are those of the former version.
    @ivar begins: when the earliest one begins to be valid, and C{latest} when the last one does, in seconds since 1970.
    @ivar ends: when the first one ends, and C{last} when the last one does.
    """

    __slots__ = ("names", "signatures", "kept", "begins", "latest", "ends", "last")

    def __init__(self) -> None:
        self.names = 0
        self.signatures = self.kept = 0
        self.begins = self.latest = self.ends = self.last = 0


def withoutSignatures(builder: ImageBuilder) -> int:
    """
    Remove all signatures and denials, which another signer may have made; names that have nothing disappear.

    @return: how many records these were.
    """
    builder.join()
    gone = 0
    for key, records in [*builder.nodes.items()]:
        left: list[bytes] = []
        count = removed = mark = 0
        position = 0
        labels = len(key)
        while position < len(records):
            fixed = position + labels
            rrType = records[fixed + 2] << 8 | records[fixed + 3]
            following = fixed + BETWEEN + (records[fixed + 10] << 8 | records[fixed + 11])
            if rrType in MADE:
                removed += 1
            else:
                count += 1
                mark |= SAYING.get(rrType, 0)
                left.append(records[position:following])
            position = following
        if not removed and (records or not key):
            continue
        gone += removed
        if not count and key:
            del builder.nodes[key]
            for each in (builder.counts, builder.marks):
                each.pop(key, None)
            builder.mixed.discard(key)
            continue
        builder.nodes[key] = b"".join(left)
        builder.counts[key] = count
        builder.marks[key] = mark
    return gone


def signWhole(
    builder: ImageBuilder, signing: Signing[PrivateKey], now: float, tell: Progress | None = None, former: Image | None = None
) -> SignedCounts:
    """
    Sign a zone. The result is the same with and without a former version.

    @param builder: the records, without signatures and denials. DNSKEY records are added to it.
    @param now: seconds since 1970.
    @param tell: is called after each batch of names.
    @param former: a version that was signed before, with the same policy: signatures of sets that have not changed, by the same keys, are
        taken from it where their time has not come.

    @raise BadZone: there is not exactly one SOA record, or records that cannot be signed.
    @raise KeyFault: a key does not sign any more.
    """
    return _Signer(builder, signing, now, tell, former).sign()


class _Wanted:
    """
    What a key is to sign, and where the signatures go.
    """

    __slots__ = ("key", "data", "places")

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.data: list[bytes] = []
        self.places: list[int] = []


class _Signer:
    def __init__(
        self, builder: ImageBuilder, signing: Signing[PrivateKey], now: float, tell: Progress | None, former: Image | None
    ) -> None:
        self.builder = builder
        self.signing = signing
        self.now = now
        self.tell = tell
        self.apex = builder.apexName.lower()
        self.apexLabels = labelCount(self.apex)
        self.bitmaps: dict[tuple[int, ...], bytes] = {}
        self.counts = SignedCounts()
        # What the names of a batch become: octets, with holes for signatures.
        self.parts: list[bytes] = []
        self.ends: list[tuple[bytes, int]] = []
        self.wanted = {id(key): _Wanted(key) for key in signing.signers.keys}
        self.ofKeys = [self.wanted[id(key)] for key in signing.signers.of(DNSKEY)]
        self.ofRest = [self.wanted[id(key)] for key in signing.signers.of(NSEC)]
        self.takesTurns = len(signing.signers.ofRest) > 1
        self.sizes = {id(key): len(key.signMany([b""])[0]) for key in signing.signers.keys}
        self.inception = self.expiration = 0
        self.former = former if former is not None and _isSignedBy(former, signing.signers.keys) else None
        # The octets of the name in the former version, and where in them the next signature is; -1 if they are of no use.
        self.old = b""
        self.cursor = -1
        denial = signing.policy.denial
        self.hashed = None if denial == "nsec" else HashedChain(self.apex, denial == "nsec3-opt-out")

    def sign(self) -> SignedCounts:
        builder = self.builder
        if builder.rrClass != IN:
            raise BadZone(f"{nameToText(builder.apexName)} is of class {className(builder.rrClass)}; only zones of class IN are signed")
        for rdata in self.signing.published:
            builder.add(b"", DNSKEY, self.signing.policy.dnskeyTTL, rdata)
        if self.hashed is not None:
            builder.add(b"", NSEC3PARAM, 0, PARAMETERS)
        names = builder.ordered()
        keys = self._authoritative(names)
        nodes, counts, marks = builder.nodes, builder.counts, builder.marks
        # The SOA record is the first one.
        top = nodes[b""]
        negative = negativeTTL(int.from_bytes(top[6:10], "big"), top[BETWEEN : BETWEEN + (top[10] << 8 | top[11])])
        end = len(keys)
        self.counts.names = end
        said = 0 if self.hashed is not None else SIGNED
        for index in range(end):
            key = keys[index]
            following = keys[index + 1] + self.apex if index + 1 < end else self.apex
            self._turn(key)
            isCut = bool(key) and bool(marks.get(key, 0) & CUT)
            counts[key] = counts.get(key, 1) + self._name(key, nodes[key], following, negative, isCut)
            if said:
                marks[key] = marks.get(key, 0) | said
            self._batch(index + 1, end)
        if self.hashed is not None:
            self._flush()
            self._hashedChain(self.hashed, negative)
        self._flush()
        if self.hashed is not None:
            # Who looks for the names below one finds them in a row. These are two sorted lists, so that this does not take long.
            builder.arranged()
        return self.counts

    def _turn(self, key: bytes) -> None:
        """
        Use the times of a name.
        """
        counted = self.counts
        self.inception, self.expiration = inception, expiration = self.signing.policy.validity.slot(key, self.now)
        if self.takesTurns:
            self.ofRest = [self.wanted[id(each)] for each in self.signing.of(NSEC, inception)]
        if not counted.ends:
            counted.begins = counted.latest = inception
            counted.ends = counted.last = expiration
        elif inception < counted.begins:
            counted.begins, counted.ends = inception, expiration
        elif inception > counted.latest:
            counted.latest, counted.last = inception, expiration

    def _recall(self, key: bytes, records: bytes) -> None:
        """
        Look for a name in the former version.

        @param records: what is before the signatures.
        """
        former = self.former
        if former is None:
            return
        self.cursor = -1
        index = former.find(key)
        if index >= 0:
            self.old = former.rendered(index)
            if self.old.startswith(records):
                self.cursor = len(records)

    def _batch(self, done: int, all: int) -> None:
        if len(self.ends) >= _BATCH:
            self._flush()
            if self.tell is not None:
                self.tell(done, all)

    def _hashedChain(self, chain: HashedChain, negative: int) -> None:
        """
        Add the NSEC3 records, with their signatures, to the nodes.

        @param negative: their TTL.
        """
        builder = self.builder
        nodes, counts, marks = builder.nodes, builder.counts, builder.marks
        chained = chain.records()
        self.counts.names = len(chained)
        for index, (key, rdata) in enumerate(chained):
            self._turn(key)
            # Hardly ever there is a name that looks like a digest.
            records = nodes.get(key, b"") + key + _pack(TO_APEX, NSEC3, IN, negative, len(rdata)) + rdata
            self.parts.append(records)
            self._recall(key, records)
            added = 1 + self._signatures(key, key + self.apex, NSEC3, negative, [rdata], self.apexLabels + 1)
            counts[key] = (counts.get(key, 1) if key in nodes else 0) + added
            marks[key] = marks.get(key, 0) | HASHED
            self.ends.append((key, len(self.parts)))
            self._batch(index + 1, len(chained))

    def _authoritative(self, keys: list[bytes]) -> list[bytes]:
        """
        Leave out names below cuts and DNAME records: in canonical order these are next to each other.
        """
        marks = self.builder.marks
        if marks.get(b"", 0) & DNAME:
            return [b""]
        if not any(mark & (CUT | DNAME) for mark in marks.values()):
            return keys
        found: list[bytes] = []
        above = b""
        for key in keys:
            if above and len(key) > len(above) and key.endswith(above) and _isLabelled(key, len(key) - len(above)):
                continue
            found.append(key)
            above = key if key and marks.get(key, 0) & (CUT | DNAME) else b""
        return found

    def _name(self, key: bytes, records: bytes, following: bytes, negative: int, isCut: bool) -> int:
        """
        Add signatures of a name to the parts, and its NSEC record; return how many records these are.

        @param following: the next name of the chain.
        @param negative: the TTL of the NSEC record.
        @param isCut: whether a zone is delegated here, so that only its DS records are signed.
        """
        labels = len(key)
        owner = key + self.apex
        position = 0
        end = len(records)
        types: list[int] = []
        self.parts.append(records)
        self._recall(key, records)
        spelled = records[:labels]
        count = self.apexLabels
        place = 0
        while place < labels:
            count += 1
            place += key[place] + 1
        if key[:2] == b"\x01*":
            count -= 1
        added = 0
        kind = -1
        ttl = 0
        rdatas: list[bytes] = []
        while position < end:
            fixed = position + labels
            rrType = records[fixed + 2] << 8 | records[fixed + 3]
            start = fixed + BETWEEN
            position = start + (records[fixed + 10] << 8 | records[fixed + 11])
            if rrType != kind:
                if kind >= 0 and (not isCut or kind == DS):
                    added += self._signatures(spelled, owner, kind, ttl, rdatas, count)
                kind = rrType
                types.append(rrType)
                if rrType == DS or rrType == ALIAS:
                    expectSignable(owner, rrType, isCut, self.builder.aliases)
                ttl = int.from_bytes(records[fixed + 6 : fixed + 10], "big")
                rdatas = []
            rdatas.append(records[start:position])
        if kind >= 0 and (not isCut or kind == DS):
            added += self._signatures(spelled, owner, kind, ttl, rdatas, count)
        if self.hashed is not None:
            self.hashed.add(key, types, isCut)
            self.ends.append((key, len(self.parts)))
            return added
        if isCut:
            types = [each for each in types if each == NS or each == DS]
        types.append(NSEC)
        types.append(RRSIG)
        types.sort()
        listed = tuple(types)
        bits = self.bitmaps.get(listed)
        if bits is None:
            bits = self.bitmaps[listed] = TypeBits().write(listed, ())
        rdata = following + bits
        denial = spelled + _pack(TO_APEX, NSEC, IN, negative, len(rdata)) + rdata
        self.parts.append(denial)
        if self.cursor >= 0:
            self.cursor = self.cursor + len(denial) if self.old.startswith(denial, self.cursor) else -1
        added += self._signatures(spelled, owner, NSEC, negative, [rdata], count)
        self.ends.append((key, len(self.parts)))
        return added + 1

    def _signatures(self, spelled: bytes, owner: bytes, rrType: int, ttl: int, rdatas: list[bytes], labels: int) -> int:
        """
        Add the signatures of an RRset to the parts, as holes for what keys will say; return how many.

        @param spelled: the owner's labels as written.
        @param labels: those that the signature says (RFC 4034, section 3.1.3).
        """
        parts = self.parts
        several = self.ofKeys if rrType in OF_KEYS else self.ofRest
        self.counts.signatures += len(several)
        signed = b""
        for wanted in several:
            key = wanted.key
            times = self.expiration & _UINT32, self.inception & _UINT32
            head = signatureHead(rrType, key.algorithm, labels, ttl, *times, key.tag) + self.apex
            size = self.sizes[id(key)]
            record = spelled + _pack(TO_APEX, RRSIG, IN, ttl, len(head) + size) + head
            cursor = self.cursor
            if cursor >= 0:
                if self.old.startswith(record, cursor):
                    self.cursor = end = cursor + len(record) + size
                    parts.append(self.old[cursor:end])
                    self.counts.kept += 1
                    continue
                self.cursor = -1
            signed = signed or canonicalSet(owner + startOf(rrType, IN, ttl), rrType, rdatas)
            wanted.data.append(head + signed)
            parts.append(record)
            wanted.places.append(len(parts))
            parts.append(b"")
        return len(several)

    def _flush(self) -> None:
        """
        Have the keys sign a batch, and put it into the nodes.
        """
        parts = self.parts
        for wanted in self.wanted.values():
            if wanted.data:
                for place, signature in zip(wanted.places, wanted.key.signMany(wanted.data), strict=True):
                    parts[place] = signature
                wanted.data, wanted.places = [], []
        nodes = self.builder.nodes
        begin = 0
        for key, end in self.ends:
            nodes[key] = b"".join(parts[begin:end])
            begin = end
        self.parts, self.ends = [], []


def _isSignedBy(image: Image, keys: Sequence[SigningKey]) -> bool:
    """
    Return whether signatures of a version that have the tag and the algorithm of one of these keys are by it.
    """
    found = image.node(0).of(DNSKEY)
    tags = {(key.algorithm, key.tag): key.dnskey for key in keys}
    return found is not None and len(tags) == len(keys) and all(tags.get((each[3], keyTag(each)), each) == each for each in found.rdatas)


def _isLabelled(key: bytes, boundary: int) -> bool:
    """
    Return whether a label of a name begins at this octet.
    """
    position = 0
    while position < boundary:
        position += key[position] + 1
    return position == boundary
