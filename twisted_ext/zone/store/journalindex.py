"""
What is where in the file of a journal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from twisted_ext.zone.store.changeset import longestRendered

__all__ = ["Entry", "File", "Pages", "syncFolder"]

#: Differences, and octets of them, that are gone through in one go: 10 ms of work.
_PORTION: Final = 128
_PORTION_OCTETS: Final = 2**17


class File:
    """
    An open file, which is closed when nobody needs it any more: one may still be read from when another has taken its place.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        """
        Close it. Closing again does nothing.
        """
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


class Pages:
    """
    A file and what is in it, together, so that a thread that reads has both of one kind.

    @ivar entries: in their order.
    @ivar places: where among them is what leads from a serial number.
    """

    __slots__ = ("file", "entries", "places")

    def __init__(self, file: File) -> None:
        self.file = file
        self.entries: list[Entry] = []
        self.places: dict[int, int] = {}

    def note(self, entry: Entry) -> None:
        """
        There is one more at the end.
        """
        self.entries.append(entry)
        self.places[entry.old] = len(self.entries) - 1

    def longest(self, entry: Entry, head: int, room: int) -> int:
        """
        @param head: octets of an entry before its records.
        @param room: octets up to which nobody cares.

        @return: octets of the longest record in an entry, where they may be more than that. It is looked for once.
        """
        if entry.length > room and not entry.longest:
            try:
                octets = os.pread(self.file.number, entry.length, entry.offset)
            except OSError:
                # Whoever is to send it finds out why.
                return 0
            entry.longest = max(longestRendered(octets[head:]), 1)
        return entry.longest

    def portions(self, start: int) -> Iterator[list[Entry]]:
        """
        @param start: the first entry.

        @return: the entries from there on, so many at a time as one can go through before others have their turn.
        """
        some: list[Entry] = []
        octets = 0
        for entry in self.entries[start:]:
            some.append(entry)
            octets += entry.length
            if len(some) >= _PORTION or octets >= _PORTION_OCTETS:
                yield some
                some, octets = [], 0
        if some:
            yield some


class Entry:
    """
    A difference in a file.

    @ivar offset: where it begins.
    @ivar length: octets that it has.
    @ivar old: the serial number that it leads from.
    @ivar new: the one that it leads to.
    @ivar longest: octets of its longest record; 0 while nobody has looked.
    """

    __slots__ = ("offset", "length", "old", "new", "longest")

    def __init__(self, offset: int, length: int, old: int, new: int) -> None:
        self.offset = offset
        self.length = length
        self.old = old
        self.new = new
        self.longest = 0


def syncFolder(path: str) -> None:
    """
    Have the disk know a file's name as well.
    """
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
