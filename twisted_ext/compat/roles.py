"""
Combine resolvers in the three roles of L{twisted.names.server} into one answer source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Question
from twisted_ext.compat.conversion.names import queryOf
from twisted_ext.compat.conversion.results import resultFromAnswer
from twisted_ext.compat.foreign import setsFrom, sourceOf
from twisted_ext.errors import BadMessage, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import LOCAL_ALIASES
from twisted_ext.resolver.ask import begun, lookUp, then
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.sources import closeAll
from twisted_ext.wire.codes import AA, IN
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, NS, SOA

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

__all__ = ["Roles"]


#: C{cacheResult} of a cache of twisted.names.
_Remember = Callable[[dns.Query, tuple[list[dns.RRHeader], ...]], object]


@implementer(IAnswerSource)
class Authority:
    """
    An authoritative resolver: sets AA on its answers, except on referrals.
    """

    def __init__(self, resolver: object, clock: IReactorTime) -> None:
        self._inner = sourceOf(resolver, clock)
        self._resolver = resolver

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return then(self._inner.ask(question, context), self._marked)

    def _marked(self, answer: Answer) -> Answer:
        authority = answer.authority
        if answer.outcome is Outcome.NXDOMAIN and not authority:
            authority = self._start()
        types = [rrset.rrType for rrset in authority]
        referral = not answer.answer and NS in types and SOA not in types
        marked = _copied(answer, answer.flags & ~AA if referral else answer.flags | AA)
        marked.authority = authority
        marked.origin = Origin("zone", "" if answer.origin is None else answer.origin.server)
        return marked

    def _start(self) -> tuple[RRSet, ...]:
        """
        Return the SOA record of a zone of twisted.names, whose denials lack it.
        """
        soa: tuple[bytes, dns.Record_SOA] | None = getattr(self._resolver, "soa", None)
        if soa is None:
            return ()
        try:
            name, record = soa
            ttl = min(record.minimum, record.ttl or record.minimum)
            return setsFrom([dns.RRHeader(name, dns.SOA, IN, ttl, record)])
        except (AttributeError, TypeError, ValueError, BadMessage):
            return ()

    def close(self) -> Deferred[None]:
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)


def _copied(answer: Answer, flags: int) -> Answer:
    copied = copy(answer)
    copied.flags = flags
    # Its octets no longer match the answer.
    copied.message = None
    return copied


@implementer(IAnswerSource)
class ClientSource:
    """
    A client or cache resolver, optionally with a cache of twisted.names that stores its answers. AA is cleared on all of them.
    """

    def __init__(self, resolver: object, remember: _Remember | None, clock: IReactorTime) -> None:
        self._inner = sourceOf(resolver, clock)
        self._remember = remember

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return then(self._inner.ask(question, context), self._told, question)

    def _told(self, answer: Answer, question: Question) -> Answer:
        if (
            self._remember is not None
            and (answer.answer or answer.authority or answer.additional)
            and answer.outcome is not Outcome.NXDOMAIN
        ):
            query = queryOf(question.name.lower(), question.rrType, question.rrClass)
            self._remember(query, tuple(resultFromAnswer(answer)))
        return _copied(answer, answer.flags & ~AA) if answer.flags & AA else answer

    def close(self) -> Deferred[None]:
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)


@implementer(IAnswerSource)
class Roles:
    """
    Queries authorities, then caches, then, if recursion is desired, clients. If an authority's alias leads to a name outside its data, the
    alias is followed by querying all of them.

    @ivar cache: the last of the caches, or L{None}.
    @ivar canRecurse: whether there are clients.
    """

    def __init__(
        self, clock: IReactorTime, authorities: Sequence[object], caches: Sequence[object], clients: Sequence[object]
    ) -> None:
        self.cache = caches[-1] if caches else None
        self.canRecurse = bool(clients)
        remember: _Remember | None = getattr(self.cache, "cacheResult", None)
        self._authorities: list[IAnswerSource] = [Authority(each, clock) for each in authorities]
        self._caches: list[IAnswerSource] = [ClientSource(each, None, clock) for each in caches]
        self._clients: list[IAnswerSource] = [ClientSource(each, remember, clock) for each in clients]
        self._clock = clock
        self._knowing = self._chained(self._caches)
        self._everybody = self._chained([*self._caches, *self._clients])

    def _chained(self, others: Sequence[IAnswerSource]) -> IAnswerSource | None:
        sources = [*self._authorities, *others]
        return ChainSource(sources, self._clock) if sources else None

    def around(self, wrap: Callable[[IAnswerSource], IAnswerSource]) -> Roles:
        """
        Return these with a source around all but the authorities.
        """
        other = copy(self)
        other._knowing, other._everybody = [
            self._chained([wrap(ChainSource(sources, self._clock))] if sources else [])
            for sources in (self._caches, [*self._caches, *self._clients])
        ]
        return other

    def _chosen(self, context: QueryContext) -> IAnswerSource | None:
        return self._everybody if context.recursionDesired else self._knowing

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        chosen = self._chosen(context)
        if chosen is None:
            return None
        found = chosen.ask(question, context)
        if found is None or not self._authorities or (isinstance(found, Answer) and self._leadsOn(found, context) is None):
            return found
        return partial(self._start, question, found)

    def _start(self, question: Question, found: Answer | Start, context: QueryContext) -> Deferred[Answer]:
        asked = succeed(found) if isinstance(found, Answer) else begun(found, context, self._clock)
        return asked.addCallback(self._followed, question, context)

    def unknown(self, question: Question) -> Unknown:
        return Unknown("there is no authority or cache to query, and recursion is not desired or not available")

    def _leadsOn(self, answer: Answer, context: QueryContext) -> bytes | None:
        """
        Return the target of an alias at the end of an authority's answer, if the answer does not cover the target.
        """
        if not (self._authorities and answer.flags & AA and answer.answer and answer.outcome is Outcome.NODATA):
            return None
        if answer.answer[-1].rrType != CNAME or answer.authority:
            return None
        return answer.answer[-1].rdatas[0]

    def _followed(self, answer: Answer, question: Question, context: QueryContext) -> Answer | Deferred[Answer]:
        target = self._leadsOn(answer, context)
        return answer if target is None else Deferred.fromCoroutine(self._follow(answer, target, question, context))

    async def _follow(self, first: Answer, target: bytes, question: Question, context: QueryContext) -> Answer:
        seen = {question.name.lower()}
        records = list(first.answer)
        answer = first
        chosen = self._chosen(context)
        while chosen is not None and target.lower() not in seen and len(seen) <= LOCAL_ALIASES.default:
            seen.add(target.lower())
            try:
                answer = await lookUp(chosen, Question(target, question.rrType, question.rrClass), context)
            except Unknown:
                # The client continues from there (RFC 1034, section 4.3.2).
                break
            records += answer.answer
            following = self._leadsOn(answer, context)
            if following is None:
                break
            target = following
        return Answer(
            answer.outcome,
            tuple(records),
            answer.authority,
            answer.additional,
            rcode=answer.rcode,
            # AA refers to the name in the question (RFC 1035, section 4.1.1).
            flags=answer.flags | AA,
            security=first.security,
            ede=answer.ede,
            origin=first.origin,
        )

    def close(self) -> Deferred[None]:
        return closeAll(self.sources())

    def sources(self) -> tuple[IAnswerSource, ...]:
        return () if self._everybody is None else (self._everybody,)
