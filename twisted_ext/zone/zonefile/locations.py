"""
Finds the positions of records in master files.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.zonefile.reader import Reader

__all__ = ["RecordLocations", "NumberPosition", "serialPlace"]

#: Blanks and parentheses; a comment; a quoted string; a word.
_TOKENS: Final = re.compile(rb'[\s()]+|;[^\n]*|"(?:[^"\\]|\\.)*"|(?P<word>(?:[^\s()";\\]|\\.)+)', re.DOTALL)


class RecordLocations(Reader):
    """
    Stores where the records of some names are in the file, and not the records.

    @ivar places: path and line by key and type, and by key and 0 for the first record of a name.
    """

    def __init__(self, apex: bytes, wanted: Collection[bytes]) -> None:
        super().__init__(apex, quick=False)
        self._wanted = wanted
        self.places: dict[tuple[bytes, int], tuple[str, int]] = {}

    def place(self, labels: bytes, rrType: int, record: bytes) -> None:
        key = labels.lower()
        if key in self._wanted:
            where = (self._path, self._line)
            self.places.setdefault((key, rrType), where)
            self.places.setdefault((key, 0), where)


class NumberPosition(NamedTuple):
    """
    The position of a number in a file.

    @ivar begin: the offset of its first digit.
    @ivar end: the offset after it.
    """

    path: str
    begin: int
    end: int
    text: bytes

    @property
    def serial(self) -> int:
        return int(self.text)


def serialPlace(path: str, apex: bytes) -> NumberPosition | None:
    """
    Find the serial number of a zone in its master file.

    @return: where the serial number is, in this file or in one that it includes; L{None} if no SOA record can be read, or if its rdata is
        in generic format (RFC 3597).

    @raise OSError: a file cannot be read.
    """
    locating = RecordLocations(apex, (b"",))
    locating.read(path)
    found = locating.places.get((b"", SOA))
    if found is None:
        return None
    source, line = found
    with open(source, "rb") as file:
        octets = file.read()
    start = 0
    for _ in range(line - 1):
        start = octets.find(b"\n", start) + 1
    words = 0
    for token in _TOKENS.finditer(octets, start):
        word = token.group("word")
        if word is None:
            continue
        if words:
            words += 1
        elif word.upper() == b"SOA":
            words = 1
        if words == 4:
            return NumberPosition(source, token.start(), token.end(), word) if word.isdigit() else None
    return None
