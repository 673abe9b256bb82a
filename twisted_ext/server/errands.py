"""
Requests that are no look-ups: transfers, notices, updates. Whoever sees to one takes it over behind the gates and says what to reply;
sending is not his.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from twisted.internet.defer import Deferred

from twisted_ext.server.requests import Refusal, Request

__all__ = ["Errand", "Flow", "Outcome", "errandKey", "opcodesOf", "transfersIn"]

#: Whole messages, signed where they are to be, that are made as the client reads them.
Flow = Iterator[bytes]

#: What comes of an errand: one reply, now or later, or many.
Outcome = Refusal | Flow | Deferred[Refusal]

Errand = Callable[[Request], Outcome]

_TRANSFERS: Final = (251, 252)


def errandKey(opcode: int, rrType: int = 0) -> int:
    """
    @param rrType: of what is asked, for queries; for other opcodes it does not matter.

    @return: what errands are kept by.
    """
    return opcode << 16 if opcode else rrType


def opcodesOf(errands: dict[int, Errand]) -> frozenset[int]:
    """
    @return: the opcodes beside QUERY that somebody sees to.
    """
    return frozenset([key >> 16 for key in errands if key >> 16])


def transfersIn(errands: dict[int, Errand]) -> bool:
    """
    @return: whether somebody sees to transfers.
    """
    return any(each in errands for each in _TRANSFERS)
