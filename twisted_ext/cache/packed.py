"""
Tables of packed answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from twisted_ext.cache.entries import packedBytes

__all__ = ["PARTS", "PackedTable"]

#: Into how many tables the answers are parted. A dictionary from which as much is taken as is put into it is built anew now and then, at
#: twice the memory meanwhile; of many small ones, one at a time.
PARTS: Final = 16

#: How many are looked at in one go: getting to the front of a dictionary costs as much as many of them.
_BATCH: Final = 64


class PackedTable:
    """
    Packed answers in the order of their coming, nearly.

    @ivar octets: memory that they take.
    @ivar parts: the answers by key, each where the hash of its key says, by L{PARTS}. Only to be looked into.
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
        @return: what is there under this key.
        """
        return self.parts[hash(key) % PARTS].get(key)

    def put(self, key: bytes, data: bytes, octets: int) -> None:
        """
        Put in what was not there.

        @param octets: what L{packedBytes} says of it.
        """
        self._last = hash(key) % PARTS
        self.parts[self._last][key] = data
        self.octets += octets

    def pop(self, key: bytes) -> bytes | None:
        """
        Take out what is there under this key.
        """
        data = self.parts[hash(key) % PARTS].pop(key, None)
        if data is not None:
            self.octets -= packedBytes(key, data)
        return data

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """
        @return: everything; nothing may be put in or taken out meanwhile.
        """
        for part in self.parts:
            yield from part.items()

    def oldest(self, count: int) -> list[bytes]:
        """
        @return: some keys that have been there for long, others each time.
        """
        self._turn = (self._turn + 1) % PARTS
        return list(islice(self.parts[self._turn], count))

    def evict(self, over: int) -> int:
        """
        Drop the oldest until so many octets are free, or nothing is left. It begins where something was put in last, so that all parts keep
        their sizes.

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
