"""
Logs refused transfers, NOTIFY and UPDATE requests with client, key and reason; beyond a limit only their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.server.limits import DECLINED_LINES, DECLINED_SECONDS
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AXFR, IXFR

if TYPE_CHECKING:
    from twisted_ext.server.reply.requests import Refusal, Request

__all__ = ["RefusalLog"]

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
            client=request.client,
            key=_keyOf(request),
            why=_reason(request, refusal),
        )


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
