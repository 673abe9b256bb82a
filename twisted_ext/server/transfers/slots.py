"""
How much may be under way at a time, so that no server among those asked takes all of it.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.defer import Deferred

__all__ = ["Slots"]


class Slots:
    """
    Places that are taken and given back. Who waits for a place waits with others for the same server, in order; the servers take turns, and
    one that does not answer holds three quarters of all places at most.

    @ivar running: places taken.
    """

    def __init__(self, most: int) -> None:
        """
        @param most: how many places there are.
        """
        self.running = 0
        self._most = most
        self._each = max(1, most - most // 4)
        self._taken: Counter[str] = Counter()
        # The server whose turn is next stands first.
        self._waiting: dict[str, dict[Deferred[None], None]] = {}

    def acquire(self, server: str) -> Deferred[None]:
        """
        @param server: for which a place is wanted.

        @return: fires when it is there; to be given back with L{release} then. Cancelling it gives up waiting.
        """
        waiting: Deferred[None] = Deferred(lambda deferred: self._leave(server, deferred))
        self._waiting.setdefault(server, {})[waiting] = None
        self._go()
        return waiting

    def release(self, server: str) -> None:
        """
        Give a place back.
        """
        self.running -= 1
        self._taken[server] -= 1
        if not self._taken[server]:
            del self._taken[server]
        self._go()

    def _leave(self, server: str, deferred: Deferred[None]) -> None:
        waiting = self._waiting.get(server)
        if waiting is not None and deferred in waiting:
            del waiting[deferred]
            if not waiting:
                del self._waiting[server]

    def _go(self) -> None:
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
            self._taken[server] += 1
            first.callback(None)
