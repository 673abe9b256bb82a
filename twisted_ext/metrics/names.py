"""
The most queried and the slowest names, in bounded memory whatever clients query.
"""

from __future__ import annotations

from heapq import nlargest, nsmallest
from typing import Generic, TypeVar

from twisted_ext.metrics.limits import NAMES_COUNTED, NAMES_SLOW

__all__ = ["Frequent", "FrequentNames", "Slowest", "questionName"]

#: A name in lower case, or the address of a client.
_Key = TypeVar("_Key", bytes, str)


def questionName(query: bytes) -> bytes:
    """
    Return the first question's name, uncompressed, in lower case; empty if the message holds no complete question.
    """
    end = 12
    length = len(query)
    while end < length:
        octet = query[end]
        if not octet:
            # Type and class follow.
            return query[12 : end + 1].lower() if end + 5 <= length else b""
        if octet > 63 or end > 12 + 254:
            break
        end += 1 + octet
    return b""


class Frequent(Generic[_Key]):
    """
    Counts names or clients, and forgets the least queried ones when there are too many (Misra and Gries): a flood of random names costs
    each other name at most what is subtracted from all of them alike, and no more work than any other name. The same holds for forged
    addresses.

    Counts are never too high, and too low by at most L{taken}.

    @ivar taken: the total subtracted so far, the most by which a count may be too low.
    """

    def __init__(self, most: int | None = None) -> None:
        self.taken = 0
        self._counts: dict[_Key, int] = {}
        self._most = int(NAMES_COUNTED.pick(most))

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, name: _Key) -> bool:
        return name in self._counts

    def add(self, name: _Key, weight: int = 1) -> None:
        """
        Count a name.

        @param name: in lower case.
        @param weight: how often.
        """
        counts = self._counts
        counts[name] = counts.get(name, 0) + weight
        if len(counts) > self._most:
            self._makeRoom()

    def _makeRoom(self) -> None:
        # Subtract the median: it frees half of the room, so this is seldom done.
        off = sorted(self._counts.values())[len(self._counts) // 2]
        self.taken += off
        self._counts = {name: count - off for name, count in self._counts.items() if count > off}

    def halve(self) -> None:
        """
        Halve all counts, so that names queried long ago make room for recent ones.
        """
        self.taken //= 2
        self._counts = {name: count // 2 for name, count in self._counts.items() if count > 1}

    def most(self, number: int) -> list[tuple[_Key, int]]:
        """
        Return at most this many names with their counts, the highest first.
        """
        return nlargest(number, self._counts.items(), key=lambda pair: (pair[1], pair[0]))


class FrequentNames(Frequent[bytes]):
    """
    Counts names in lower case.
    """


class Slowest:
    """
    The slowest names since the last L{turn} but one.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = int(NAMES_SLOW.pick(most))
        self._worst: dict[bytes, float] = {}
        self._former: dict[bytes, float] = {}
        self._floor = 0.0

    def add(self, name: bytes, seconds: float) -> None:
        if seconds <= self._floor:
            return
        name = name.lower()
        worst = self._worst
        if seconds > worst.get(name, 0.0):
            worst[name] = seconds
            if len(worst) > self._most:
                off = len(worst) // 2
                for fast, _ in nsmallest(off, worst.items(), key=lambda pair: pair[1]):
                    self._floor = worst.pop(fast)

    def turn(self) -> None:
        """
        Begin a new period, and drop the one before the last.
        """
        self._former = self._worst
        self._worst = {}
        self._floor = 0.0

    def most(self, number: int) -> list[tuple[bytes, float]]:
        """
        Return at most this many names with their longest times in seconds, the slowest first.
        """
        both = dict(self._former)
        for name, seconds in self._worst.items():
            if seconds > both.get(name, 0.0):
                both[name] = seconds
        return nlargest(number, both.items(), key=lambda pair: (pair[1], pair[0]))
