"""
Deny names whose answers have certain addresses, or lead to certain domains.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import then
from twisted_ext.resolver.local.localanswers import emptySOA, lastTime
from twisted_ext.resolver.policy.addressset import AddressSet
from twisted_ext.resolver.policy.rebinding import addressesIn, embedded
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNAME

__all__ = ["DenyAnswers"]

#: Info code of an extended error (RFC 8914, section 4.18).
_FILTERED: Final = 17

#: Seconds for which clients may keep that a name is denied: after so many they see that it is not any more.
_TTL: Final = 60

_ALIASES: Final = (CNAME, DNAME)


@implementer(IAnswerSource)
class DenyAnswers(WrappingSource):
    """
    Denies that a name exists if its answer has a listed address, be it one of several, or leads to a listed domain from outside of that.
    The cache behind it keeps what is there.
    """

    __slots__ = ("_addresses", "_domains", "_excepted")

    def __init__(
        self, inner: IAnswerSource, addresses: AddressSet, domains: Iterable[bytes] = (), excepted: Iterable[bytes] = ()
    ) -> None:
        """
        @param addresses: IPv4 addresses count also where they are in an IPv6 address.
        @param domains: to which, and to names below which, no alias from outside may lead.
        @param excepted: domains whose names are not denied, with all names below them.
        """
        super().__init__(inner)
        self._addresses = addresses
        self._domains = tuple([name.lower() for name in domains])
        self._excepted = tuple([name.lower() for name in excepted])

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return then(self._inner.ask(question, context), self._passed, question, context)

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        for rrset in answer.answer:
            rule = self._ruleFor(rrset)
            if rule:
                if any(isBelow(question.key[:-4], domain) for domain in self._excepted):
                    return answer
                return _denial(answer, question, context, rule)
        return answer

    def _ruleFor(self, rrset: RRSet) -> str:
        """
        Return the setting and the value of it that records meet; C{""} for none.
        """
        if rrset.rrType in _ALIASES:
            owner = rrset.name.lower()
            for rdata in rrset.rdatas:
                target = rdata.lower()
                for domain in self._domains:
                    if isBelow(target, domain) and not isBelow(owner, domain):
                        return f"deny-answer-aliases {nameToText(domain)}"
            return ""
        for address in addressesIn(rrset):
            found = self._addresses.find(address)
            if found is None and (inner := embedded(address)) is not None:
                found = self._addresses.find(inner)
            if found is not None:
                return f"deny-answer-addresses {found}"
        return ""


def _denial(answer: Answer, question: Question, context: QueryContext, rule: str) -> Answer:
    if context.trace is not None:
        context.trace.note(lastTime(context.trace), "deny", "denied", rule=rule)
    origin = Origin("blocked", rule)
    if answer.origin is not None:
        # It holds for as long as what it is about.
        origin.learned, origin.expires = answer.origin.learned, answer.origin.expires
    soa = emptySOA(question.name, _TTL)
    return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, ede=((_FILTERED, ""),), origin=origin)
