"""
Read trust anchors in the format of BIND: C{trust-anchors}, and C{managed-keys} and C{trusted-keys} of earlier versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from twisted_ext.dnssec.anchors.recordlines import Faults, withoutColumn
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.errors import BadName, BadRecord
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["STATEMENTS", "anchorsFromStatements"]

#: Keywords before the key or digest: the type of record, and whether rollovers are followed.
_KINDS: Final = {
    "initial-key": (DNSKEY, True),
    "static-key": (DNSKEY, False),
    "initial-ds": (DS, True),
    "static-ds": (DS, False),
}

#: The statements, and whether their entries have one of these keywords.
STATEMENTS: Final = {"trust-anchors": True, "dnssec-keys": True, "managed-keys": True, "trusted-keys": False}

_WORD: Final = re.compile(
    r"""\s+|\#[^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/|"(?P<quoted>[^"]*)"|(?P<mark>[{};])|(?P<word>[^\s{};"]+)|(?P<wrong>.)""",
    re.DOTALL,
)

_EXPECTED: Final = 'NAME initial-key|static-key|initial-ds|static-ds NUMBER NUMBER NUMBER "DATA";'

_NUMBERS: Final = 3


class _Fault(Exception):
    """
    The text is not valid here.
    """

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def anchorsFromStatements(text: str, faults: Faults) -> list[tuple[int, Anchor]]:
    """
    Return the anchors with their lines. The first error ends reading: what follows it is rarely understood.
    """
    found: list[tuple[int, Anchor]] = []
    words = _words(text)
    try:
        for line, word in words:
            if word == ";":
                continue
            if word not in STATEMENTS:
                raise _Fault(line, f"{word[:40]!r} where {', '.join(STATEMENTS)} was expected")
            line, mark = next(words, (line, ""))
            if mark != "{":
                raise _Fault(line, f"{mark[:40]!r} where {{ was expected after {word}")
            _entries(words, line, STATEMENTS[word], found)
    except _Fault as fault:
        faults.add(fault.line, fault.text)
    return found


def _words(text: str) -> Iterator[tuple[int, str]]:
    """
    Yield words and marks with their lines. Marks are single characters; words from quotes have a space in front, so that they differ.
    """
    line, end = 1, 0
    for match in _WORD.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        kind = match.lastgroup
        if kind == "wrong":
            raise _Fault(line, "a quote is opened and never closed; write another one at its end")
        if kind == "quoted":
            yield line, " " + match["quoted"]
        elif kind is not None:
            yield line, match[0]


def _entries(words: Iterator[tuple[int, str]], line: int, withKinds: bool, found: list[tuple[int, Anchor]]) -> None:
    entry: list[str] = []
    begins = line
    for line, word in words:
        if word == "}":
            if entry:
                raise _Fault(begins, f"the entry has no semicolon at its end; {_EXPECTED} was expected")
            return
        if word == "{":
            raise _Fault(line, f"a brace where {_EXPECTED} was expected")
        if word != ";":
            if not entry:
                begins = line
            entry.append(word)
            continue
        if entry:
            found.append((begins, _anchor(begins, entry, withKinds)))
        entry = []
    raise _Fault(line, "the file ends within braces; write }; at the end")


def _anchor(line: int, entry: list[str], withKinds: bool) -> Anchor:
    words = [word.strip() for word in entry]
    rrType, managed = DNSKEY, False
    if withKinds:
        if len(words) < 2 or words[1] not in _KINDS:
            raise _Fault(line, f"{' '.join(words)[:60]!r} where {_EXPECTED} was expected")
        rrType, managed = _KINDS.get(words.pop(1), (DNSKEY, False))
    # The data is one string; blanks and line breaks within it are permitted.
    if len(words) < 1 + _NUMBERS + 1 or not all(word.isdecimal() and word.isascii() for word in words[1 : 1 + _NUMBERS]):
        expected = _EXPECTED if withKinds else 'NAME FLAGS PROTOCOL ALGORITHM "KEY";'
        raise _Fault(line, f"{' '.join(words)[:60]!r} where {expected} was expected")
    try:
        zone = nameFromText(words[0]).lower()
        return Anchor(zone, rrType, rdataFromText(rrType, " ".join(" ".join(words[1:]).split())), managed)
    except (BadName, BadRecord) as error:
        raise _Fault(line, withoutColumn(error)) from None
