"""
Finds out what a change of a signed zone touches, and what of it is to be signed, whichever chain the zone has.

Nothing is read or written here, and no key is used: L{Completing} says what is to be signed, and gets the signatures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.privatekeys.roles import OF_KEYS
from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.errors import BadZone
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import labelCount, nameToText
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ALIAS, DNSKEY, DS, NS, NSEC3PARAM, RRSIG, SOA, ZONEMD
from twisted_ext.wire.rrtypes import DNAME as _DNAME
from twisted_ext.zone.sign.sets import MADE, canonicalSet, expectSignable, negativeTTL, signatureHead, startOf
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.nodes import CUT, DNAME, STAR, Node, gathered, kindOf, parentKey
from twisted_ext.zone.store.version import Version

__all__ = ["STEP", "Changes", "Completer", "Completing", "Signed", "Wanted", "Whole", "bitmapOf", "plainSets"]

#: All records of each name that differs; none for a name that goes.
Changes = Mapping[bytes, tuple[RRSet, ...]]

#: Names that a change may touch: of more, signing the whole zone in another process does not take much longer, and disturbs less.
MOST_NAMES: Final = 10_000

#: Names in one step: about a millisecond.
STEP: Final = 20

_UINT32: Final = 0xFFFFFFFF

_bits: Final = TypeBits()


class Whole(BadZone):
    """
    A change after which the whole zone has to be signed anew. The text says why.
    """


class Wanted(NamedTuple):
    """
    A signature that is to be made.

    @ivar key: the key that makes it.
    @ivar data: the octets to sign.
    """

    key: SigningKey
    data: bytes


class Signed:
    """
    The signatures of one RRset: those that are kept, and holes for others.
    """

    __slots__ = ("name", "ttl", "rdatas", "kept")

    def __init__(self, name: bytes, ttl: int, kept: RRSet | None) -> None:
        """
        @param kept: the signatures before, if they are of the same records.
        """
        self.name = name
        self.ttl = ttl
        self.rdatas: list[bytes] = []
        self.kept = kept

    @property
    def isKept(self) -> bool:
        """
        Whether they are those before.
        """
        kept = self.kept
        return kept is not None and kept.rdatas == tuple(self.rdatas) and kept.name == self.name and kept.ttl == self.ttl

    def rrset(self) -> RRSet:
        kept = self.kept
        return kept if kept is not None and self.isKept else RRSet(self.name, RRSIG, IN, self.ttl, tuple(self.rdatas))


class Completing:
    """
    A change that waits for its signatures.

    @ivar wanted: the signatures to make.
    @ivar kept: how many signatures of the names that it touches stay as they are.
    """

    __slots__ = ("wanted", "kept", "_names", "_holes")

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []
        self.kept = 0
        # The records of each name, and their signatures.
        self._names: dict[bytes, tuple[list[RRSet], list[Signed]]] = {}
        # For each signature that is wanted where its rdata goes, and what precedes it there.
        self._holes: list[tuple[list[bytes], int, bytes]] = []

    def put(self, key: bytes, sets: list[RRSet], signed: list[Signed]) -> None:
        """
        Add a name.
        """
        self._names[key] = sets, signed

    def want(self, key: SigningKey, head: bytes, data: bytes, rdatas: list[bytes]) -> None:
        """
        Add a signature that is to be made.

        @param head: its rdata up to the signature itself, which is signed as well.
        @param data: the records to sign.
        @param rdatas: to where it goes.
        """
        self.wanted.append(Wanted(key, head + data))
        self._holes.append((rdatas, len(rdatas), head))
        rdatas.append(b"")

    def finish(self, signatures: Sequence[bytes]) -> Changes:
        """
        Return all records of each name in which the signed zone differs, with signatures and denials.

        @param signatures: those L{wanted}, in the same order.

        @raise ValueError: there are more or fewer of them.
        """
        for (rdatas, place, head), signature in zip(self._holes, signatures, strict=True):
            rdatas[place] = head + signature
        return {
            key: tuple(sorted([*sets, *[each.rrset() for each in signed]], key=kindOf)) for key, (sets, signed) in self._names.items()
        }


class Completer:
    """
    Completes one change.
    """

    def __init__(self, version: Version, signing: Signing[SigningKey], now: float) -> None:
        self.version = version
        self.signing = signing
        self.now = now
        self.apex = version.apex
        self.zone = nameToText(version.apex)
        self.negative = negativeTTL(version.soa.ttl, version.soa.rdatas[0])
        self.result = Completing()
        # The records of all names touched, after the change and without what a signer makes; and the names as they were.
        self.touched: dict[bytes, tuple[RRSet, ...]] = {}
        self.found: dict[bytes, Node | None] = {}
        # Of changed names, whether what is below them is occluded then.
        self.cuts: dict[bytes, bool] = {}
        # Keys whose signatures cannot be told from another key's, so that none is kept.
        self.doubtful: set[tuple[int, int]] = set()

    def completing(self, changes: Changes, renew: Collection[bytes]) -> Generator[None, None, Completing]:
        touched = self.touched
        for count, (key, sets) in enumerate(changes.items(), 1):
            self._touch(key, gathered(plainSets(sets)))
            if count % STEP == 0:
                yield
        if b"" not in touched and self.version.top.of(ZONEMD) is not None:
            self.touchAgain(b"")
        if b"" in touched:
            touched[b""] = self._atApex(touched[b""])
        self._expectIncremental()
        for count, key in enumerate(self._recut(), 1):
            if key not in touched:
                self.touchAgain(key)
            if count % STEP == 0:
                yield
        for key in renew:
            node = self.before(key)
            if key not in touched and node is not None and self.isSigned(node):
                self.touchAgain(key)
        yield from self.chaining(renew)
        return self.result

    # -- the chain

    def expectChain(self) -> None:
        """
        @raise Whole: the zone has another chain, or is to have one.
        """
        raise NotImplementedError

    def isSigned(self, node: Node) -> bool:
        """
        Return whether records of a name were signed before the change, besides those of the chain.
        """
        raise NotImplementedError

    def chaining(self, renew: Collection[bytes]) -> Generator[None, None, None]:
        """
        Put all names into the result that are touched, and those that this touches in the chain.
        """
        raise NotImplementedError

    # -- what is touched

    def _touch(self, key: bytes, sets: tuple[RRSet, ...]) -> None:
        """
        @param sets: the records of the name after the change.

        @raise Whole: these are too many names.
        """
        self.touched[key] = sets
        if len(self.touched) > MOST_NAMES:
            raise Whole(f"more than {MOST_NAMES} names of {self.zone} would be signed anew")

    def touchAgain(self, key: bytes) -> None:
        """
        Touch a name that does not change itself.
        """
        node = self.before(key)
        self._touch(key, () if node is None else self._kept(key, node.sets))

    def _kept(self, key: bytes, sets: Sequence[RRSet]) -> tuple[RRSet, ...]:
        """
        Return RRsets without what is made of them: at the apex, the parameters of the chain stay.
        """
        return plainSets(sets) if key else tuple([rrset for rrset in sets if rrset.rrType not in MADE or rrset.rrType == NSEC3PARAM])

    def before(self, key: bytes) -> Node | None:
        if key not in self.found:
            self.found[key] = self.version.find(key)
        return self.found[key]

    def _atApex(self, sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
        """
        Return the records of the apex, with those of the keys and the parameters of the chain as they are before the change, and without a
        digest.
        """
        ofKeys = [rrset for rrset in self.version.top.sets if rrset.rrType in OF_KEYS or rrset.rrType == NSEC3PARAM]
        return tuple(sorted([*[rrset for rrset in sets if rrset.rrType not in OF_KEYS and rrset.rrType != ZONEMD], *ofKeys], key=kindOf))

    def _expectIncremental(self) -> None:
        """
        @raise Whole: the whole zone has to be signed.
        """
        policy, top = self.signing.policy, self.version.top
        self.expectChain()
        sets = self.touched.get(b"", top.sets)
        if not policy.digested and top.of(ZONEMD) is not None:
            raise Whole(f"{self.zone} has a digest of all of its records (ZONEMD), which its signing policy does not ask for")
        for rrset in sets:
            if rrset.rrType == SOA and negativeTTL(rrset.ttl, rrset.rdatas[0]) != self.negative:
                raise Whole(f"the TTL of negative answers of {self.zone} changes, which all NSEC records have")
        published = top.of(DNSKEY)
        rdatas = () if published is None else published.rdatas
        for key in self.signing.signers.published:
            if key.dnskey not in rdatas:
                raise Whole(f"key {key.tag} is not among the keys of {self.zone}")
        tags = Counter([(rdata[3], _tagOf(rdata)) for rdata in rdatas])
        self.doubtful = {tag for tag, count in tags.items() if count > 1}

    def _recut(self) -> Generator[bytes, None, None]:
        """
        Return the names below those that become cuts, or stop being cuts; and find out which these are.
        """
        recut: list[bytes] = []
        for key, sets in self.touched.items():
            cutting = (NS, _DNAME) if key else (_DNAME,)
            self.cuts[key] = isCut = any(rrset.rrType in cutting for rrset in sets)
            node = self.before(key)
            if isCut != (node is not None and bool(node.flags & (CUT | DNAME))):
                recut.append(key)
        yield from self.version.subtree(*recut)

    def isOccluded(self, key: bytes) -> bool:
        while key:
            key = parentKey(key)
            isCut = self.cuts.get(key)
            if isCut is None:
                node = self.before(key)
                isCut = self.cuts[key] = node is not None and bool(node.flags & (CUT | DNAME))
            if isCut:
                return True
        return False

    # -- what is signed

    def slot(self, key: bytes) -> tuple[int, int]:
        """
        Return when signatures of a name that are made now begin to be valid, and when they end.
        """
        return self.signing.policy.validity.slot(key, self.now)

    def sign(self, key: bytes, sets: tuple[RRSet, ...], link: RRSet | None = None) -> tuple[list[RRSet], list[Signed]]:
        """
        Return the records of a name that is in the zone with authority, and their signatures.

        @param link: its NSEC record.
        """
        owner = key + self.apex
        name = sets[0].name[: len(key)] + self.version.apexName
        isCut = self.isCut(key, sets)
        for rrset in sets:
            if rrset.rrType == DS or rrset.rrType == ALIAS:
                expectSignable(owner, rrset.rrType, isCut, self.version.image.aliases)
        times = self.slot(key)
        labels = labelCount(owner) - key.startswith(STAR)
        node = self.before(key)
        before: dict[tuple[int, int], RRSet] = {} if node is None else {kindOf(rrset): rrset for rrset in node.sets}
        signed: list[Signed] = []
        records = [*sets] if link is None else [*sets, link]
        for rrset in records:
            if not isCut or rrset.rrType == DS or rrset is link:
                signed.append(self.signatures(owner, name, labels, times, rrset, before))
        return records, signed

    def isCut(self, key: bytes, sets: tuple[RRSet, ...]) -> bool:
        """
        Return whether records delegate a zone.
        """
        return bool(key) and any(rrset.rrType == NS for rrset in sets)

    def signatures(
        self, owner: bytes, name: bytes, labels: int, times: tuple[int, int], rrset: RRSet, before: Mapping[tuple[int, int], RRSet]
    ) -> Signed:
        """
        Return the signatures of an RRset; those of the name before the change are kept if its records are the same.

        @param name: the owner as written.
        @param labels: those that the signature says (RFC 4034, section 3.1.3).
        @param times: inception and expiration.
        @param before: the RRsets of the name before the change.
        """
        rrType, ttl = rrset.rrType, rrset.ttl
        start = owner + startOf(rrType, IN, ttl)
        data = b""
        former = before.get((RRSIG, rrType))
        if former is not None:
            old = before.get((rrType, 0))
            # A signature has the TTL in its head, so that one of another TTL is not found.
            if old is None:
                former = None
            elif old is not rrset and old.rdatas != rrset.rdatas:
                data = canonicalSet(start, rrType, rrset.rdatas)
                # Other order or spelling is not signed.
                if data != canonicalSet(start, rrType, old.rdatas):
                    former = None
        made = Signed(name, ttl, former)
        inception, expiration = times
        for key in self.signing.of(rrType, inception):
            head = signatureHead(rrType, key.algorithm, labels, ttl, expiration & _UINT32, inception & _UINT32, key.tag) + self.apex
            kept = None
            if former is not None and (key.algorithm, key.tag) not in self.doubtful:
                kept = next((rdata for rdata in former.rdatas if rdata.startswith(head)), None)
            if kept is not None:
                made.rdatas.append(kept)
                self.result.kept += 1
                continue
            data = data or canonicalSet(start, rrType, rrset.rdatas)
            self.result.want(key, head, data, made.rdatas)
        return made


def plainSets(sets: Sequence[RRSet]) -> tuple[RRSet, ...]:
    """
    Return RRsets without what a signer makes.
    """
    return tuple([rrset for rrset in sets if rrset.rrType not in MADE])


@lru_cache(maxsize=1024)
def bitmapOf(types: tuple[int, ...]) -> bytes:
    return _bits.write(types, ())


@lru_cache(maxsize=1024)
def _tagOf(dnskey: bytes) -> int:
    return keyTag(dnskey)
