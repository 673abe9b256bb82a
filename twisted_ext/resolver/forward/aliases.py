"""
Aliases that a server leaves to whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, QueryContext, Question

__all__ = ["Ask", "askedOn"]

#: A way to ask, such as L{NamesResolver.ask<twisted_ext.compat.names.NamesResolver.ask>}.
Ask = Callable[[Question, QueryContext], "Deferred[Answer]"]


async def askedOn(
    ask: Ask, question: Question, answer: Answer, context: QueryContext, effort: int, searched: bool = True
) -> list[tuple[Question, Answer]]:
    """
    Ask on from an answer, until there is one that says what is at the end of its aliases.

    @param effort: how often to ask.
    @param searched: see L{found}.

    @return: the question and the answer, and those that came behind them. Where the last answer's aliases lead out of it as well, they lead
        nowhere: in a circle, or too far.

    @raise twisted_ext.errors.DNSFault: as C{ask} fails.
    """
    steps = [(question, answer)]
    seen = {question.name.lower()}
    while len(steps) <= effort:
        _, _, left = found(question, answer, searched)
        if left is None or left.lower() in seen:
            break
        seen.add(left.lower())
        question = Question(left, question.rrType, question.rrClass)
        context = context.but(relative=False)
        answer = await ask(question, context)
        steps.append((question, answer))
    return steps
