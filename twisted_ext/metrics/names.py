"""
Which names are asked for most and which take longest, in a bounded space whatever is asked.
"""

from __future__ import annotations

from heapq import nlargest, nsmallest

from twisted_ext.metrics.limits import NAMES_COUNTED, NAMES_SLOW

__all__ = ["Asked", "Slowest", "questionName"]


def questionName(query: bytes) -> bytes:
    """
    @return: the first question's name, uncompressed as questions have it, in lower case; empty where there is none that is whole.
    """
    end = 12
    length = len(query)
    while end < length:
        octet = query[end]
        if not octet:
            return query[12 : end + 1].lower()
        if octet > 63 or end > 12 + 254:
            break
        end += 1 + octet
    return b""


class Asked:
    """
    Counts names, and forgets those that are asked for least when there are too many (Misra and Gries): a flood of random names costs the
    others at most what it takes off all of them alike, and the same work for each as any other name.

    Counts are never too large, and too small by no more than L{taken}.

    @ivar taken: how much was taken off at most.
    """

    __slots__ = ("taken", "_counts", "_most")

    def __init__(self, most: int | None = None) -> None:
        """
        @param most: how many names are kept.
        """
        self.taken = 0
        self._counts: dict[bytes, int] = {}
        self._most = int(NAMES_COUNTED.pick(most))

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, name: bytes, weight: int = 1) -> None:
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
        # The median, so that half of the room is free afterwards and this is done seldom.
        off = sorted(self._counts.values())[len(self._counts) // 2]
        self.taken += off
        self._counts = {name: count - off for name, count in self._counts.items() if count > off}

    def halve(self) -> None:
        """
        Let what was counted so far weigh half as much, so that names of long ago make room for those of now.
        """
        self.taken //= 2
        self._counts = {name: count // 2 for name, count in self._counts.items() if count > 1}

    def most(self, number: int) -> list[tuple[bytes, int]]:
        """
        @return: this many names with their counts at most, the largest count first.
        """
        return nlargest(number, self._counts.items(), key=lambda pair: (pair[1], pair[0]))


class Slowest:
    """
    The names that took longest, of the time since the last L{turn} but one.
    """

    __slots__ = ("_floor", "_former", "_most", "_worst")

    def __init__(self, most: int | None = None) -> None:
        """
        @param most: how many names are kept.
        """
        self._most = int(NAMES_SLOW.pick(most))
        self._worst: dict[bytes, float] = {}
        self._former: dict[bytes, float] = {}
        self._floor = 0.0

    def add(self, name: bytes, seconds: float) -> None:
        """
        Take note of how long a name took, if that is among the longest.
        """
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
        Begin a new period, and forget the one before the last.
        """
        self._former = self._worst
        self._worst = {}
        self._floor = 0.0

    def most(self, number: int) -> list[tuple[bytes, float]]:
        """
        @return: this many names with their longest times in seconds at most, the slowest first.
        """
        both = dict(self._former)
        for name, seconds in self._worst.items():
            if seconds > both.get(name, 0.0):
                both[name] = seconds
        return nlargest(number, both.items(), key=lambda pair: (pair[1], pair[0]))
