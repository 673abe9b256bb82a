"""
Completes a change of a zone whose names are denied with NSEC3 records (RFC 5155), without salt and iterations (RFC 9276).

In such a chain are the names with authority, without delegations that opt-out leaves out, and the empty non-terminals above these. Which of
those come and go with a change is found out by looking below them, up to the first name that keeps them.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from hashlib import sha1
from typing import Final

from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.errors import BadZone
from twisted_ext.wire.codes import IN
from twisted_ext.wire.escapes import fromBase32Hex, toBase32Hex
from twisted_ext.wire.names import labelCount, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG
from twisted_ext.zone.sign.completer import STEP, Completer, Signed, Whole, bitmapOf, plainSets
from twisted_ext.zone.sign.sets import HASH_LABEL, PARAMETERS, hashHead
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.chain import HashChain
from twisted_ext.zone.store.nodes import CUT, OCCLUDED, Node, kindOf, parentKey
from twisted_ext.zone.store.version import Version

__all__ = ["HashedCompleter"]

#: Names below an empty non-terminal that are looked at in one step.
_LOOKED: Final = 200

_LINK: Final = (NSEC3, 0), (RRSIG, NSEC3)


class HashedCompleter(Completer):
    """
    Completes one change of a zone with NSEC3 records.
    """

    def __init__(self, version: Version, signing: Signing[SigningKey], now: float) -> None:
        super().__init__(version, signing, now)
        self.optOut = signing.policy.denial == "nsec3-opt-out"
        self.head = hashHead(self.optOut)
        self.chain = HashChain(version)
        # Of touched names whether they are in the chain for what they have; and names above others that are.
        self.members: dict[bytes, bool] = {}
        self.supported: set[bytes] = set()

    def expectChain(self) -> None:
        """
        See L{Completer.expectChain}.
        """
        top = self.version.top
        parameters = top.of(NSEC3PARAM)
        first = self.version.find(self._hashOf(b""))
        link = None if first is None else first.of(NSEC3)
        if top.of(NSEC) is not None or parameters is None or parameters.rdatas != (PARAMETERS,) or link is None:
            raise Whole(f"{self.zone} has no NSEC3 chain, or is to have another one")
        if not link.rdatas[0].startswith(self.head):
            raise Whole(f"{self.zone} has an NSEC3 chain {'without' if self.optOut else 'with'} opt-out")

    def isSigned(self, node: Node) -> bool:
        """
        See L{Completer.isSigned}.
        """
        return not node.flags & OCCLUDED and bool(plainSets(node.sets))

    def chaining(self, renew: Collection[bytes]) -> Generator[None, None, None]:
        """
        See L{Completer.chaining}.
        """
        members, touched = self.members, self.touched
        moved: list[bytes] = []
        for count, (key, sets) in enumerate(touched.items(), 1):
            members[key] = isMember = bool(sets) and not self.isOccluded(key) and self._counts(key, sets)
            node = self.before(key)
            if isMember != (node is not None and self._isMember(node)):
                moved.append(key)
            if count % STEP == 0:
                yield
        # Empty non-terminals above them may come or go with them.
        doubtful = {*moved}
        for key in moved:
            while key:
                key = parentKey(key)
                if not self._isNowMember(key):
                    doubtful.add(key)
        for key, isMember in members.items():
            while isMember and key:
                key = parentKey(key)
                self.supported.add(key)
        for key in doubtful - self.supported:
            if not self._isNowMember(key) and (yield from self._isSupported(key)):
                self.supported.add(key)
        # What each hash is of; None for one whose name does not change.
        hashes: dict[bytes, bytes | None] = {}
        changed: list[bytes] = []
        gone: set[bytes] = set()
        for count, key in enumerate(members.keys() | doubtful, 1):
            isMember = members.get(key, False)
            if not isMember and key not in doubtful:
                continue
            hashed = self._hashOf(key)
            wasIn = self._hasLink(hashed)
            if isMember or key in self.supported:
                if hashes.setdefault(hashed, key) != key or (wasIn and self.before(key) is None):
                    said = f"{nameToText(key + self.apex)} has the same hash as another name"
                    raise BadZone(f"{said} (RFC 5155, section 7.1); rename one of them, or use NSEC")
                if not wasIn:
                    self.chain.add(hashed[1:])
                    changed.append(hashed)
            elif wasIn:
                self.chain.remove(hashed[1:])
                changed.append(hashed)
                hashes[hashed] = None
                gone.add(hashed)
            if count % STEP == 0:
                yield
        for hashed in changed:
            hashes.setdefault(HASH_LABEL + self.chain.before(hashed[1:]), None)
        # A name that looks like a hash, and a hash whose signatures may be due.
        for key in (*touched, *renew):
            if self._hasLink(key):
                hashes.setdefault(key, None)
        yield from self._putting(hashes, gone)

    # -- which names are in the chain

    def _counts(self, key: bytes, sets: tuple[RRSet, ...]) -> bool:
        """
        Return whether a name with authority is in the chain.
        """
        return not self.optOut or not self.isCut(key, sets) or any(rrset.rrType == DS for rrset in sets)

    def _isMember(self, node: Node) -> bool:
        """
        Return whether a name was in the chain before the change for what it had.
        """
        if node.flags & OCCLUDED or (self.optOut and node.key and node.flags & CUT and node.of(DS) is None):
            return False
        return bool(plainSets(node.sets))

    def _isNowMember(self, key: bytes) -> bool:
        """
        Return whether a name is in the chain after the change for what it has then.
        """
        if key in self.members:
            return self.members[key]
        node = self.before(key)
        return node is not None and self._isMember(node)

    def _isSupported(self, key: bytes) -> Generator[None, None, bool]:
        """
        Return whether there is a name in the chain below one, that the change does not touch.
        """
        for count, below in enumerate(self.version.subtree(key), 1):
            if below not in self.touched:
                node = self.version.find(below)
                if node is not None and self._isMember(node):
                    return True
            if count % _LOOKED == 0:
                yield
        return False

    # -- hashes

    def _hashOf(self, key: bytes) -> bytes:
        """
        Return the key of the NSEC3 record of a name.
        """
        return HASH_LABEL + toBase32Hex(sha1(key + self.apex, usedforsecurity=False).digest()).encode("ascii")

    def _hasLink(self, hashed: bytes) -> bool:
        node = self.before(hashed)
        return node is not None and node.of(NSEC3) is not None

    # -- results

    def _putting(self, hashes: dict[bytes, bytes | None], gone: set[bytes]) -> Generator[None, None, None]:
        """
        Put the names and the hashes into the result. Hardly ever there is a name that looks like a hash, and has records besides.
        """
        touched = self.touched
        for count, (key, sets) in enumerate(touched.items(), 1):
            if sets and not self.isOccluded(key):
                records, signed = self.sign(key, sets)
            else:
                records, signed = [*sets], []
            if key in hashes:
                self._addLink(key, hashes[key], gone, records, signed)
            self.result.put(key, records, signed)
            if count % STEP == 0:
                yield
        for count, (hashed, owner) in enumerate(hashes.items(), 1):
            if hashed not in touched:
                node = self.before(hashed)
                records, signed = [rrset for rrset in (() if node is None else node.sets) if kindOf(rrset) not in _LINK], []
                if self._addLink(hashed, owner, gone, records, signed):
                    self.result.put(hashed, records, signed)
            if count % STEP == 0:
                yield

    def _addLink(self, hashed: bytes, key: bytes | None, gone: set[bytes], records: list[RRSet], signed: list[Signed]) -> bool:
        """
        Add an NSEC3 record and its signatures; return whether that differs from what there was.

        @param key: the name that it is of; L{None} if its types do not change.
        """
        if hashed in gone:
            return True
        node = self.before(hashed)
        before = {} if node is None else {kindOf(rrset): rrset for rrset in node.sets}
        former = before.get((NSEC3, 0))
        if key is not None:
            bits = bitmapOf(self._typesOf(key))
        else:
            assert former is not None
            bits = former.rdatas[0][len(self.head) + 20 :]
        rdatas = (self.head + fromBase32Hex(self.chain.after(hashed[1:]).decode("ascii")) + bits,)
        name = hashed + self.version.apexName
        link = former
        if former is None or former.rdatas != rdatas or former.ttl != self.negative:
            link = RRSet(name, NSEC3, IN, self.negative, rdatas)
        assert link is not None
        records.append(link)
        owner = hashed + self.apex
        made = self.signatures(owner, name, labelCount(owner), self.slot(hashed), link, before)
        signed.append(made)
        return link is not former or not made.isKept

    def _typesOf(self, key: bytes) -> tuple[int, ...]:
        sets = self.touched.get(key, ())
        types = [rrset.rrType for rrset in sets]
        if not sets or self.isOccluded(key):
            return ()
        if self.isCut(key, sets):
            types = [each for each in types if each in (NS, DS)]
            if DS not in types:
                return tuple(types)
        return tuple(sorted({*types, RRSIG}))
