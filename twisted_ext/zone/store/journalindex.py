"""
Index of the entries in a journal's file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from twisted_ext.zone.store.changeset import longestRendered

__all__ = ["Entry", "SharedFile", "Pages"]

#: Differences, and octets of them, processed in one step: 10 ms of work.
_PORTION: Final = 128
_PORTION_OCTETS: Final = 2**17


class SharedFile:
    """
    An open file, closed when its last user releases it: a reader may still use it after another file has replaced it.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        """
        Close the file. Closing again does nothing.
        """
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


class Pages:
    """
    A file and its entries in one object, so that a reading thread gets both from the same state.

    @ivar entries: the entries in order.
    @ivar places: the index of the entry that begins at each serial number.
    """

    __slots__ = ("file", "entries", "places")

    def __init__(self, file: SharedFile) -> None:
        self.file = file
        self.entries: list[Entry] = []
        self.places: dict[int, int] = {}

    def note(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.places[entry.old] = len(self.entries) - 1

    def longest(self, entry: Entry, head: int, room: int) -> int:
        """
        Find out whether an entry has a record larger than C{room}. The result is cached.

        @param head: octets of an entry before its records.
        @param room: octets up to which the exact size does not matter.

        @return: the size of the longest record in an entry if that may be larger.
        """
        if entry.length > room and not entry.longest:
            try:
                octets = os.pread(self.file.number, entry.length, entry.offset)
            except OSError:
                # The sender will get and report the error.
                return 0
            entry.longest = max(longestRendered(octets[head:]), 1)
        return entry.longest

    def portions(self, start: int) -> Iterator[list[Entry]]:
        """
        Return the entries from an index on, in portions that can be processed in one step.

        @param start: the index.
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
    The place of a difference in a file.

    @ivar offset: its offset.
    @ivar length: its size in octets.
    @ivar old: the serial number before it.
    @ivar new: the serial number after it.
    @ivar longest: the size of its longest record; 0 if not computed yet.
    """

    __slots__ = ("offset", "length", "old", "new", "longest")

    def __init__(self, offset: int, length: int, old: int, new: int) -> None:
        self.offset = offset
        self.length = length
        self.old = old
        self.new = new
        self.longest = 0
