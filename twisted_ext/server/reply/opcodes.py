"""
Operations other than look-ups: transfers, NOTIFY, UPDATE. A handler takes a request that has passed the gates and returns what to reply;
the responder sends it.

Refused ones are logged with client, key and reason; beyond a limit only their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_ext.server.limits import DECLINED_LINES, DECLINED_SECONDS
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AXFR, IXFR

if TYPE_CHECKING:
    from twisted_ext.server.reply.requests import Refusal, Request

__all__ = [
    "Delegable",
    "EarlyRefusal",
    "Forwarding",
    "MessageStream",
    "OpcodeHandler",
    "Outcome",
    "RefusalLog",
    "forwardedOf",
    "handlerKey",
    "hopelessOf",
    "opcodesOf",
    "transfersIn",
]

#: Whole messages, signed if needed, made as the client reads them.
MessageStream = Iterator[bytes]

#: What a handler makes of a request: one reply or many, now or later.
Outcome = Refusal | MessageStream | Deferred[Refusal] | Deferred[Refusal | MessageStream]

OpcodeHandler = Callable[[Request], Outcome]

#: Octets up to which a signed request is read whole even if it will be refused, so that the reply can be signed as well.
_SIGNED_OCTETS: Final = 512

_log: Final = Logger(__name__)

_KINDS: Final[dict[int, str]] = {Opcode.UPDATE: "update", Opcode.NOTIFY: "notice"}

#: Explanations of TSIG errors (RFC 8945, section 5.2).
_FAULTS: Final = {
    16: "the signature is wrong: do both sides have the same secret?",
    17: "there is no such key here",
    18: "the clocks of both sides differ too much",
    22: "the signature is cut too short",
}


class RefusalLog:
    """
    Logs refused operations, with a limit on lines per time.

    @ivar unsaid: refusals that were not logged since the last line.
    """

    def __init__(self, *, most: int | None = None, seconds: float | None = None) -> None:
        self.unsaid = 0
        self._most = int(DECLINED_LINES.pick(most))
        self._seconds = DECLINED_SECONDS.pick(seconds)
        self._begun = 0.0
        self._said = 0

    def tell(self, request: Request, refusal: Refusal) -> None:
        if refusal.silent or not refusal.rcode:
            return
        now = request.arrived
        if not self._said or now - self._begun >= self._seconds:
            if self.unsaid:
                _log.warn("{count} more requests were refused", count=self.unsaid)
            self._begun, self._said, self.unsaid = now, 0, 0
        if self._said >= self._most:
            self.unsaid += 1
            return
        self._said += 1
        _log.warn(
            "{kind} of {zone} is refused to {client}, {key}: {why}",
            kind=_kindOf(request),
            zone=nameToText(request.question.name),
            client=_clientOf(request),
            key=_keyOf(request),
            why=_reason(request, refusal),
        )


def _clientOf(request: Request) -> str:
    view = request.record.group.view
    return request.client if view is None or not view.shown else f"{request.client} in view {view.shown}"


def _kindOf(request: Request) -> str:
    kind = _KINDS.get(request.opcode)
    return kind or ("transfer" if request.question.rrType in (IXFR, AXFR) else "a query")


def _keyOf(request: Request) -> str:
    if request.signature is None:
        # A request that is refused because of its question alone is not read, so its key is not known.
        return "with a key that was not checked" if request.opcode and not request.message and request.seemsSigned() else "without a key"
    return f"key {nameToText(request.signature.keyName)}"


def _reason(request: Request, refusal: Refusal) -> str:
    try:
        said = Rcode(refusal.rcode).name
    except ValueError:
        said = f"rcode {refusal.rcode}"
    texts = [text for _, text in refusal.ede if text]
    if request.signature is not None and not request.keyName:
        error = Rcode.BADKEY if request.verdict is None else request.verdict.error
        if error in _FAULTS:
            texts.append(_FAULTS[error])
    return f"{said}: {'; '.join(texts)}" if texts else said


@runtime_checkable
class Delegable(Protocol):
    """
    A message stream of a transfer that another process can send instead.

    @ivar view: the view whose zone it is; C{""} for those for all clients.
    """

    view: str

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


@runtime_checkable
class Forwarding(Protocol):
    """
    A handler that passes some requests on to other servers, which judge their signatures.
    """

    def isForwarded(self, request: Request) -> bool:
        """
        Return whether a request is passed on if the client may have that done.
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


def forwardedOf(handlers: Mapping[int, OpcodeHandler]) -> Callable[[Request], bool]:
    """
    Return a predicate on non-queries: whether the handler passes the request on to a server that judges its signature.
    """
    forwarding: dict[int, Forwarding] = {}
    for key, handler in handlers.items():
        sees: object = handler
        if key >> 16 and isinstance(sees, Forwarding):
            forwarding[key >> 16] = sees
    return lambda request: request.opcode in forwarding and forwarding[request.opcode].isForwarded(request)


def transfersIn(handlers: Mapping[int, OpcodeHandler]) -> bool:
    return IXFR in handlers or AXFR in handlers
