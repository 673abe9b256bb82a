"""
Answers without the addresses of one family, for networks in which it does not work.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Final

from zope.interface import implementer

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import then
from twisted_ext.resolver.local.localanswers import emptySOA, lastTime
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import AD
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, HTTPS, RRSIG, SVCB, A

__all__ = ["TypeFilter"]

#: Info code of an extended error (RFC 8914, section 4.18).
_FILTERED: Final = 17

#: The parameters of service bindings with addresses (RFC 9460, section 7.3), by the type of the addresses.
_HINTS: Final = {A: 4, AAAA: 6}

#: The parameter that lists those that clients have to understand (RFC 9460, section 8).
_MANDATORY: Final = 0

_BINDINGS: Final = frozenset((HTTPS, SVCB))

#: Seconds for which clients may cache that there are no addresses, at most (RFC 2308, section 5).
_MOST_SECONDS: Final = 10800


@implementer(IAnswerSource)
class TypeFilter(WrappingSource):
    """
    Removes records of certain types from the answers of the inner source, with their signatures. A name without others has no data, which
    an extended error explains; aliases remain. Address hints of the same family in service bindings are removed as well, but for clients
    that ask for signatures, which would not match then.

    @param types: L{A}, L{AAAA} or both.
    """

    __slots__ = ("_types", "_hints")

    def __init__(self, inner: IAnswerSource, types: Iterable[int]) -> None:
        super().__init__(inner)
        self._types = frozenset(types)
        self._hints = frozenset([_HINTS[rrType] for rrType in self._types if rrType in _HINTS])

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return then(self._inner.ask(question, context), self._passed, question, context)

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        removed = [rrset for rrset in answer.answer if rrset.rrType in self._types]
        kept = self._without(answer.answer, context)
        additional = self._without(answer.additional, context)
        if kept is answer.answer and additional is answer.additional:
            return answer
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "filter", "removed" if removed else "hints removed")
        other = copy(answer)
        other.answer, other.additional = kept, additional
        # The octets of the message no longer match the answer, nor is it the one that was proved.
        other.message = None
        other.flags &= ~AD
        other.security = Security.INDETERMINATE
        if removed:
            other.ede = (*answer.ede, (_FILTERED, ""))
            if question.rrType in self._types or (question.rrType == ANY and all(rrset.rrType == RRSIG for rrset in kept)):
                other.outcome = Outcome.NODATA
                other.authority = (emptySOA(removed[-1].name, min(removed[-1].ttl, _MOST_SECONDS)),)
        return other

    def _without(self, section: tuple[RRSet, ...], context: QueryContext) -> tuple[RRSet, ...]:
        """
        Return a section without the removed types and their signatures; the same object if it has none.
        """
        types = self._types
        changed = False
        left: list[RRSet] = []
        for rrset in section:
            if rrset.rrType in types:
                changed = True
                continue
            if rrset.rrType == RRSIG:
                rdatas = tuple([rdata for rdata in rrset.rdatas if int.from_bytes(rdata[:2], "big") not in types])
            elif rrset.rrType in _BINDINGS and not context.dnssecOk:
                rdatas = tuple([self._unhinted(rdata) for rdata in rrset.rdatas])
            else:
                left.append(rrset)
                continue
            if rdatas != rrset.rdatas:
                changed = True
                rrset = RRSet(rrset.name, rrset.rrType, rrset.rrClass, rrset.ttl, rdatas)
            if rdatas:
                left.append(rrset)
        return tuple(left) if changed else section

    def _unhinted(self, rdata: bytes) -> bytes:
        """
        Return a service binding without the address hints; as it is if clients have to understand them.
        """
        at = 2
        while at < len(rdata) and rdata[at]:
            at += 1 + rdata[at]
        at += 1
        parts = [rdata[:at]]
        while at + 4 <= len(rdata):
            key = int.from_bytes(rdata[at : at + 2], "big")
            end = at + 4 + int.from_bytes(rdata[at + 2 : at + 4], "big")
            if key == _MANDATORY:
                listed = rdata[at + 4 : end]
                if any(int.from_bytes(listed[index : index + 2], "big") in self._hints for index in range(0, len(listed), 2)):
                    return rdata
            if key not in self._hints:
                parts.append(rdata[at:end])
            at = end
        return b"".join(parts) if at == len(rdata) else rdata
