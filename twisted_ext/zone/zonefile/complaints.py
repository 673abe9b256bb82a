"""
What a master file gave: records, and what is wrong with it.
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

#: A file that was read: its path, its octets, and when it was changed last, in nanoseconds.
Source = tuple[str, int, int]

#: A record: its owner's absolute name as written, its type, its TTL, its rdata.
Line = tuple[bytes, int, int, bytes]


class Complaint:
    """
    What is wrong with a master file, and where.

    @ivar path: the file.
    @ivar line: beginning with 1; 0 where it is the file as a whole.
    @ivar column: likewise.
    @ivar text: what is there, and what was expected.
    @ivar fatal: whether there is no zone because of it.
    """

    __slots__ = ("path", "line", "column", "text", "fatal")

    def __init__(self, path: str, line: int, column: int, text: str, fatal: bool = True) -> None:
        self.path = path
        self.line = line
        self.column = column
        self.text = text
        self.fatal = fatal

    def toJSON(self) -> dict[str, object]:
        """
        @return: all of it as values of JSON.
        """
        return {"path": self.path, "line": self.line, "column": self.column, "text": self.text, "fatal": self.fatal}

    def __str__(self) -> str:
        place = ":".join([self.path or "zone", *[str(number) for number in (self.line, self.column) if number]])
        return f"{place}: {self.text}" if self.fatal else f"{place}: warning: {self.text}"

    def __repr__(self) -> str:
        return f"<Complaint {self}>"


class Reading:
    """
    What a master file gave.

    @ivar builder: the records, as those who build images take them, and the class of them all.
    @ivar complaints: in the order of the file.
    @ivar unsaid: how many complaints more there are.
    @ivar sources: every file that was read.
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
        Whether all that was read could be.
        """
        return not any(complaint.fatal for complaint in self.complaints)

    def records(self) -> Iterator[Line]:
        """
        @return: the records name by name, the apex first, others in the order in which they came; equal ones as often as they were
            written.
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
    @return: what is wrong, without the place in a text that nobody knows.
    """
    return error.text.removeprefix(f"column {error.column}: ")


def unreadable(path: str, error: Exception) -> BadRecord:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return badRecord(f"{path!r} cannot be read: {why}")
