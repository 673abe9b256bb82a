"""
Follow aliases that a server has not followed itself.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, QueryContext, Question

__all__ = ["Ask", "askedOn"]

#: A function that looks up a question, such as L{NamesResolver.lookUp<twisted_ext.compat.names.NamesResolver.lookUp>}.
Ask = Callable[[Question, QueryContext], "Deferred[Answer]"]


async def askedOn(
    ask: Ask, question: Question, answer: Answer, context: QueryContext, effort: int, searched: bool = True
) -> list[tuple[Question, Answer]]:
    """
    Follow the aliases of an answer with further look-ups, until an answer contains the end of the chain.

    @param effort: the maximum number of further look-ups.
    @param searched: see L{found}.

    @return: the question and the answer, followed by the further ones. If the last answer's aliases still lead out of it, the chain is a
        loop or too long.

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
