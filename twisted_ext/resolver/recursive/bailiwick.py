"""
Keep what an upstream answers within the domain that it is asked about.
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.recursion.replies import scrubbed
from twisted_ext.resolver.ask import then
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.message import Question

__all__ = ["WithinDomain"]


@implementer(IAnswerSource)
class WithinDomain(WrappingSource):
    """
    Removes from answers the records of names outside of a domain: beside recursion, an upstream must not say what other zones contain
    (MaginotDNS, 2023). The target of an alias that leads out of the domain is left for L{AliasFollower
    <twisted_ext.resolver.combine.aliasfollower.AliasFollower>}.
    """

    __slots__ = ("_domain",)

    def __init__(self, inner: IAnswerSource, domain: bytes) -> None:
        """
        @param domain: folded.
        """
        super().__init__(inner)
        self._domain = domain

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return then(self._inner.ask(question, context), self._within, question)

    def _within(self, answer: Answer, question: Question) -> Answer:
        kept = scrubbed(question, answer, self._domain)
        if kept is not answer:
            kept.security = answer.security
        return kept
