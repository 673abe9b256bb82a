"""
Finds out whether names on the Internet can be resolved.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

__all__ = ["PROBE", "reaches"]

#: A name that any server on the Internet can resolve.
PROBE: Final = "www.python.org"

#: Seconds to wait for a reply.
_PATIENCE: Final = 3.0


async def reaches(source: IAnswerSource, reactor: IReactorTime) -> bool:
    question = Question(nameFromText(PROBE), A)
    context = QueryContext(reactor.seconds() + _PATIENCE)
    try:
        answer = await lookUp(source, question, context)
    except DNSFault:
        return False
    return answer.outcome is Outcome.DATA
