"""
What a name stands for at one moment, and what makes one such state another.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, Question
from twisted_ext.errors import BadMessage, CallerFault
from twisted_ext.wire.rdata.registry import canonicalRdata, rdataFromText, rdataToText
from twisted_ext.wire.rrtypes import TXT

__all__ = ["Change", "Sought", "State", "stateOf"]

#: Types whose records are strings one behind the other, which mean the same wherever they are cut.
_STRINGS: Final = (TXT, 99)


class State:
    """
    What a name stands for: records of one type, that there are none, or that nobody knows.

    Two are equal if they say the same. The order of records, the case of names in them, TTLs and aliases that led there make no difference,
    nor does it why nobody knows.

    @ivar outcome: L{None} where nobody knows.
    @ivar texts: the records as in a master file, in canonical order; empty where there are none or nobody knows.
    @ivar answer: where it is known, the answer, with everything that aliases led over.
    @ivar error: where it is not, why.
    """

    __slots__ = ("outcome", "texts", "answer", "error", "rdatas")

    def __init__(
        self,
        outcome: Outcome | None,
        texts: tuple[str, ...] = (),
        answer: Answer | None = None,
        error: Exception | None = None,
        rdatas: tuple[bytes, ...] = (),
    ) -> None:
        """
        @param rdatas: the records in canonical form, in the order of C{texts}.
        """
        self.outcome = outcome
        self.texts = texts
        self.answer = answer
        self.error = error
        self.rdatas = rdatas

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return self.outcome is other.outcome and self.rdatas == other.rdatas

    def __hash__(self) -> int:
        return hash((self.outcome, self.rdatas))

    def __str__(self) -> str:
        if self.texts:
            return ", ".join(self.texts)
        if self.outcome is None:
            return f"not known: {self.error}"
        return "no such name" if self.outcome is Outcome.NXDOMAIN else "no such records"

    def __repr__(self) -> str:
        return f"<State {self}>"


class Change:
    """
    That a name stands for something else than before, or that this is not known any more, or is known again.

    @ivar before: what it was, L{None} the first time.
    @ivar after: what it is.
    """

    __slots__ = ("before", "after")

    def __init__(self, before: State | None, after: State) -> None:
        self.before = before
        self.after = after

    @property
    def texts(self) -> tuple[str, ...]:
        """
        The records now, as in a master file.
        """
        return self.after.texts

    @property
    def answer(self) -> Answer | None:
        """
        The answer that told it, if there was one.
        """
        return self.after.answer

    @property
    def error(self) -> Exception | None:
        """
        Why it is not known any more, if so.
        """
        return self.after.error

    def __str__(self) -> str:
        return str(self.after) if self.before is None else f"{self.after} (was {self.before})"

    def __repr__(self) -> str:
        return f"<Change to {self}>"


def stateOf(question: Question, answer: Answer) -> State:
    """
    @return: what an answer says of its question.
    """
    rrType = question.rrType
    rdatas, _, _ = found(question, answer)
    records = {_canonical(rrType, rdata): rdata for rdata in rdatas}
    order = tuple(sorted(records))
    outcome = answer.outcome
    if outcome is Outcome.DATA and not order:
        outcome = Outcome.NODATA
    return State(outcome, tuple([_text(rrType, records[each]) for each in order]), answer, None, order)


def _canonical(rrType: int, rdata: bytes) -> bytes:
    try:
        return canonicalRdata(rrType, rdata)
    except BadMessage:
        return rdata


def _text(rrType: int, rdata: bytes) -> str:
    try:
        return rdataToText(rrType, rdata)
    except BadMessage:
        return f"\\# {len(rdata)} {rdata.hex()}"


class Sought:
    """
    A record that somebody waits for, as people write it.

    @ivar text: what they wrote.
    """

    __slots__ = ("text", "_rrType", "_rdata", "_octets")

    def __init__(self, rrType: int, text: str) -> None:
        """
        @param text: the data of a record as in a master file. That of TXT may do without its quotation marks.

        @raise CallerFault: no record of this type looks like that.
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
                self._octets = _joined(self._rdata)

    def isIn(self, state: State) -> bool:
        """
        @return: whether it is among the records.
        """
        if self._rdata is not None and self._rdata in state.rdatas:
            return True
        return self._octets is not None and any(_joined(rdata) == self._octets for rdata in state.rdatas)


def _joined(rdata: bytes) -> bytes:
    """
    @return: the strings of a record, one behind the other.
    """
    parts: list[bytes] = []
    position = 0
    while position < len(rdata):
        end = position + 1 + rdata[position]
        parts.append(rdata[position + 1 : end])
        position = end
    return b"".join(parts)
