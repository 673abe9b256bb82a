"""
How much may be under way at a time, so that no server among those asked takes all of it.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.defer import Deferred

__all__ = ["Slots"]


class Slots:
    """
    Places that are taken and given back. Those who wait for a place for one server get it in order, and the servers take turns. One server
    that does not answer holds three quarters of all places at most.

    @ivar running: places taken.
    @ivar waiting: how many wait for a place.
    """

    def __init__(self, most: int, each: int | None = None) -> None:
        """
        @param most: how many places there are.
        @param each: how many of them one server may hold; three quarters by default.
        """
        self.running = 0
        self.waiting = 0
        self._most = most
        self._each = max(1, most - most // 4) if each is None else each
        self._taken: Counter[str] = Counter()
        # The server whose turn is next stands first.
        self._waiting: dict[str, dict[Deferred[None], None]] = {}
        self._going = False

    def take(self, server: str) -> bool:
        """
        Take a place at once, to be given back with L{release}.

        @return: whether there was one for this server, and none of its own waited for it.
        """
        if self.running >= self._most or self._taken[server] >= self._each or server in self._waiting:
            return False
        self.running += 1
        self._taken[server] += 1
        return True

    def acquire(self, server: str) -> Deferred[None]:
        """
        @param server: for which a place is wanted.

        @return: fires when it is there; to be given back with L{release} then. Cancelling it gives up waiting.
        """
        waiting: Deferred[None] = Deferred(lambda deferred: self._leave(server, deferred))
        self._waiting.setdefault(server, {})[waiting] = None
        self.waiting += 1
        self._go()
        return waiting

    def waitingFor(self, server: str) -> int:
        """
        @return: how many wait for a place for this server.
        """
        return len(self._waiting.get(server, ()))

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
            self.waiting -= 1
            if not waiting:
                del self._waiting[server]

    def _go(self) -> None:
        if self._going:
            # A place that is given back as soon as it is taken is passed on below, however many of these there are in a row.
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
