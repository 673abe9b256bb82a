"""
Signs what a change of a signed zone touches: the names that it changes, those that come under a cut or out from under one, and their
neighbours in the NSEC chain. The result is, octet for octet, what signing the changed zone from nothing makes at the same time.

Nothing is read or written here, and no key is used: L{Completing} says what is to be signed, and gets the signatures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
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
from twisted_ext.wire.rrtypes import ALIAS, DNSKEY, DS, NS, NSEC, NSEC3PARAM, RRSIG, SOA, ZONEMD
from twisted_ext.wire.rrtypes import DNAME as _DNAME
from twisted_ext.zone.sign.sets import MADE, canonicalSet, expectSignable, isMade, negativeTTL, signatureHead, startOf
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.chain import NSECChain
from twisted_ext.zone.store.nodes import CUT, DNAME, STAR, Node, gathered, kindOf, parentKey, sortKey
from twisted_ext.zone.store.steps import finished
from twisted_ext.zone.store.version import Version

__all__ = ["ChangeSigner", "MOST_NAMES", "Changes", "Completing", "Wanted", "Whole", "complete", "completing"]

#: All records of each name that differs; none for a name that goes.
Changes = Mapping[bytes, tuple[RRSet, ...]]

#: Names that a change may touch: of more, signing the whole zone in another process does not take much longer, and disturbs less.
MOST_NAMES: Final = 10_000

#: Names in one step: about a millisecond.
_STEP: Final = 20

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


class _Signed:
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

    def rrset(self) -> RRSet:
        rdatas = tuple(self.rdatas)
        kept = self.kept
        if kept is not None and kept.rdatas == rdatas and kept.name == self.name and kept.ttl == self.ttl:
            return kept
        return RRSet(self.name, RRSIG, IN, self.ttl, rdatas)


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
        self._names: dict[bytes, tuple[list[RRSet], list[_Signed]]] = {}
        # For each signature that is wanted where its rdata goes, and what precedes it there.
        self._holes: list[tuple[list[bytes], int, bytes]] = []

    def put(self, key: bytes, sets: list[RRSet], signed: list[_Signed]) -> None:
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


def complete(version: Version, changes: Changes, signing: Signing[SigningKey], now: float, renew: Collection[bytes] = ()) -> Completing:
    """
    Find out what a change of a signed zone touches, and what of it is to be signed.

    @param version: the signed zone before the change, which has an NSEC chain that L{signZone<twisted_ext.zone.sign.apex.signZone>} or
        this function made.
    @param changes: all records of each changed name after the change. What a signer makes is ignored in it: signatures, denials, and at the
        apex DNSKEY, CDS and CDNSKEY records, which stay as they are. The caller sets the serial number.
    @param now: seconds since 1970.
    @param renew: further names, whose signatures may be due.

    @raise Whole: the whole zone has to be signed: its negative TTL changes, it has another chain, or is to have one; it has a digest
        (ZONEMD), or is to have one; a key is not published; or more than L{MOST_NAMES} names are touched.
    @raise BadZone: records that cannot be signed where they are.
    """
    return finished(completing(version, changes, signing, now, renew))


def completing(
    version: Version, changes: Changes, signing: Signing[SigningKey], now: float, renew: Collection[bytes] = ()
) -> Generator[None, None, Completing]:
    """
    Do what L{complete} does in short steps.
    """
    return (yield from _Completer(version, signing, now).completing(changes, renew))


class ChangeSigner:
    """
    Completes the changes of a zone with its signatures.
    """

    def __init__(
        self, signing: Signing[SigningKey], now: float, sign: Callable[[Completing], Generator[object, None, Sequence[bytes]]]
    ) -> None:
        """
        @param now: seconds since 1970.
        @param sign: returns the signatures that are wanted, in steps.
        """
        self._signing = signing
        self._now = now
        self._sign = sign

    def isMade(self, key: bytes, rrType: int) -> bool:
        """
        See L{Completion<twisted_ext.zone.update.transactions.Completion>}. At the apex these are the records of keys and for the parent as
        well, and the digest if the policy wants one.
        """
        return isMade(key, rrType) or (not key and rrType == ZONEMD and self._signing.policy.digested)

    def completing(self, version: Version, changes: Changes) -> Generator[object, None, Changes]:
        """
        See L{Completion<twisted_ext.zone.update.transactions.Completion>}.

        @raise Whole: the whole zone has to be signed.
        @raise BadZone: records that cannot be signed where they are.
        """
        completed = yield from completing(version, changes, self._signing, self._now)
        signatures = yield from self._sign(completed)
        return completed.finish(signatures)


class _Completer:
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
        self.chain = NSECChain(version)
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
            self._touch(key, gathered(_plain(sets)))
            if count % _STEP == 0:
                yield
        if b"" in touched:
            touched[b""] = self._atApex(touched[b""])
        self._expectIncremental()
        for count, key in enumerate(self._recut(), 1):
            if key not in touched:
                self._touchAgain(key)
            if count % _STEP == 0:
                yield
        for key in renew:
            node = self._before(key)
            if key not in touched and node is not None and node.of(NSEC) is not None:
                self._touchAgain(key)
        linked: dict[bytes, bool] = {}
        moved: list[bytes] = []
        for count, (key, sets) in enumerate(touched.items(), 1):
            node = self._before(key)
            wasLinked = node is not None and node.of(NSEC) is not None
            linked[key] = isLinked = bool(sets) and not self._isOccluded(key)
            if isLinked != wasLinked:
                moved.append(key)
                if isLinked:
                    self.chain.add(key)
                else:
                    self.chain.remove(key)
            if count % _STEP == 0:
                yield
        # Only now the chain is complete: the name before one that comes or goes may have come itself.
        for count, key in enumerate(moved, 1):
            neighbour = self.chain.before(sortKey(key))
            if neighbour is not None and neighbour not in touched:
                self._touchAgain(neighbour)
                linked[neighbour] = True
            if count % _STEP == 0:
                yield
        for count, (key, sets) in enumerate(touched.items(), 1):
            if linked[key]:
                self._sign(key, sets)
            else:
                self.result.put(key, [*sets], [])
            if count % _STEP == 0:
                yield
        return self.result

    # -- what is touched

    def _touch(self, key: bytes, sets: tuple[RRSet, ...]) -> None:
        """
        @param sets: the records of the name after the change.

        @raise Whole: these are too many names.
        """
        self.touched[key] = sets
        if len(self.touched) > MOST_NAMES:
            raise Whole(f"more than {MOST_NAMES} names of {self.zone} would be signed anew")

    def _touchAgain(self, key: bytes) -> None:
        """
        Touch a name that does not change itself.
        """
        node = self._before(key)
        self._touch(key, () if node is None else _plain(node.sets))

    def _before(self, key: bytes) -> Node | None:
        if key not in self.found:
            self.found[key] = self.version.find(key)
        return self.found[key]

    def _atApex(self, sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
        """
        Return the records of the apex, with those of the keys as they are before the change.
        """
        ofKeys = [rrset for rrset in self.version.top.sets if rrset.rrType in OF_KEYS]
        return tuple(sorted([*[rrset for rrset in sets if rrset.rrType not in OF_KEYS], *ofKeys], key=kindOf))

    def _expectIncremental(self) -> None:
        """
        @raise Whole: the whole zone has to be signed.
        """
        policy, top = self.signing.policy, self.version.top
        if policy.denial != "nsec" or top.of(NSEC) is None or top.of(NSEC3PARAM) is not None:
            raise Whole(f"{self.zone} has no NSEC chain, or is to have another one")
        sets = self.touched.get(b"", top.sets)
        if policy.digested or any(rrset.rrType == ZONEMD for rrset in (*top.sets, *sets)):
            raise Whole(f"{self.zone} has a digest of all of its records (ZONEMD)")
        for rrset in sets:
            if rrset.rrType == SOA and negativeTTL(rrset.ttl, rrset.rdatas[0]) != self.negative:
                raise Whole(f"the TTL of negative answers of {self.zone} changes, which all NSEC records have")
        published = top.of(DNSKEY)
        rdatas = () if published is None else published.rdatas
        for key in self.signing.signers.keys:
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
            node = self._before(key)
            if isCut != (node is not None and bool(node.flags & (CUT | DNAME))):
                recut.append(key)
        yield from self.version.subtree(*recut)

    def _isOccluded(self, key: bytes) -> bool:
        while key:
            key = parentKey(key)
            isCut = self.cuts.get(key)
            if isCut is None:
                node = self._before(key)
                isCut = self.cuts[key] = node is not None and bool(node.flags & (CUT | DNAME))
            if isCut:
                return True
        return False

    # -- what is signed

    def _sign(self, key: bytes, sets: tuple[RRSet, ...]) -> None:
        """
        Add a name of the chain to the result.
        """
        owner = key + self.apex
        name = sets[0].name[: len(key)] + self.version.apexName
        isCut = bool(key) and any(rrset.rrType == NS for rrset in sets)
        for rrset in sets:
            if rrset.rrType == DS or rrset.rrType == ALIAS:
                expectSignable(owner, rrset.rrType, isCut, self.version.image.aliases)
        inception, expiration = self.signing.policy.validity.slot(key, self.now)
        times = expiration & _UINT32, inception & _UINT32
        labels = labelCount(owner) - key.startswith(STAR)
        node = self._before(key)
        before: dict[tuple[int, int], RRSet] = {} if node is None else {kindOf(rrset): rrset for rrset in node.sets}
        signed: list[_Signed] = []
        link = self._link(key, name, sets, isCut, before.get((NSEC, 0)))
        for rrset in (*sets, link):
            if not isCut or rrset.rrType == DS or rrset is link:
                signed.append(self._signatures(owner, name, labels, times, rrset, before))
        self.result.put(key, [*sets, link], signed)

    def _link(self, key: bytes, name: bytes, sets: tuple[RRSet, ...], isCut: bool, before: RRSet | None) -> RRSet:
        """
        Return the NSEC record of a name.

        @param isCut: whether a zone is delegated there, so that the bitmap says nothing of its other types.
        """
        types = tuple(sorted({*[rrset.rrType for rrset in sets if not isCut or rrset.rrType in (NS, DS)], NSEC, RRSIG}))
        rdatas = (self.chain.after(sortKey(key)) + self.apex + _bitmapOf(types),)
        if before is not None and before.rdatas == rdatas and before.ttl == self.negative and before.name == name:
            return before
        return RRSet(name, NSEC, IN, self.negative, rdatas)

    def _signatures(
        self, owner: bytes, name: bytes, labels: int, times: tuple[int, int], rrset: RRSet, before: Mapping[tuple[int, int], RRSet]
    ) -> _Signed:
        """
        Return the signatures of an RRset; those of the name before the change are kept if its records are the same.

        @param name: the owner as written.
        @param labels: those that the signature says (RFC 4034, section 3.1.3).
        @param times: expiration and inception.
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
        made = _Signed(name, ttl, former)
        for key in self.signing.signers.of(rrType):
            head = signatureHead(rrType, key.algorithm, labels, ttl, *times, key.tag) + self.apex
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


def _plain(sets: Sequence[RRSet]) -> tuple[RRSet, ...]:
    """
    Return RRsets without what a signer makes.
    """
    return tuple([rrset for rrset in sets if rrset.rrType not in MADE])


@lru_cache(maxsize=1024)
def _bitmapOf(types: tuple[int, ...]) -> bytes:
    return _bits.write(types, ())


@lru_cache(maxsize=1024)
def _tagOf(dnskey: bytes) -> int:
    return keyTag(dnskey)
