"""
Hash tables of packed answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from twisted_ext.cache.entries import packedBytes

__all__ = ["PARTS", "PackedTable"]

#: The number of dictionaries that the answers are divided among. A dictionary with as many deletions as insertions is rebuilt now and then,
#: using twice the memory meanwhile; with many small ones, that happens to one at a time.
PARTS: Final = 16

#: Entries examined at once: reaching the front of a dictionary costs as much as many entries.
_BATCH: Final = 64


class PackedTable:
    """
    Packed answers in approximate insertion order.

    @ivar octets: memory that they take.
    @ivar parts: the answers by key, in L{PARTS} dictionaries chosen by the key's hash. Read only.
    """

    __slots__ = ("octets", "parts", "_last", "_turn")

    def __init__(self) -> None:
        self.octets = 0
        self.parts: tuple[dict[bytes, bytes], ...] = tuple([{} for _ in range(PARTS)])
        self._last = self._turn = 0

    def __len__(self) -> int:
        return sum([len(part) for part in self.parts])

    def get(self, key: bytes) -> bytes | None:
        """
        Return the answer under this key.
        """
        return self.parts[hash(key) % PARTS].get(key)

    def put(self, key: bytes, data: bytes, octets: int) -> None:
        """
        Insert a key that is not in the table.

        @param octets: its memory as returned by L{packedBytes}.
        """
        self._last = hash(key) % PARTS
        self.parts[self._last][key] = data
        self.octets += octets

    def pop(self, key: bytes) -> bytes | None:
        """
        Remove and return the answer under this key.
        """
        data = self.parts[hash(key) % PARTS].pop(key, None)
        if data is not None:
            self.octets -= packedBytes(key, data)
        return data

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """
        Return all items; the table must not change during the iteration.
        """
        for part in self.parts:
            yield from part.items()

    def oldest(self, count: int) -> list[bytes]:
        """
        Return some of the oldest keys, from a different part each time.
        """
        self._turn = (self._turn + 1) % PARTS
        return list(islice(self.parts[self._turn], count))

    def evict(self, over: int) -> int:
        """
        Drop the oldest until this many octets are free, or nothing is left. It begins with the part that was inserted into last, so that
        all parts keep their sizes.

        @return: how many were dropped.
        """
        least = self.octets - over
        dropped = empty = 0
        index = self._last
        while self.octets > least and empty < PARTS:
            part = self.parts[index]
            for key in list(islice(part, _BATCH)):
                self.octets -= packedBytes(key, part.pop(key))
                dropped += 1
                if self.octets <= least:
                    return dropped
            empty = 0 if part else empty + 1
            index = (index + 1) % PARTS
        return dropped

    def clear(self) -> None:
        """
        Drop everything.
        """
        for part in self.parts:
            part.clear()
        self.octets = 0
