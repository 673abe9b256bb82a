"""
A semaphore with a fair queue, so that no single server among several takes all slots.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.defer import Deferred

__all__ = ["Slots"]


class Slots:
    """
    Slots that are acquired and released. Requests for the same server get slots in order, and the servers take turns. A server that does
    not answer holds at most three quarters of all slots.

    @ivar running: slots in use.
    @ivar waiting: queued requests for a slot.
    """

    def __init__(self, most: int, each: int | None = None) -> None:
        """
        @param each: maximum number of slots for one server; three quarters by default.
        """
        self.running = 0
        self.waiting = 0
        self._most = most
        self._each = max(1, most - most // 4) if each is None else each
        self._taken: Counter[str] = Counter()
        # Ordered by turn: the next server comes first.
        self._waiting: dict[str, dict[Deferred[None], None]] = {}
        self._going = False

    def take(self, server: str) -> bool:
        """
        Acquire a slot at once, to be returned with L{release}.

        @return: whether there was a free slot for this server, and no earlier request for it is queued.
        """
        if self.running >= self._most or self._taken[server] >= self._each or server in self._waiting:
            return False
        self.running += 1
        self._taken[server] += 1
        return True

    def acquire(self, server: str) -> Deferred[None]:
        """
        Acquire a slot, waiting if necessary.

        @return: fires when the slot is acquired; return it with L{release}. Cancelling it leaves the queue.
        """
        waiting: Deferred[None] = Deferred(lambda deferred: self._leave(server, deferred))
        self._waiting.setdefault(server, {})[waiting] = None
        self.waiting += 1
        self._go()
        return waiting

    def waitingFor(self, server: str) -> int:
        return len(self._waiting.get(server, ()))

    def release(self, server: str) -> None:
        self.running -= 1
        self._taken[server] -= 1
        if not self._taken[server]:
            del self._taken[server]
        self._go()

    def _leave(self, server: str, deferred: Deferred[None]) -> None:
        waiting = self._waiting.get(server)
        if waiting is not None and deferred in waiting:
            del waiting[deferred]
            self.waiting -= 1
            if not waiting:
                del self._waiting[server]

    def _go(self) -> None:
        if self._going:
            # A slot released inside a callback below is assigned by the outer loop, without recursion.
            return
        self._going = True
        try:
            while self.running < self._most:
                server = next((server for server in self._waiting if self._taken[server] < self._each), None)
                if server is None:
                    return
                waiting = self._waiting.pop(server)
                first = next(iter(waiting))
                del waiting[first]
                if waiting:
                    self._waiting[server] = waiting
                self.running += 1
                self.waiting -= 1
                self._taken[server] += 1
                first.callback(None)
        finally:
            self._going = False
