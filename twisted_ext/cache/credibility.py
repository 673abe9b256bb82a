"""
How far a set of records is to be believed, by where in a reply it stood (RFC 2181, section 5.4.1), and keeping sets by that rule.

L{Store<twisted_ext.cache.store.Store>} keeps answers to questions and has no need of this: nothing in it speaks for another question.
What iterates from the root has, for delegations and addresses of servers are learned by the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from twisted_ext.answers import Answer
from twisted_ext.limits import CACHE_SECONDS, RRSET_RECORDS
from twisted_ext.wire.names import isBelow
from twisted_ext.wire.records import RRSet

__all__ = [
    "ADDITIONAL",
    "ANSWER",
    "GLUE",
    "AUTHORITY",
    "AUTHORITATIVE",
    "PROVED",
    "Ranked",
    "rankedSets",
]

#: Came along: additional data, or the authority section of who has no authority. Good for finding servers, never for an answer.
ADDITIONAL: Final = 1

#: The answer section of who has no authority, a forwarder's for example.
ANSWER: Final = 2

#: From the parent's side of a zone cut.
GLUE: Final = 3

#: The authority section of who has authority.
AUTHORITY: Final = 4

#: The answer section of who has authority.
AUTHORITATIVE: Final = 5

#: Proved by signatures, wherever it stood.
PROVED: Final = 6

_NS: Final = 2

#: Octets of memory of one set, its records apart.
_SET: Final = 480

_BATCH: Final = 64


def rankedSets(answer: Answer, zone: bytes) -> Iterator[tuple[RRSet, int]]:
    """
    Go through what may be kept of a reply.

    @param zone: folded name of the zone that the server was asked about. What lies outside of it the server has no say in (bailiwick;
        RFC 5452, section 6), whatever section it put it in.

    @return: sets and their ranks.
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


class _Known:
    __slots__ = ("rrset", "rank", "learned", "expires", "octets", "used")

    def __init__(self, rrset: RRSet, rank: int, learned: float, expires: float, octets: int) -> None:
        self.rrset = rrset
        self.rank = rank
        self.learned = learned
        self.expires = expires
        self.octets = octets
        self.used = False


class Ranked:
    """
    Sets by owner and type, each as good as the best that was seen of it, within a bound of octets.
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
        Take a set in, unless a better one is known.

        @param renewed: for NS records, whether it was the parent who said this. A child may say who its servers are but not for how
            long it is delegated: without the parent its NS records end when the known ones would have (ghost domains, 2012).

        @return: whether it was taken in.
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
            if rrset.rrType == _NS and not renewed:
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
        @param name: folded.
        @param least: the rank that it has to have; L{ANSWER} for what is to be given as an answer.

        @return: the set with its TTL counted down, or L{None}.
        """
        known = self._known.get((name, rrType))
        if known is None or known.rank < least or not known.learned - 1 <= now < known.expires:
            return None
        known.used = True
        return known.rrset.withTTL(max(int(known.expires - now), 0))

    def _makeRoom(self, now: float) -> None:
        # Whatever was used since it was last looked at goes to the end once.
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
        @param name: folded; with all below it. L{None} for everything.
        """
        for key in list(self._known):
            if name is None or isBelow(key[0], name):
                self.octets -= self._known.pop(key).octets
