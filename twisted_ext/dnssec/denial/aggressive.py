"""
Aggressive use of denials (RFC 8198): what verified NSEC and NSEC3 records say of names that no server was asked for yet.

The records are stored by zone, in the order of their names or hashes. A look-up costs a binary search, and for NSEC3 a few hashes, however
many records and names there are.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from typing import Final

from twisted_ext.answers import Outcome
from twisted_ext.dnssec.denial import nsec, nsec3
from twisted_ext.dnssec.denial.nsec import NSECSpan, keyOf, readNSEC
from twisted_ext.dnssec.denial.nsec3 import HashCount, HashedChain, NSEC3Span, readNSEC3
from twisted_ext.dnssec.denial.proofs import Proof, Span
from twisted_ext.dnssec.limits import (
    AGGRESSIVE_BYTES,
    AGGRESSIVE_HASHES,
    AGGRESSIVE_ZONE_BYTES,
    NSEC3_ITERATIONS,
    NSEC3_PARAMETERS,
)
from twisted_ext.errors import BudgetSpent
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import ROOT, isBelow, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNAME, DS, NS, NSEC, NSEC3, NXNAME, OPT, RRSIG, SOA

__all__ = ["DenialStore", "Synthesis"]

#: Seconds for which a denial is used at most (RFC 2308, section 5; RFC 9077, section 3).
_AGGRESSIVE_SECONDS: Final = 10_800

#: Octets of memory for one set and its signatures; larger ones are not stored. The largest type bitmap takes 8,704.
_AGGRESSIVE_ENTRY_BYTES: Final = 4096

_MOST_PARAMETERS: Final = int(NSEC3_PARAMETERS.default)

#: Octets of memory for an entry, for its zone and for each set of NSEC3 parameters beyond those of the records, as measured.
_ENTRY: Final = 900
_ZONE: Final = 2200
_CHAIN: Final = 900

#: Octets of the five numbers of an SOA record.
_NUMBERS: Final = 20

#: Types whose absence is not proven in the usual way: the proofs themselves, and those from 249 to 254, which are only for questions.
_UNPROVABLE: Final = frozenset((OPT, RRSIG, NSEC, NSEC3, NXNAME, *range(249, 255)))

#: Types that no wildcard passes on.
_NOT_EXPANDED: Final = frozenset((NS, SOA, DS, DNAME, RRSIG, NSEC, NSEC3))

#: The end of the key of the first possible name below another one: a record that leads there proves nothing but its own types.
_FIRST_BELOW: Final = b"\x01\x01\x00"

#: Hashes from one NSEC3 record to the next in answers that are made for one question: the record of a name alone, or the one that covers a
#: single hash (RFC 7129, appendix B). Some of these servers leave types out of the list that they have not looked for.
_MINIMAL: Final = frozenset((1, 2))

#: The number of hashes of NSEC3 (SHA-1).
_HASHES: Final = 1 << 160

#: What an entry is stored under in its zone: the key of an NSEC record, parameters and hash of an NSEC3 record, or a wildcard and a type.
_Place = bytes | tuple[int, bytes, int] | tuple[bytes, int]


class Synthesis:
    """
    An answer made of stored records.

    @ivar outcome: no such name, no such data, or data expanded from a wildcard.
    @ivar answer: the data and its signatures, if any.
    @ivar authority: the SOA record of a denial, the records that prove it, and the signatures of all of them.
    @ivar ttl: the TTL of all sets.
    """

    __slots__ = ("outcome", "answer", "authority", "ttl")

    def __init__(self, outcome: Outcome, answer: tuple[RRSet, ...], authority: tuple[RRSet, ...], ttl: int) -> None:
        self.outcome = outcome
        self.answer = answer
        self.authority = authority
        self.ttl = ttl

    def __repr__(self) -> str:
        return f"<Synthesis {self.outcome.value} {list(self.answer)} {self.ttl}>"


class _Entry:
    __slots__ = ("rrset", "signatures", "span", "expires", "octets")

    def __init__(self, rrset: RRSet, signatures: RRSet, span: Span | None, expires: float) -> None:
        self.rrset = rrset
        self.signatures = signatures
        self.span = span
        self.expires = expires
        octets = _ENTRY + 2 * len(rrset.name)
        for rdata in rrset.rdatas:
            octets += len(rdata) + 33
        for rdata in signatures.rdatas:
            octets += len(rdata) + 33
        self.octets = octets


class _Zone:
    """
    The records of one zone: its chain of NSEC records, and the entries of all kinds, the least recently used ones first.
    """

    __slots__ = ("name", "key", "soa", "owners", "entries", "hashed", "wildcards", "octets", "now")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.key = keyOf(name)
        self.soa: _Entry | None = None
        self.owners: list[bytes] = []
        self.entries: OrderedDict[_Place, _Entry] = OrderedDict()
        self.hashed: dict[tuple[int, bytes], _StoredChain] = {}
        self.wildcards = 0
        self.octets = _ZONE
        self.now = 0.0

    def fresh(self, place: _Place) -> _Entry | None:
        """
        Return the entry in this place, unless it has expired.
        """
        entry = self.entries.get(place)
        if entry is None or entry.expires > self.now:
            return entry
        self.remove(place)
        return None

    def at(self, key: bytes) -> NSECSpan | None:
        entry = self.fresh(key)
        return entry.span if entry is not None and isinstance(entry.span, NSECSpan) else None

    def over(self, key: bytes) -> NSECSpan | None:
        index = bisect_left(self.owners, key) - 1
        if index < 0:
            return None
        span = self.at(self.owners[index])
        return span if span is not None and span.covers(key) else None

    def insert(self, place: _Place, entry: _Entry) -> None:
        if place in self.entries:
            self.remove(place)
        self.entries[place] = entry
        self.octets += entry.octets
        if isinstance(place, bytes):
            insort(self.owners, place)
        elif len(place) == 3:
            chain = self.hashed.get(place[:2])
            if chain is None:
                if len(self.hashed) >= _MOST_PARAMETERS:
                    # Each look-up needs the hashes of all chains: forget the one that was found first, which is probably no longer in use.
                    for old in tuple(next(iter(self.hashed.values())).owners):
                        self.remove((*next(iter(self.hashed)), old))
                chain = self.hashed[place[:2]] = _StoredChain(self, place[0], place[1])
                self.octets += _CHAIN
            insort(chain.owners, place[2])
        else:
            self.wildcards += 1

    def remove(self, place: _Place) -> None:
        self.octets -= self.entries.pop(place).octets
        if isinstance(place, bytes):
            del self.owners[bisect_left(self.owners, place)]
        elif len(place) == 3:
            owners = self.hashed[place[:2]].owners
            del owners[bisect_left(owners, place[2])]
            if not owners:
                del self.hashed[place[:2]]
                self.octets -= _CHAIN
        else:
            self.wildcards -= 1

    def placeOf(self, span: Span) -> _Place:
        if isinstance(span, NSEC3Span):
            return span.iterations, span.salt, span.owner
        assert isinstance(span, NSECSpan)
        return span.owner

    # -- what the records prove

    def denies(self, name: bytes, rrType: int) -> tuple[Proof, _Entry | None] | None:
        """
        Return the proof of an answer, and the wildcard's entry if the answer has data.
        """
        if self.owners:
            key = keyOf(name)
            span = self.at(key)
            if span is not None:
                # Of a delegation, the parent knows whether it has a DS set, and the child all else.
                return None if span.isCut and rrType != DS else self._secure(nsec.noData(self, name, key, rrType))
            found = self._secure(nsec.noName(self, name, key))
            if found is None and self.wildcards:
                found = self._expanded(nsec.enclosed(self, name, key), rrType)
            found = found or self._secure(nsec.noData(self, name, key, rrType))
            if found is not None:
                return found
        if self.hashed:
            count = HashCount(int(AGGRESSIVE_HASHES.default))
            try:
                for chain in tuple(self.hashed.values()):
                    found = self._deniedByHash(chain, name, rrType, count)
                    if found is not None:
                        return found
            except BudgetSpent:
                return None
        return None

    def _deniedByHash(self, chain: _StoredChain, name: bytes, rrType: int, count: HashCount) -> tuple[Proof, _Entry | None] | None:
        chain.known.clear()
        span = chain.at(chain.hash(name, count))
        if span is not None:
            return None if span.isCut and rrType != DS else self._secure(nsec3.noData(chain, name, rrType, count))
        found = self._secure(nsec3.noName(chain, name, count))
        if found is None and self.wildcards:
            found = self._expanded(nsec3.enclosed(chain, name, count), rrType) or self._expandedBelow(chain, name, rrType, count)
        return found or self._secure(nsec3.noData(chain, name, rrType, count))

    def _secure(self, proof: Proof) -> tuple[Proof, _Entry | None] | None:
        return (proof, None) if proof.secure else None

    def _expandedBelow(
        self, chain: _StoredChain, name: bytes, rrType: int, count: HashCount
    ) -> tuple[Proof, _Entry | None] | None:
        """
        Expand a wildcard whose closest encloser is known from an earlier expansion, so that no record of the encloser is needed.
        """
        encloser = parentOf(name)
        while isBelow(encloser, self.name):
            entry = self.fresh((encloser, rrType)) or self.fresh((encloser, CNAME))
            if entry is not None:
                proof = nsec3.noCloser(chain, name, encloser, count)
                return (proof, entry) if proof.secure else None
            if encloser == ROOT:
                break
            encloser = parentOf(encloser)
        return None

    def _expanded(self, proof: Proof, rrType: int) -> tuple[Proof, _Entry | None] | None:
        if not proof.secure or proof.encloser is None:
            return None
        entry = self.fresh((proof.encloser, rrType)) or self.fresh((proof.encloser, CNAME))
        return (proof, entry) if entry is not None else None


class _StoredChain(HashedChain):
    """
    Stored NSEC3 records with the same parameters.
    """

    __slots__ = ("stored", "owners")

    def __init__(self, stored: _Zone, iterations: int, salt: bytes) -> None:
        super().__init__(stored.name, iterations, salt)
        self.stored = stored
        self.owners: list[int] = []

    def at(self, number: int) -> NSEC3Span | None:
        entry = self.stored.fresh((self.iterations, self.salt, number))
        return entry.span if entry is not None and isinstance(entry.span, NSEC3Span) else None

    def over(self, number: int) -> NSEC3Span | None:
        owners = self.owners
        if not owners:
            return None
        # Before the first hash is the last one, at index -1.
        span = self.at(owners[bisect_left(owners, number) - 1])
        return span if span is not None and span.covers(number) else None


class DenialStore:
    """
    Verified denials of many zones, bounded by memory. When it is full, the least recently used zone loses its least recently used entry.

    Only sets may be added that were verified as secure with the zone as the signer.

    @ivar octets: the memory in use.
    """

    def __init__(self, octets: float | None = None, zoneOctets: float | None = None, iterations: float | None = None) -> None:
        """
        @param octets: the memory for all zones.
        @param zoneOctets: the memory for one zone.
        @param iterations: the supported NSEC3 iterations.
        """
        self.octets = 0
        self._limit = int(AGGRESSIVE_BYTES.pick(octets))
        self._zoneLimit = min(int(AGGRESSIVE_ZONE_BYTES.pick(zoneOctets)), self._limit)
        self._mostIterations = int(NSEC3_ITERATIONS.pick(iterations))
        # The least recently used one first.
        self._zones: OrderedDict[bytes, _Zone] = OrderedDict()

    @property
    def count(self) -> int:
        """
        The number of sets, without signatures and SOA records.
        """
        return sum([len(zone.entries) for zone in self._zones.values()])

    @property
    def zones(self) -> tuple[bytes, ...]:
        """
        The folded names of the zones.
        """
        return tuple(self._zones)

    # -- adding

    def addSOA(self, zone: bytes, soa: RRSet, signatures: RRSet, ttl: int, now: float) -> bool:
        """
        Store the SOA record of a zone, without which nothing is denied: its TTL and its MINIMUM field bound those of denials (RFC 8198,
        section 5.4).

        @return: whether it was stored.
        """
        zone = zone.lower()
        rdata = soa.rdatas[0] if len(soa.rdatas) == 1 else b""
        if soa.rrType != SOA or soa.rrClass != IN or len(rdata) < _NUMBERS + 2 or soa.name.lower() != zone:
            return False
        ttl = min(ttl, int.from_bytes(rdata[-4:], "big"), _AGGRESSIVE_SECONDS)
        entry = _Entry(soa, signatures, None, now + ttl)
        if ttl <= 0 or entry.octets > _AGGRESSIVE_ENTRY_BYTES:
            return False
        found = self._zone(zone)
        before = found.octets
        if found.soa is not None:
            found.octets -= found.soa.octets
        found.soa = entry
        found.octets += entry.octets
        self._bound(found, before)
        return True

    def add(self, zone: bytes, rrset: RRSet, signatures: RRSet, ttl: int, now: float, wildcard: bytes | None = None) -> bool:
        """
        Store an NSEC or NSEC3 set.

        @param ttl: seconds for which the set is valid.
        @param wildcard: the closest encloser if the set was expanded from a wildcard; then it is not stored.

        @return: whether it was stored: not if it could never deny another name.
        """
        ttl = min(ttl, _AGGRESSIVE_SECONDS)
        if ttl <= 0 or wildcard is not None or rrset.rrClass != IN or len(rrset.rdatas) != 1:
            return False
        zone = zone.lower()
        span: NSECSpan | NSEC3Span | str
        if rrset.rrType == NSEC:
            span = readNSEC(rrset, keyOf(zone))
            if isinstance(span, str) or span.next == span.owner + _FIRST_BELOW:
                return False
            place: _Place = span.owner
        elif rrset.rrType == NSEC3:
            span = readNSEC3(rrset, rrset.rdatas[0], zone)
            if isinstance(span, str) or span.optOut or span.iterations > self._mostIterations:
                return False
            if (span.next - span.owner) % _HASHES in _MINIMAL:
                return False
            place = (span.iterations, span.salt, span.owner)
        else:
            return False
        return self._insert(zone, place, _Entry(rrset, signatures, span, now + ttl))

    def addWildcard(self, zone: bytes, encloser: bytes, rrset: RRSet, signatures: RRSet, ttl: int, now: float) -> bool:
        """
        Store a set that was expanded from a wildcard, for other names that it matches (RFC 8198, section 5.3).

        @param encloser: the name below which the wildcard is.

        @return: whether it was stored.
        """
        zone = zone.lower()
        encloser = encloser.lower()
        rrType = rrset.rrType
        if ttl <= 0 or rrset.rrClass != IN or rrType in _NOT_EXPANDED or rrType in _UNPROVABLE:
            return False
        if not isBelow(encloser, zone) or not isBelow(rrset.name.lower(), encloser):
            return False
        ttl = min(ttl, _AGGRESSIVE_SECONDS)
        return self._insert(zone, (encloser, rrType), _Entry(rrset, signatures, None, now + ttl))

    def _zone(self, name: bytes) -> _Zone:
        found = self._zones.get(name)
        if found is None:
            found = self._zones[name] = _Zone(name)
            self.octets += found.octets
        else:
            self._zones.move_to_end(name)
        return found

    def _insert(self, name: bytes, place: _Place, entry: _Entry) -> bool:
        if entry.octets > _AGGRESSIVE_ENTRY_BYTES:
            return False
        zone = self._zone(name)
        before = zone.octets
        zone.insert(place, entry)
        self._bound(zone, before)
        return True

    def _bound(self, zone: _Zone, before: int) -> None:
        """
        Count what was added to a zone, and make room for it.
        """
        while zone.octets > self._zoneLimit and zone.entries:
            zone.remove(next(iter(zone.entries)))
        self.octets += zone.octets - before
        while self.octets > self._limit and self._zones:
            oldest = next(iter(self._zones.values()))
            if oldest.entries:
                before = oldest.octets
                oldest.remove(next(iter(oldest.entries)))
                self.octets += oldest.octets - before
            else:
                self._drop(oldest)

    def _drop(self, zone: _Zone) -> None:
        del self._zones[zone.name]
        self.octets -= zone.octets

    def flush(self, name: bytes, *, below: bool = False) -> int:
        """
        Remove a zone.

        @param below: whether to remove all zones below it too.

        @return: how many zones were removed.
        """
        name = name.lower()
        gone = [zone for zone in self._zones.values() if zone.name == name or (below and isBelow(zone.name, name))]
        for zone in gone:
            self._drop(zone)
        return len(gone)

    # -- use

    def deny(self, name: bytes, rrType: int, now: float) -> Synthesis | None:
        """
        Answer a question by stored records if they prove the answer.

        @return: the answer; L{None} if a server has to be asked.
        """
        if rrType in _UNPROVABLE or not self._zones:
            return None
        folded = name.lower()
        zone = self._zoneOf(parentOf(folded) if rrType == DS else folded)
        if zone is None:
            return None
        zone.now = now
        before = zone.octets
        found = zone.denies(folded, rrType)
        # Expired records were removed.
        self.octets += zone.octets - before
        if found is None:
            return None
        proof, wildcard = found
        soa = zone.soa
        if wildcard is None and (soa is None or soa.expires <= now):
            return None
        outcome = proof.outcome
        assert outcome is not None
        self._zones.move_to_end(zone.name)
        entries = zone.entries
        used: list[_Entry] = []
        for span in proof.spans:
            place = zone.placeOf(span)
            entries.move_to_end(place)
            used.append(entries[place])
        expires = min([entry.expires for entry in used])
        if wildcard is not None:
            ttl = int(min(expires, wildcard.expires) - now)
            rrset, signatures = wildcard.rrset, wildcard.signatures
            if proof.encloser is not None:
                entries.move_to_end((proof.encloser, rrset.rrType))
            answer = (
                RRSet(name, rrset.rrType, rrset.rrClass, ttl, rrset.rdatas),
                RRSet(name, RRSIG, rrset.rrClass, ttl, signatures.rdatas),
            )
            return Synthesis(outcome, answer, _withSignatures(used, ttl), ttl)
        assert soa is not None
        ttl = int(min(expires, soa.expires) - now)
        used.insert(0, soa)
        return Synthesis(outcome, (), _withSignatures(used, ttl), ttl)

    def _zoneOf(self, name: bytes) -> _Zone | None:
        """
        Return the closest zone that contains the name.
        """
        zones = self._zones
        position = 0
        while (zone := zones.get(name[position:])) is None and name[position]:
            position += name[position] + 1
        return zone


def _withSignatures(entries: list[_Entry], ttl: int) -> tuple[RRSet, ...]:
    sets: list[RRSet] = []
    for entry in entries:
        sets.append(entry.rrset.withTTL(ttl))
        sets.append(entry.signatures.withTTL(ttl))
    return tuple(sets)
