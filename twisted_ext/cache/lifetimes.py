"""
Cache lifetimes of answers (RFC 1035, section 3.2.1; RFC 2181, section 8; RFC 2308, section 5; RFC 8767, section 4).
"""

from __future__ import annotations

from copy import copy
from operator import is_
from typing import Final

from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.limits import CACHE_LEAST_SECONDS, CACHE_SECONDS, NEGATIVE_SECONDS, REFERRAL_SECONDS
from twisted_ext.wire.codes import TC
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, CNAME, IXFR, MAILA, MAILB, NS, OPT, RRSIG, SOA, TKEY, TSIG

__all__ = ["Lifetimes", "Sections"]

#: Answer, authority and additional section.
Sections = tuple[tuple[RRSet, ...], tuple[RRSet, ...], tuple[RRSet, ...]]

_NOTHING: Final[Sections] = ((), (), ())

#: Octets of the five numbers of an SOA record.
_SOA_NUMBERS: Final = 20

_DATA = Outcome.DATA
_SECURE = Security.SECURE
_IN = 1

#: Types that are not data of a name: transfers, mail agents, and types that occur only in messages.
_UNKEPT = frozenset((0, OPT, TKEY, TSIG, IXFR, AXFR, MAILB, MAILA))


def _denialSeconds(question: Question, answer: Answer, soa: RRSet) -> int | None:
    """
    Return the TTL of a denial by an SOA record: the lesser of its TTL and its MINIMUM field (RFC 2308, sections 3 and 5).

    @return: seconds; L{None} if the record does not apply: its zone does not contain the denied name.
    """
    rdata = soa.rdatas[0]
    if len(rdata) < _SOA_NUMBERS + 2:
        return None
    denied = question.name.lower()
    if answer.answer:
        aliases = {rrset.name.lower(): rrset for rrset in answer.answer if rrset.rrType == CNAME}
        # Remove each alias, so that a loop ends.
        while (alias := aliases.pop(denied, None)) is not None:
            denied = alias.rdatas[0].lower()
    if not isBelow(denied, soa.name.lower()):
        return None
    return min(soa.ttl, int.from_bytes(rdata[-4:], "big"))


class Lifetimes:
    """
    The limits and rules for the lifetimes of answers.

    @ivar most: the maximum TTL of any record.
    @ivar least: the minimum TTL of records that are neither signed nor secure; 0 keeps their own.
    @ivar mostDenial: the maximum seconds for a denial.
    @ivar referral: seconds for a referral received in place of an answer.
    """

    def __init__(
        self,
        most: float | None = None,
        least: float | None = None,
        mostDenial: float | None = None,
        referral: float | None = None,
    ) -> None:
        self.most = int(CACHE_SECONDS.pick(most))
        self.least = min(int(CACHE_LEAST_SECONDS.pick(least)), self.most)
        self.mostDenial = int(NEGATIVE_SECONDS.pick(mostDenial))
        self.referral = int(REFERRAL_SECONDS.pick(referral))

    def keeping(self, question: Question, answer: Answer) -> tuple[int, Sections]:
        """
        Return how long an answer to this question may be cached: as long as the shortest TTL of all its RRsets, since it is returned as a
        whole (RFC 2181, section 5.2, for the RRsets themselves).

        @return: seconds, and the three sections as they are cached, see L{clamped}; 0 seconds for an answer that may not be cached: another
            class than IN, or a denial without the SOA record that gives its TTL (RFC 2308, section 5).
        """
        answers, authority, additional = answer.answer, answer.authority, answer.additional
        if question.rrClass != _IN or question.rrType in _UNKEPT or answer.flags & TC:
            return 0, _NOTHING
        most = seconds = self.most
        plain = answer.outcome is _DATA
        if not plain:
            seconds = self._denied(question, answer)
            if not seconds:
                return 0, _NOTHING
        least = self.least
        if least and answer.security is _SECURE:
            # The signatures, beyond which no TTL may reach, may have been left out.
            least = 0
        if least:
            plain = False
        for sets in (answers, authority, additional):
            if sets:
                if least:
                    sets = self._raised(sets)
                for rrset in sets:
                    ttl = rrset.ttl
                    if ttl < seconds:
                        seconds = ttl
                    elif ttl > most:
                        plain = False
                    if rrset.rrClass != _IN:
                        return 0, _NOTHING
        if plain:
            return seconds, (answers, authority, additional)
        return seconds, (self.clamped(answer, answers), self.clamped(answer, authority), self.clamped(answer, additional))

    def given(self, answer: Answer) -> Answer | None:
        """
        Return a copy of the answer with the TTLs that it is cached with; L{None} if it has them already.
        """
        if answer.outcome is _DATA:
            most, least = self.most, self.least
            if least and answer.security is _SECURE:
                least = 0
            for rrset in answer.answer:
                if rrset.ttl > most or rrset.ttl < least:
                    break
            else:
                return None
        sections = answer.answer, answer.authority, answer.additional
        clamped = tuple([self.clamped(answer, sets) for sets in sections])
        if all(map(is_, sections, clamped)):
            return None
        other = copy(answer)
        other.answer, other.authority, other.additional = clamped
        # The octets of the message no longer match the answer.
        other.message = None
        return other

    def _denied(self, question: Question, answer: Answer) -> int:
        """
        Return seconds for a denial or a referral, not considering its own RRsets.
        """
        referral = False
        for rrset in answer.authority:
            if rrset.rrType == SOA:
                seconds = _denialSeconds(question, answer, rrset)
                if seconds is not None:
                    return min(seconds, self.mostDenial)
            elif rrset.rrType == NS:
                referral = True
        if referral and not answer.answer and answer.outcome is Outcome.NODATA:
            return self.referral
        return 0

    def _raised(self, sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
        """
        Apply the minimum TTL to unsigned RRsets; signed ones keep their TTL, so that it never exceeds the signature's.
        """
        least = self.least
        signed = {rrset.name.lower() for rrset in sets if rrset.rrType == RRSIG}
        raised: list[RRSet] = []
        for rrset in sets:
            own = rrset.ttl >= least or rrset.rrType in (RRSIG, SOA) or rrset.name.lower() in signed
            raised.append(rrset if own else rrset.withTTL(least))
        return tuple(raised)

    def clamped(self, answer: Answer, sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
        """
        Return the section with the TTLs that it is cached with: within the limits, and the SOA record of a denial with the TTL of the
        denial (RFC 2308, section 5).

        @param sets: one section of an answer.
        """
        if self.least and answer.security is not _SECURE:
            sets = self._raised(sets)
        most = self.most
        for rrset in sets:
            if rrset.ttl > most or (rrset.rrType == SOA and answer.outcome is not Outcome.DATA):
                break
        else:
            return sets
        changed: list[RRSet] = []
        for rrset in sets:
            ttl = min(rrset.ttl, most)
            if rrset.rrType == SOA and answer.outcome is not Outcome.DATA:
                ttl = min(ttl, int.from_bytes(rrset.rdatas[0][-4:], "big"), self.mostDenial)
            changed.append(rrset if ttl == rrset.ttl else rrset.withTTL(ttl))
        return sets if all(map(is_, changed, sets)) else tuple(changed)
