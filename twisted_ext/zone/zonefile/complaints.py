"""
The result of reading a master file: records and complaints.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from twisted_ext.errors import BadRecord
from twisted_ext.wire.tokens import badRecord
from twisted_ext.zone.store.imagebuilder import ImageBuilder

__all__ = ["Complaint", "Line", "Reading", "Source", "plain", "unreadable"]

_fixed: Final = Struct(">HHHIH").unpack_from

#: Octets between an owner's labels and the rdata.
_BETWEEN: Final = 12

#: A file that was read: its path, its size, and its modification time in nanoseconds.
Source = tuple[str, int, int]

#: A record: its owner's absolute name as written, its type, its TTL, its rdata.
Line = tuple[bytes, int, int, bytes]


class Complaint:
    """
    An error or warning about a master file, with its position.

    @ivar path: the file.
    @ivar line: the line, beginning with 1; 0 if it is about the file as a whole.
    @ivar column: the column, likewise.
    @ivar text: the error, and what was expected.
    @ivar fatal: whether it prevents the zone from being built.
    """

    __slots__ = ("path", "line", "column", "text", "fatal")

    def __init__(self, path: str, line: int, column: int, text: str, fatal: bool = True) -> None:
        self.path = path
        self.line = line
        self.column = column
        self.text = text
        self.fatal = fatal

    def toJSON(self) -> dict[str, object]:
        return {"path": self.path, "line": self.line, "column": self.column, "text": self.text, "fatal": self.fatal}

    def __str__(self) -> str:
        place = ":".join([self.path or "zone", *[str(number) for number in (self.line, self.column) if number]])
        return f"{place}: {self.text}" if self.fatal else f"{place}: warning: {self.text}"

    def __repr__(self) -> str:
        return f"<Complaint {self}>"


class Reading:
    """
    The content of a master file.

    @ivar builder: the records, ready for an image to be built, and their class.
    @ivar complaints: the complaints, in the order of the file.
    @ivar unsaid: the number of further complaints.
    @ivar sources: all files that were read.
    """

    __slots__ = ("builder", "complaints", "unsaid", "sources")

    def __init__(self, builder: ImageBuilder) -> None:
        self.builder = builder
        self.complaints: list[Complaint] = []
        self.unsaid = 0
        self.sources: list[Source] = []

    @property
    def sound(self) -> bool:
        """
        Whether there are no fatal complaints.
        """
        return not any(complaint.fatal for complaint in self.complaints)

    def records(self) -> Iterator[Line]:
        """
        Return the records name by name, the apex first, the others in the order of their first record; duplicates are kept.
        """
        apex = self.builder.apexName
        for key, octets in self.builder.nodes.items():
            length = len(key)
            position = 0
            while position < len(octets):
                _, rrType, _, ttl, size = _fixed(octets, position + length)
                start = position + length + _BETWEEN
                yield octets[position : position + length] + apex, rrType, ttl, octets[start : start + size]
                position = start + size


def plain(error: BadRecord) -> str:
    """
    Return the error text without its column, which is that of the entry and not of the file.
    """
    return error.text.removeprefix(f"column {error.column}: ")


def unreadable(path: str, error: Exception) -> BadRecord:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return badRecord(f"{path!r} cannot be read: {why}")
