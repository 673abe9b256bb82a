"""
Trustworthiness of RRsets by their section in a reply (RFC 2181, section 5.4.1), and a cache of RRsets ranked by it.

L{Store<twisted_ext.cache.store.Store>} keeps answers by question and does not need this: no entry is used for another question. An
iterative resolver does, because it learns delegations and server addresses from other replies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from twisted_ext.answers import Answer
from twisted_ext.limits import CACHE_SECONDS, RRSET_RECORDS
from twisted_ext.wire.names import isBelow
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS

__all__ = ["ADDITIONAL", "ANSWER", "GLUE", "AUTHORITY", "AUTHORITATIVE", "PROVED", "CredibilityCache", "rankedSets"]

#: The additional section, or the authority section of a nonauthoritative reply. For finding servers, never for an answer.
ADDITIONAL: Final = 1

#: The answer section of a nonauthoritative reply, such as a forwarder's.
ANSWER: Final = 2

#: From the parent's side of a zone cut.
GLUE: Final = 3

#: The authority section of an authoritative reply.
AUTHORITY: Final = 4

#: The answer section of an authoritative reply.
AUTHORITATIVE: Final = 5

#: Validated by DNSSEC, in any section.
PROVED: Final = 6

#: Memory of one RRset without its records, in octets.
_SET: Final = 480

_BATCH: Final = 64


def rankedSets(answer: Answer, zone: bytes) -> Iterator[tuple[RRSet, int]]:
    """
    Iterate over the RRsets of a reply that may be cached.

    @param zone: folded name of the zone that the server was asked about. RRsets outside it are not accepted (bailiwick; RFC 5452, section
        6), whatever their section.
    """
    authoritative = answer.authoritative
    for sets, rank in (
        (answer.answer, AUTHORITATIVE if authoritative else ANSWER),
        (answer.authority, AUTHORITY if authoritative else ADDITIONAL),
        (answer.additional, ADDITIONAL),
    ):
        for rrset in sets:
            if isBelow(rrset.name.lower(), zone):
                yield rrset, rank


@dataclass(slots=True, eq=False)
class _Known:
    rrset: RRSet
    rank: int
    learned: float
    expires: float
    octets: int
    used: bool = False


class CredibilityCache:
    """
    RRsets by owner and type, each from the most trustworthy source seen, within a memory limit.
    """

    __slots__ = ("mostBytes", "octets", "_known")

    def __init__(self, mostBytes: int) -> None:
        self.mostBytes = mostBytes
        self.octets = 0
        self._known: dict[tuple[bytes, int], _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, rrset: RRSet, rank: int, now: float, *, renewed: bool = False) -> bool:
        """
        Add an RRset, unless one of higher rank is cached.

        @param renewed: for NS records, whether they come from the parent. A child may change its list of servers but not extend its own
            delegation: without the parent, its NS records expire when the cached ones would have (ghost domains, 2012).

        @return: whether it was added.
        """
        ttl = min(rrset.ttl, int(CACHE_SECONDS.default))
        if not ttl or len(rrset.rdatas) > RRSET_RECORDS.default:
            return False
        key = (rrset.name.lower(), rrset.rrType)
        before = self._known.get(key)
        expires = now + ttl
        if before is not None and now < before.expires:
            if rank < before.rank:
                return False
            if rrset.rrType == NS and not renewed:
                expires = min(expires, before.expires)
        octets = _SET + 2 * len(key[0]) + sum([48 + len(rdata) for rdata in rrset.rdatas])
        if before is not None:
            self.octets -= before.octets
            del self._known[key]
        self._known[key] = _Known(rrset, rank, now, expires, octets)
        self.octets += octets
        if self.octets > self.mostBytes:
            self._makeRoom(now)
        return True

    def find(self, name: bytes, rrType: int, now: float, least: int = ADDITIONAL) -> RRSet | None:
        """
        Return the set with its TTL counted down, or L{None}.

        @param name: folded.
        @param least: the lowest acceptable rank; L{ANSWER} for what is given as an answer.
        """
        known = self._known.get((name, rrType))
        if known is None or known.rank < least or not known.learned - 1 <= now < known.expires:
            return None
        known.used = True
        return known.rrset.withTTL(max(int(known.expires - now), 0))

    def _makeRoom(self, now: float) -> None:
        # Entries used since the last pass move to the end once.
        known = self._known
        turns = 2 * len(known) // _BATCH + 2
        while self.octets > self.mostBytes and turns:
            turns -= 1
            for key in list(islice(known, _BATCH)):
                each = known.pop(key)
                if each.used and now < each.expires:
                    each.used = False
                    known[key] = each
                else:
                    self.octets -= each.octets
                if self.octets <= self.mostBytes:
                    return

    def drop(self, name: bytes | None = None) -> None:
        """
        @param name: folded; all names below it are dropped as well. L{None} for everything.
        """
        for key in list(self._known):
            if name is None or isBelow(key[0], name):
                self.octets -= self._known.pop(key).octets
