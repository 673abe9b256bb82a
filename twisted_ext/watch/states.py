"""
What a watched name resolves to at one moment, and whether two such states differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, Question
from twisted_ext.errors import BadMessage, CallerFault
from twisted_ext.wire.rdata.fieldtypes import joinedStrings
from twisted_ext.wire.rdata.registry import canonicalRdata, rdataFromText, rdataToText
from twisted_ext.wire.rrtypes import SPF, TXT

__all__ = ["Change", "Sought", "State", "stateOf"]

#: Types whose rdata is character-strings to be concatenated: where they are split has no meaning.
_STRINGS: Final = (TXT, SPF)


@dataclass(frozen=True, slots=True, repr=False)
class State:
    """
    What a name resolves to: records of one type, NODATA or NXDOMAIN, or unknown after a failed look-up.

    Two are equal if they have the same outcome and records. The order of records, the case of names in them, TTLs, the aliases on the way
    and the error of a failure make no difference.

    @ivar outcome: L{None} if the look-up failed.
    @ivar texts: the records in presentation format, in canonical order; empty if there are none or the look-up failed.
    @ivar answer: the answer, aliases included; L{None} if the look-up failed.
    @ivar error: why the look-up failed, or L{None}.
    @ivar rdatas: the records in canonical form, in the order of C{texts}.
    """

    outcome: Outcome | None
    texts: tuple[str, ...] = field(default=(), compare=False)
    answer: Answer | None = field(default=None, compare=False)
    error: Exception | None = field(default=None, compare=False)
    rdatas: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        if self.texts:
            return ", ".join(self.texts)
        if self.outcome is None:
            return f"not known: {self.error}"
        return "no such name" if self.outcome is Outcome.NXDOMAIN else "no such records"

    def __repr__(self) -> str:
        return f"<State {self}>"


@dataclass(slots=True, eq=False, repr=False)
class Change:
    """
    A name resolves to something else than before, or look-ups of it began to fail or to succeed again.

    @ivar before: the former state, L{None} the first time.
    @ivar after: the new state.
    """

    before: State | None
    after: State

    @property
    def texts(self) -> tuple[str, ...]:
        """
        The records now, in presentation format.
        """
        return self.after.texts

    @property
    def answer(self) -> Answer | None:
        """
        The answer with the new state, if there was one.
        """
        return self.after.answer

    @property
    def error(self) -> Exception | None:
        """
        Why the look-up failed, if it did.
        """
        return self.after.error

    def __str__(self) -> str:
        return str(self.after) if self.before is None else f"{self.after} (was {self.before})"

    def __repr__(self) -> str:
        return f"<Change to {self}>"


def stateOf(question: Question, answer: Answer) -> State:
    rrType = question.rrType
    rdatas, _, _ = found(question, answer)
    records = {_canonical(rrType, rdata): rdata for rdata in rdatas}
    order = tuple(sorted(records))
    outcome = answer.outcome
    if outcome is Outcome.DATA and not order:
        outcome = Outcome.NODATA
    return State(outcome, tuple([rdataToText(rrType, records[each]) for each in order]), answer, None, order)


def _canonical(rrType: int, rdata: bytes) -> bytes:
    try:
        return canonicalRdata(rrType, rdata)
    except BadMessage:
        return rdata


class Sought:
    """
    A record that a caller waits for, in presentation format.

    @ivar text: the record as the caller wrote it.
    """

    def __init__(self, rrType: int, text: str) -> None:
        """
        @param text: the rdata in presentation format. The quotation marks of TXT may be left out.

        @raise CallerFault: C{text} is not valid rdata of this type.
        """
        self.text = text
        self._rrType = rrType
        self._rdata: bytes | None = None
        self._octets = text.encode("utf-8", "surrogateescape") if rrType in _STRINGS else None
        try:
            self._rdata = _canonical(rrType, rdataFromText(rrType, text))
        except CallerFault:
            if self._octets is None:
                raise
        else:
            if self._octets is not None and text.startswith('"'):
                self._octets = joinedStrings(self._rdata)

    def isIn(self, state: State) -> bool:
        if self._rdata is not None and self._rdata in state.rdatas:
            return True
        return self._octets is not None and any(joinedStrings(rdata) == self._octets for rdata in state.rdatas)
