"""
Explain how a look-up arrived at its answer, for display and for programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, Union

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Note, QueryContext, Question, Trace
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp, shown
from twisted_ext.wire.codes import EDE_NAMES, className, rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import formOf, typeName

__all__ = ["Explanation", "explained", "recordLines"]

#: A JSON value.
Value: TypeAlias = Union[str, int, float, bool, None, "list[Value]", "dict[str, Value]"]


@dataclass(eq=False, repr=False)
class Explanation:
    """
    A look-up, its outcome, and every step.

    @ivar answer: the answer, or L{None} if the look-up failed.
    @ivar fault: its failure, or L{None}.
    @ivar notes: the steps, in order.
    @ivar began: when it began, in the clock's seconds; C{ended} likewise.
    """

    question: Question
    answer: Answer | None
    fault: DNSFault | None
    notes: list[Note]
    began: float
    ended: float

    @property
    def data(self) -> dict[str, Value]:
        """
        Return everything as dictionaries, lists, strings and numbers, as JSON takes them. Times are in seconds from the beginning.
        """
        question = self.question
        steps: list[Value] = [
            {"at": round(note.at - self.began, 6), "source": note.source, "event": note.event, "details": {**note.details}}
            for note in self.notes
        ]
        data: dict[str, Value] = {
            "name": nameToText(question.name),
            "type": typeName(question.rrType),
            "class": className(question.rrClass),
            "seconds": round(self.ended - self.began, 6),
            "steps": steps,
        }
        answer, fault = self.answer, self.fault
        if answer is not None:
            origin = answer.origin
            data["outcome"] = answer.outcome.value
            data["rcode"] = rcodeName(answer.rcode)
            data["security"] = answer.security.value
            data["records"] = [line for rrset in answer.answer for line in recordLines(rrset)]
            data["ede"] = [f"{EDE_NAMES.get(code, code)}" + (f": {text}" if text else "") for code, text in answer.ede]
            receipt = answer.receipt
            if receipt is not None:
                data["receipt"] = {key: round(getattr(receipt, key), 6) for key in receipt.__slots__}
            data["origin"] = None if origin is None else {
                "source": origin.source,
                "server": origin.server,
                "attempts": origin.attempts,
                "elapsed": round(origin.elapsed, 6),
                "age": round(origin.age, 6),
            }  # fmt: skip
        elif fault is not None:
            data["outcome"] = "unknown"
            data["rcode"] = rcodeName(fault.rcode)
            data["fault"] = type(fault).__name__
            data["reason"] = str(fault)
            data["server"] = fault.server
            data["attempts"] = fault.attempts
        return data

    @property
    def text(self) -> str:
        """
        Return the same as lines for display.
        """
        lines = [shown(self.question)]
        width = max([len(note.source) for note in self.notes], default=0)
        for note in self.notes:
            details = "".join([f" {key}={value}" for key, value in note.details.items() if value not in (None, "")])
            lines.append(f"  {(note.at - self.began) * 1000:8.1f} ms  {note.source:<{width}}  {note.event}{details}")
        lines.append(self._verdict())
        if self.answer is not None:
            lines += [f"  {line}" for rrset in self.answer.answer for line in recordLines(rrset)]
            for code, text in self.answer.ede:
                lines.append(f"  {EDE_NAMES.get(code, f'EDE {code}')}" + (f": {text}" if text else ""))
        # Text from files and servers may contain terminal escape sequences.
        return "\n".join([printable(line) for line in lines])

    def _verdict(self) -> str:
        took = f"{(self.ended - self.began) * 1000:.1f} ms"
        answer = self.answer
        if answer is None:
            return f"not known after {took}: {type(self.fault).__name__}: {self.fault}"
        said = {"data": "answered", "nodata": "no such data", "nxdomain": "no such name"}[answer.outcome.value]
        origin = answer.origin
        if origin is None:
            return f"{said} after {took}"
        where = " ".join([word for word in (origin.source, origin.server) if word])
        age = f", learned {origin.age:.0f} s ago" if origin.age >= 1 else ""
        sent = f", {_numbered(origin.attempts, 'query', 'queries')} sent" if origin.attempts else ""
        receipt = answer.receipt
        if receipt is not None:
            sent += f", {_numbered(receipt.octets, 'octet')} received"
            sent += f", {_numbered(receipt.verifications, 'signature')} checked" if receipt.verifications else ""
            sent += f", {_numbered(receipt.hashes, 'name')} hashed" if receipt.hashes else ""
        return f"{said} after {took}: {where}{sent}{age}; {answer.security.value}"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Explanation {self._verdict()}>"


def _numbered(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def recordLines(rrset: RRSet) -> list[str]:
    """
    Return one line for each record, in master file format; in generic form (RFC 3597, section 5) if the rdata is malformed.
    """
    from twisted_ext.wire.rdata.registry import rdataToText

    lines: list[str] = []
    for rdata in rrset.rdatas:
        text = rdataToText(formOf(rrset.rrType, rrset.rrClass), rdata)
        lines.append(f"{nameToText(rrset.name)} {rrset.ttl} {className(rrset.rrClass)} {typeName(rrset.rrType)} {text}")
    return lines


def explained(source: IAnswerSource, clock: IReactorTime, question: Question, context: QueryContext) -> Deferred[Explanation]:
    """
    Query a source, and record every step.

    @return: never fails with a L{DNSFault<twisted_ext.errors.DNSFault>}, which becomes part of the explanation.
    """
    began = clock.seconds()
    trace = context.trace = Trace(began)

    def cbAnswer(answer: Answer) -> Explanation:
        return Explanation(question, answer, None, trace.notes, began, clock.seconds())

    def ebAnswer(failure: Failure) -> Explanation | Failure:
        fault = failure.value
        return Explanation(question, None, fault, trace.notes, began, clock.seconds()) if isinstance(fault, DNSFault) else failure

    return lookUp(source, question, context).addCallbacks(cbAnswer, ebAnswer)
