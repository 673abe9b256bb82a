"""
Follow aliases that a source has not followed itself (RFC 1034, section 5.3.3, step 4c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zope.interface import classImplements

from twisted_ext.aliases import endOf
from twisted_ext.answers import Answer, Budget, Outcome, QueryContext, Security
from twisted_ext.errors import ServerFailed, WorkSpent
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import (
    AnsweredQuery,
    FurtheredStart,
    Query,
    QueryStart,
    Waiter,
    nowOf,
    queryOf,
    then,
    unknown,
)
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rrtypes import ANY, CNAME, SOA

__all__ = ["AliasFollower", "joined", "targetOf"]


#: Aliases that one look-up follows, within a zone and from zone to zone: as Unbound and BIND.
_ALIASES: Final = 11

#: A member of an Enum that is compared with in each look-up: to look it up in its class takes as long as ten attributes.
_NODATA: Final = Outcome.NODATA

#: Levels of security, the least trusted one first.
_TRUST: Final = (Security.BOGUS, Security.INDETERMINATE, Security.INSECURE, Security.SECURE)

#: Extended error "other" (RFC 8914, section 4.1).
_OTHER: Final = 0


class AliasFollower(WrappingSource):
    """
    Follows aliases whose targets the inner source has not answered: each target is a question of its own.

    @ivar targets: the source to ask for the targets: a cache in front of this one, so that what aliases share is looked up once.
    """

    def __init__(self, inner: IAnswerSource, budget: Callable[[], Budget] | None = None) -> None:
        """
        @param budget: makes the work budget that a look-up and those for its targets share, if its caller has none; L{None} for no budget.
        """
        super().__init__(inner)
        self.targets: IAnswerSource = self
        self.budget = budget

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        found = self._inner.ask(question, context)
        if found is None:
            return None
        if isinstance(found, Answer):
            return self.further(found, question)
        return _Following(self, question, found)

    def further(self, answer: Answer, question: Question) -> Answer | Start:
        """
        Return the answer, or what looks up the target of its aliases and fires with both together.
        """
        target = targetOf(question, answer)
        return answer if target is None else _Target(self, question, answer, target)


classImplements(AliasFollower, IAnswerSource)


class _Following(FurtheredStart):
    """
    A look-up whose answer may have an alias to follow.
    """

    __slots__ = ("_budget",)

    def __init__(self, follower: AliasFollower, question: Question, start: Start) -> None:
        super().__init__(start, follower.further, (question,))
        self._budget = follower.budget

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        if self._budget is not None and context.budget is None:
            # One object for all targets: a budget for each would multiply the work.
            context = context.spending(self._budget())
        return super().prepare(waiter, context)


class _Target(QueryStart):
    """
    The look-up of the target of an alias. Fails if the aliases are a loop, or too many.
    """

    __slots__ = ("_follower", "_question", "_answer", "_target", "_now")

    def __init__(self, follower: AliasFollower, question: Question, answer: Answer, target: bytes) -> None:
        self._follower = follower
        self._question = question
        self._answer = answer
        self._target = target
        self._now = 0.0

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        question, answer, target = self._question, self._answer, self._target
        if any(rrset.rrType == CNAME and rrset.name.lower() == target.lower() for rrset in answer.answer):
            text = f"{question}: its aliases lead in a circle back to {nameToText(target)}"
            raise ServerFailed(text, ede=((_OTHER, text),))
        if context.aliases >= _ALIASES:
            raise WorkSpent(f"{question}: more than {_ALIASES} aliases")
        inner = context.but(aliases=context.aliases + 1)
        source, asked = self._follower.targets, Question(target, question.rrType, question.rrClass)
        rest = then(source.ask(asked, inner), joined, answer, question)
        if rest is None:
            raise unknown(source, asked)
        if isinstance(rest, Answer):
            return AnsweredQuery(rest, waiter)
        self._now = nowOf(rest)
        return queryOf(rest, waiter, inner)

    def now(self) -> float:
        return self._now


def targetOf(question: Question, answer: Answer) -> bytes | None:
    """
    Return the name that the aliases in an answer lead to if the answer says nothing of it, else L{None}.
    """
    if answer.outcome is not _NODATA or not answer.answer or question.rrType in (CNAME, ANY):
        return None
    target = endOf(question.key[:-4], answer.answer, question.rrType)
    if target is None:
        return None
    folded = target.lower()
    # With the SOA record of a zone that it may be in, the servers have denied the target themselves.
    return None if any(rrset.rrType == SOA and isBelow(folded, rrset.name.lower()) for rrset in answer.authority) else target


def joined(rest: Answer, answer: Answer, question: Question) -> Answer:
    """
    Return an answer of aliases followed by the answer for their target.

    @raise ServerFailed: there are too many aliases.
    """
    both = answer.answer + tuple([rrset for rrset in rest.answer if rrset not in answer.answer])
    if sum([rrset.rrType == CNAME for rrset in both]) > _ALIASES:
        raise ServerFailed(f"{question}: more than {_ALIASES} aliases")
    origin = answer.origin
    if origin is not None and origin.work is not None and rest.origin is not None:
        # One look-up to its caller: its work is counted together already.
        origin.attempts = origin.work.packets
        origin.elapsed += rest.origin.elapsed
    security = answer.security if answer.security is rest.security else min(answer.security, rest.security, key=_TRUST.index)
    return Answer(
        rest.outcome,
        both,
        # What proves that the alias may come from a wildcard, and what is said of its target.
        answer.authority + tuple([rrset for rrset in rest.authority if rrset not in answer.authority]),
        rest.additional,
        rcode=rest.rcode,
        flags=answer.flags & rest.flags,
        security=security,
        ede=(*answer.ede, *[each for each in rest.ede if each not in answer.ede]),
        origin=origin,
    )
