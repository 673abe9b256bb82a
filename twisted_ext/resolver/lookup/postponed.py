"""
Names whose servers may not be asked yet.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, heapreplace
from math import inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from twisted_ext.ratecontrol import ServerRates

__all__ = ["MOST_POSTPONED", "Postponed"]

Entry = TypeVar("Entry")

#: Names that may wait before no more are read: 30 MB. With fewer, a list that is sorted by zone would come late to its other zones.
MOST_POSTPONED: Final = 100_000


class Postponed(Generic[Entry]):
    """
    Names that wait until one of their servers may be asked, to be begun again in the order in which they came.

    @ivar count: how many there are.
    """

    def __init__(self, rates: ServerRates) -> None:
        self.count = 0
        self._rates = rates
        self._queues: dict[tuple[str, ...], deque[Entry]] = {}
        # When the next one of each queue may begin.
        self._turns: list[tuple[float, tuple[str, ...]]] = []

    @property
    def due(self) -> float:
        """
        When the next one may begin; infinity if there is none.
        """
        return self._turns[0][0] if self._turns else inf

    def add(self, entry: Entry, servers: tuple[str, ...], due: float, returns: bool) -> None:
        """
        @param servers: the addresses of those that can be asked for it, in the same order each time.
        @param due: when it may begin at the earliest.
        @param returns: whether it has waited before: then it keeps its place.
        """
        self.count += 1
        queue = self._queues.get(servers)
        if queue is None:
            self._queues[servers] = deque([entry])
            heappush(self._turns, (due, servers))
        elif returns:
            queue.appendleft(entry)
        else:
            queue.append(entry)

    def next(self, now: float) -> Entry | None:
        """
        Return one that may begin now, if there is any.
        """
        turns = self._turns
        while turns and turns[0][0] <= now:
            servers = turns[0][1]
            wait = min([self._rates.wait(server, now) for server in servers])
            if wait:
                heapreplace(turns, (now + wait, servers))
                continue
            # If it asks others now, as a cache has brought it further, the next one of these may begin as well.
            queue = self._queues[servers]
            entry = queue.popleft()
            self.count -= 1
            if not queue:
                del self._queues[servers]
                heappop(turns)
            return entry
        return None
