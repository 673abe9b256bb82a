"""
Explain how a resolver arrived at an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_ext.answers import Question
from twisted_ext.errors import CallerFault, Closed
from twisted_ext.resolver.lookup.explain import Explanation, explained, recordLines
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A, expectType

if TYPE_CHECKING:
    from twisted_ext.compat.names import NamesResolver

__all__ = ["Explanation", "explain", "recordLines"]


def explain(
    resolver: NamesResolver, clock: IReactorTime, name: str | bytes, rrType: int | str | None = None
) -> Deferred[Explanation]:
    """
    @see: L{NamesResolver.explain<twisted_ext.compat.names.NamesResolver.explain>}
    """
    try:
        number = A if rrType is None else expectType(rrType)
        question = Question(nameFromText(name), number)
        context = resolver.contextFor(None, name[-1:] not in (".", b"."))
    except CallerFault as fault:
        return fail(fault)
    if resolver.closed:
        now = clock.seconds()
        return succeed(Explanation(question, None, Closed("the resolver was closed"), [], now, now))
    return explained(resolver.source, clock, question, context)
