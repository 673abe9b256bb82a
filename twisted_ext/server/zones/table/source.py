"""
Answer sources for a server's zones.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, succeed
from zope.interface import classImplements

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, Unknown
from twisted_ext.interfaces import IAnswerSource, IDirectSource
from twisted_ext.resolver.ask import then
from twisted_ext.server.zones.table.viewzones import ViewZones
from twisted_ext.wire.codes import AA, Ede
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.fieldtypes import plainName
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ALIAS, ANY, CNAME, DNAME, RRSIG, A
from twisted_ext.zone.query.answers import aliasTarget, answerAcross
from twisted_ext.zone.query.direct import directAnswer
from twisted_ext.zone.store.version import DirectAnswer

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start
    from twisted_ext.server.zones.table.zonetable import Zones

__all__ = ["AliasLeads", "AuthorityFirst", "AuthoritySource", "isReferral"]

#: Types for which an ALIAS record is expanded.
_ADDRESSES: Final = (A, AAAA)

#: Origin of answers from several zones: no single zone determines how long they are valid.
_SEVERAL: Final = Origin("zone")


class AuthoritySource:
    """
    Answers from the zones of a server, or from those for a view, at once. Returns nothing for other names.
    """

    def __init__(self, zones: Zones | ViewZones, *, minimalAny: bool = True, expandAlias: bool = False) -> None:
        """
        @param minimalAny: answer ANY queries with one RRset (RFC 8482, section 4.1).
        @param expandAlias: treat records of type 65401 as ALIAS in all zones, not only if a master file names them so.
        """
        self.zones = zones
        self._version = zones.version
        self._served = zones.served
        self._minimalAny = minimalAny
        self.expandAlias = expandAlias
        self._isMixed = zones.isMixed if isinstance(zones, ViewZones) else None

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        answer = answerAcross(self._version, question, dnssecOk=context.dnssecOk)
        if answer is None:
            return None
        if self._isMixed is not None and self._isMixed(question.key[:-4]):
            answer.origin = _SEVERAL
        sets = answer.answer
        if not sets:
            if question.rrType in _ADDRESSES and answer.outcome is Outcome.NODATA and answer.flags & AA:
                return self._aliased(question) or answer
        else:
            first = sets[0].rrType
            if first == CNAME or first == DNAME:
                if self._spansZones(answer):
                    answer.origin = _SEVERAL
            elif question.rrType == ANY and self._minimalAny:
                answer.answer = _one(sets)
        return answer

    def directAnswer(self, question: Question, dnssecOk: bool) -> DirectAnswer | None:
        """
        Return what L{ask} would answer, if that is only records and they can be taken from a zone as they are.
        """
        return directAnswer(self._served, question, dnssecOk)

    def _aliased(self, question: Question) -> Answer | None:
        """
        Return the addresses of the ALIAS target; L{None} if there is no ALIAS record.

        @raise AliasLeads: the target is in none of our zones.
        """
        version = self._version(question.key[:-4])
        if version is None or not (self.expandAlias or version.image.aliases):
            return None
        node = version.find(question.key[: -len(version.apex) - 4])
        alias = None if node is None else node.of(ALIAS)
        if alias is None or not _isName(alias.rdatas[0]):
            return None
        target = Question(alias.rdatas[0], question.rrType)
        found = answerAcross(self._version, target)
        if found is None or aliasTarget(found) is not None or isReferral(found):
            raise AliasLeads(target, alias.ttl)
        return asAlias(question, alias.ttl, found)

    def _spansZones(self, answer: Answer) -> bool:
        find = self.zones.find
        if len(self.zones) < 2:
            return False
        last = answer.authority[-1] if answer.authority else answer.answer[-1]
        own = find(last.name.lower())
        return any(find(rrset.name.lower()) is not own for rrset in answer.answer)

    def unknown(self, question: Question) -> Unknown:
        return Unknown("no zone of this server has that name")

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


classImplements(AuthoritySource, IDirectSource)


class AliasLeads(ServerFailed):
    """
    Raised for an ALIAS record whose target has to be looked up elsewhere.

    @ivar question: the question for the target.
    @ivar ttl: the TTL of the ALIAS record.
    """

    def __init__(self, question: Question, ttl: int) -> None:
        super().__init__(
            f"an ALIAS record leads to {nameToText(question.name)}", ede=((Ede.OTHER, "the target of an ALIAS record is in no zone here"),)
        )
        self.question = question
        self.ttl = ttl


def _isName(rdata: bytes) -> bool:
    try:
        return plainName(rdata, 0)[1] == len(rdata)
    except BadMessage:
        return False


def asAlias(question: Question, ttl: int, found: Answer) -> Answer | None:
    """
    Return the addresses of an ALIAS target under the queried name; L{None} if there are none.

    @param ttl: the TTL of the ALIAS record.
    """
    sets = [rrset for rrset in found.answer if rrset.rrType == question.rrType]
    if not sets:
        return None
    own = RRSet(question.name, question.rrType, 1, min(ttl, sets[0].ttl), sets[0].rdatas)
    return Answer(Outcome.DATA, (own,), flags=AA, origin=_originWith(found))


def _originWith(found: Answer) -> Origin:
    """
    Return the origin of a combined answer. If part of it comes from a cache, its TTLs count down as in the cache.

    @param found: the answer of another source for a name that a zone refers to.
    """
    origin = found.origin
    if origin is None or origin.learned is None:
        return _SEVERAL
    return Origin("zone", learned=origin.learned, expires=origin.expires)


def _one(sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
    """
    Return the first RRset, and its signatures if there are any.
    """
    first = next((rrset for rrset in sets if rrset.rrType != RRSIG), sets[0])
    covered = first.rrType.to_bytes(2, "big")
    return (first, *[rrset for rrset in sets if rrset.rrType == RRSIG and rrset is not first and rrset.rdatas[0][:2] == covered])


class AuthorityFirst:
    """
    Zones first, and another source for all other names. Clients that request recursion get no referrals: if a zone refers to other servers,
    or an alias leads out of the zones, the other source is queried.
    """

    def __init__(self, authority: AuthoritySource, others: IAnswerSource) -> None:
        self._authority = authority
        self._zones = authority.zones
        self._others = others
        self._first = authority.ask
        self._then = others.ask

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        try:
            answer = self._first(question, context) if self._zones else None
        except AliasLeads as leads:
            if not context.recursionDesired:
                raise
            return then(self._then(leads.question, context), self._alias, question, leads)
        if answer is None:
            return self._then(question, context)
        if not context.recursionDesired:
            return answer
        if isReferral(answer):
            return self._then(question, context)
        target = aliasTarget(answer)
        if target is None:
            return answer
        try:
            found = self._then(Question(target, question.rrType, question.rrClass), context)
        except DNSFault:
            return answer
        if found is None:
            return answer
        return _joined(found, answer) if isinstance(found, Answer) else partial(_startJoined, answer, found)

    def _alias(self, found: Answer, question: Question, leads: AliasLeads) -> Answer:
        return asAlias(question, leads.ttl, found) or Answer(Outcome.NODATA, flags=AA, origin=_originWith(found))

    def close(self) -> Deferred[None]:
        return self._others.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (cast(IAnswerSource, self._authority), self._others)


classImplements(AuthorityFirst, IAnswerSource)


def isReferral(answer: Answer) -> bool:
    return not answer.flags & AA and not answer.answer and answer.outcome is Outcome.NODATA and not answer.rcode


def _startJoined(first: Answer, start: Start, context: QueryContext) -> Deferred[Answer]:
    # The client can continue from there (RFC 1034, section 4.3.2), so a partial answer is better than a failure.
    return start(context).addCallbacks(_joined, lambda failure: first, (first,))


def _joined(found: Answer, first: Answer) -> Answer:
    """
    Return the aliases followed by the answer for their target.
    """
    return Answer(
        found.outcome,
        first.answer + found.answer,
        found.authority,
        found.additional,
        rcode=found.rcode,
        # AA refers to the queried name (RFC 1035, section 4.1.1).
        flags=found.flags | first.flags & AA,
        security=first.security,
        ede=found.ede,
        origin=_originWith(found),
    )
