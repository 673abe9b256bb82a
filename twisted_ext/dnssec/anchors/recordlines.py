"""
Read the records of a small file in the format of master files, with the comments behind them: files of trust anchors and the state of
rollovers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted_ext.errors import BadName, BadRecord
from twisted_ext.limits import FILE_COMPLAINTS
from twisted_ext.wire.codes import IN, className
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.fieldtypes import nameFromToken
from twisted_ext.wire.rdata.registry import declarationOf
from twisted_ext.wire.rdata.text import headFromTokens
from twisted_ext.wire.rrtypes import DNSKEY, DS, RRSIG, typeName
from twisted_ext.wire.tokens import TOKEN, Tokens

__all__ = ["Faults", "RecordLine", "recordLines", "withoutColumn"]

_EXPECTED: Final = "a record such as: example.com. IN DS 12345 13 2 0123..."


class Faults:
    """
    The errors in one file, each one line that names the file and the line in it.

    @ivar where: the name of the file.
    """

    __slots__ = ("where", "lines")

    def __init__(self, where: str) -> None:
        self.where = where
        self.lines: list[str] = []

    def add(self, line: int, text: str) -> None:
        self.lines.append(f"{self.where}:{line}: {text}" if line else f"{self.where}: {text}")

    @property
    def full(self) -> bool:
        """
        Whether there are so many that reading ends.
        """
        return len(self.lines) >= FILE_COMPLAINTS.default


def withoutColumn(error: BadRecord | BadName) -> str:
    """
    Return what an error says without the column, which is not that of the file where the text is put together from parts.
    """
    column = error.column if isinstance(error, BadRecord) else 0
    return error.text.removeprefix(f"column {column}: ")


class RecordLine(NamedTuple):
    """
    One DS or DNSKEY record.

    @ivar line: the number of its first line.
    @ivar zone: the folded owner.
    @ivar ttl: seconds; 0 if the record has no TTL.
    @ivar comment: the last comment before the record ends, with its semicolons.
    """

    line: int
    zone: bytes
    rrType: int
    ttl: int
    rdata: bytes
    comment: str


class _Reader:
    """
    The state between two records: the origin, and the last owner.
    """

    __slots__ = ("faults", "origin", "owner", "records")

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.origin: bytes | None = None
        self.owner: bytes | None = None
        self.records: list[RecordLine] = []

    def take(self, words: list[str], line: int, indented: bool, comment: str) -> None:
        """
        Add the record, or report why that is not possible.
        """
        try:
            if words[0].startswith("$"):
                self._direct(words)
            else:
                self._record(words, line, indented, comment)
        except (BadRecord, BadName) as error:
            self.faults.add(line, withoutColumn(error))

    def _direct(self, words: list[str]) -> None:
        directive = words[0].upper()
        if directive == "$ORIGIN" and len(words) == 2:
            self.origin = nameFromText(words[1], self.origin)
        elif directive != "$TTL" or len(words) != 2:
            raise BadRecord(f"{' '.join(words)[:40]!r} where $ORIGIN with a name, $TTL with seconds, or a record was expected")

    def _record(self, words: list[str], line: int, indented: bool, comment: str) -> None:
        tokens = Tokens.ofWords(words, self.origin)
        if not indented:
            self.owner = nameFromToken(tokens, tokens.take("the name of a zone"))
        if self.owner is None:
            raise BadRecord(f"the line begins with a blank, but no line before it has the name of a zone; {_EXPECTED} was expected")
        rrClass, ttl, rrType = headFromTokens(tokens)
        if rrClass is not None and rrClass != IN:
            raise BadRecord(f"a record of class {className(rrClass)}; class IN was expected")
        if rrType == RRSIG:
            # Replies that were saved as a file hold the signatures as well.
            return
        if rrType not in (DS, DNSKEY):
            raise BadRecord(f"a record of type {typeName(rrType)}; DS or DNSKEY was expected")
        rdata = declarationOf(rrType).fromTokens(tokens).wire
        self.records.append(RecordLine(line, self.owner.lower(), rrType, ttl or 0, rdata, comment))


def recordLines(text: str, faults: Faults) -> list[RecordLine]:
    """
    Return the DS and DNSKEY records of a text. Errors are added to C{faults}.
    """
    reader = _Reader(faults)
    words: list[str] = []
    begins = line = 1
    depth = opened = lineStart = 0
    indented = broken = False
    comment = ""
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        found = match[0]
        if kind is None:
            if found[0] == ";":
                comment = found
            continue
        if kind == "mark" and found == "\n":
            line += 1
            lineStart = match.end()
            if depth:
                continue
            if words and not broken:
                reader.take(words, begins, indented, comment)
            if faults.full:
                return reader.records
            words, broken, comment = [], False, ""
            continue
        if not words and not depth:
            begins = line
            indented = text[lineStart] in " \t"
        if kind != "mark":
            words.append(match[kind])
            line += found.count("\n")
        elif found == "(":
            opened = opened if depth else line
            depth += 1
        elif found == ")" and depth:
            depth -= 1
        elif not broken:
            what = {")": "a parenthesis is closed that was never opened", '"': "a quote is opened and never closed"}.get(
                found, "a backslash ends the line"
            )
            faults.add(line, f"{what}; {_EXPECTED} was expected")
            broken = True
    if depth:
        faults.add(opened, "a parenthesis is opened and never closed; write the other one at the end of the record")
    elif words and not broken:
        reader.take(words, begins, indented, comment)
    return reader.records
