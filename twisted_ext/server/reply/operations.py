"""
Requests that are no look-ups: transfers, notices, updates. Whoever sees to one takes it over behind the gates and says what to reply;
sending is not his.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol, runtime_checkable

from twisted.internet.defer import Deferred

from twisted_ext.server.reply.requests import Refusal, Request

__all__ = ["Operation", "MessageStream", "EarlyRefusal", "Delegable", "Outcome", "errandKey", "hopelessOf", "opcodesOf", "transfersIn"]

#: Whole messages, signed where they are to be, that are made as the client reads them.
MessageStream = Iterator[bytes]

#: What comes of an errand: one reply, or many, now or later.
Outcome = Refusal | MessageStream | Deferred[Refusal] | Deferred[Refusal | MessageStream]

Operation = Callable[[Request], Outcome]

_TRANSFERS: Final = (251, 252)

#: Octets up to which what is signed is read although nothing will come of it, so that the reply can be signed as well.
_SIGNED_OCTETS: Final = 512


@runtime_checkable
class Delegable(Protocol):
    """
    Messages of a transfer that another process can send as well.
    """

    def handOver(self) -> bool:
        """
        Make no more of them, since that is done elsewhere.

        @return: whether each record is to be in a message of its own.
        """


@runtime_checkable
class EarlyRefusal(Protocol):
    """
    An errand that knows of some requests that it will refuse them, whatever is in them.
    """

    def isHopeless(self, request: Request, signed: bool) -> bool:
        """
        @param request: its question has been read, and nothing behind it.
        @param signed: whether it may turn out to be signed.
        """


def errandKey(opcode: int, rrType: int = 0) -> int:
    """
    @param rrType: of what is asked, for queries; for other opcodes it does not matter.

    @return: what errands are kept by.
    """
    return opcode << 16 if opcode else rrType


def opcodesOf(errands: dict[int, Operation]) -> frozenset[int]:
    """
    @return: the opcodes beside QUERY that somebody sees to.
    """
    return frozenset([key >> 16 for key in errands if key >> 16])


def hopelessOf(errands: Mapping[int, Operation]) -> Callable[[Request], bool]:
    """
    @return: says whether a request that is no query will be refused by whoever sees to it, or read by somebody else: looked at before more
        than its question is read.
    """
    foreseeing: dict[int, EarlyRefusal] = {}
    unread: set[int] = set()
    for key, errand in errands.items():
        sees: object = errand
        if key >> 16 and getattr(sees, "unread", False):
            # Another process reads it, and judges it.
            unread.add(key >> 16)
        if key >> 16 and isinstance(sees, EarlyRefusal):
            foreseeing[key >> 16] = sees

    def hopeless(request: Request) -> bool:
        if request.opcode in unread:
            return True
        foreseen = foreseeing.get(request.opcode)
        if foreseen is None:
            return False
        signed = request.seemsSigned()
        return foreseen.isHopeless(request, signed) and not (signed and len(request.wire) <= _SIGNED_OCTETS)

    return hopeless


def transfersIn(errands: dict[int, Operation]) -> bool:
    """
    @return: whether somebody sees to transfers.
    """
    return any(each in errands for each in _TRANSFERS)
