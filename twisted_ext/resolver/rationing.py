"""
Keeping one zone whose servers do not answer from taking all that there is for look-ups under way (water torture by random names below it).
"""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BudgetSpent
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import ZONE_LOOKUPS
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["Rationing", "domainOf"]

#: The zones of addresses, in which whole networks lie below the same two labels, and how many labels tell networks there apart: a /16 of
#: IPv4, a /32 of IPv6.
_NETWORKS: Final = ((nameFromText("in-addr.arpa"), 4), (nameFromText("ip6.arpa"), 10))

_NO_AUTHORITY: Final = 22


def domainOf(name: bytes) -> bytes | None:
    """
    Say what a name is counted under: where a zone begins cannot be told from a name, so it is its last two labels.

    @param name: folded.

    @return: the domain above it; L{None} for a name of no more labels than that, which stands for itself.
    """
    starts: list[int] = []
    position = 0
    while length := name[position]:
        starts.append(position)
        position += length + 1
    labels = 2
    if name.endswith(b"\x04arpa\x00"):
        for network, count in _NETWORKS:
            if name.endswith(network):
                labels = count
    return name[starts[-labels] :] if len(starts) > labels else None


@implementer(IAnswerSource)
class Rationing:
    """
    Lets so many look-ups for names below one domain be under way at a time. More are refused at once, while names elsewhere are looked up
    as ever. It stands inside of what shares look-ups, so that a name which many ask for counts once.
    """

    __slots__ = ("_inner", "_most", "_live")

    def __init__(self, inner: IAnswerSource, most: float | None = None) -> None:
        """
        @param most: look-ups under way for names below one domain.
        """
        self._inner = inner
        self._most = int(ZONE_LOOKUPS.pick(most))
        self._live: dict[bytes, int] = {}

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._inner.answerNow(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        domain = domainOf(question.key[:-4])
        if domain is None:
            return self._inner.answer(question, context)
        live = self._live.get(domain, 0)
        if live >= self._most:
            text = f"{live} look-ups for names below {nameToText(domain)} wait for answers, and more are not begun"
            return fail(BudgetSpent(text, rcode=2, ede=((_NO_AUTHORITY, "too many look-ups below this domain wait"),)))
        self._live[domain] = live + 1
        return self._inner.answer(question, context).addBoth(self._landed, domain)

    def _landed(self, outcome: Answer, domain: bytes) -> Answer:
        live = self._live[domain] - 1
        if live:
            self._live[domain] = live
        else:
            del self._live[domain]
        return outcome

    def close(self) -> Deferred[None]:
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)
