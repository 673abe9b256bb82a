"""
Operations other than look-ups: transfers, NOTIFY, UPDATE. A handler takes a request that has passed the gates and returns what to reply;
the responder sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol, runtime_checkable

from twisted.internet.defer import Deferred

from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.wire.rrtypes import AXFR, IXFR

__all__ = ["OpcodeHandler", "MessageStream", "EarlyRefusal", "Delegable", "Outcome", "handlerKey", "hopelessOf", "opcodesOf", "transfersIn"]

#: Whole messages, signed if needed, made as the client reads them.
MessageStream = Iterator[bytes]

#: What a handler makes of a request: one reply or many, now or later.
Outcome = Refusal | MessageStream | Deferred[Refusal] | Deferred[Refusal | MessageStream]

OpcodeHandler = Callable[[Request], Outcome]

#: Octets up to which a signed request is read whole even if it will be refused, so that the reply can be signed as well.
_SIGNED_OCTETS: Final = 512


@runtime_checkable
class Delegable(Protocol):
    """
    A message stream of a transfer that another process can send instead.
    """

    def handOver(self) -> bool:
        """
        Stop making messages, because another process takes over.

        @return: whether to send each record in a separate message.
        """


@runtime_checkable
class EarlyRefusal(Protocol):
    """
    A handler that can tell from the question alone that it will refuse a request.
    """

    def isHopeless(self, request: Request, signed: bool) -> bool:
        """
        Return whether the request will be refused, regardless of the rest of its content.

        @param request: only its question has been read.
        @param signed: whether it may turn out to be signed.
        """


def handlerKey(opcode: int, rrType: int = 0) -> int:
    """
    Return the key under which a handler is registered.

    @param rrType: the query type; ignored for opcodes other than QUERY.
    """
    return opcode << 16 if opcode else rrType


def opcodesOf(handlers: Mapping[int, OpcodeHandler]) -> frozenset[int]:
    return frozenset([key >> 16 for key in handlers if key >> 16])


def hopelessOf(handlers: Mapping[int, OpcodeHandler]) -> Callable[[Request], bool]:
    """
    Return a predicate on non-queries of which only the question has been read: whether the handler will refuse the request, or another
    process will read it.
    """
    foreseeing: dict[int, EarlyRefusal] = {}
    unread: set[int] = set()
    for key, handler in handlers.items():
        sees: object = handler
        if key >> 16 and getattr(sees, "unread", False):
            # Another process reads and judges it.
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


def transfersIn(handlers: Mapping[int, OpcodeHandler]) -> bool:
    return IXFR in handlers or AXFR in handlers
