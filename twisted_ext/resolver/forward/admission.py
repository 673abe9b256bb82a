"""
Admission control for forwarded look-ups: if thousands begin at once, they are sent as replies arrive, so that the replies do not overflow a
receive buffer with room for some hundreds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import QueueFull
from twisted_ext.limits import LOOKUPS_BURST, LOOKUPS_WAITING
from twisted_ext.resolver.forward.failures import named
from twisted_ext.resolver.forward.holdable import Holdable

if TYPE_CHECKING:
    from collections.abc import Sized

    from twisted_ext.resolver.forward.lookup import ForwardedLookup
    from twisted_ext.resolver.forward.serverstats import ServerStats

__all__ = ["Admission"]

#: Look-ups that begin within this many seconds count as simultaneous.
_MOMENT: Final = 0.02

#: Round-trip times up to which each reply admits one more look-up. Longer ones may be due to queueing in a full receive buffer.
_BRISK: Final = 0.01

#: Seconds without any reply after which all queued look-ups begin, each with a timeout of its own.
_SILENCE: Final = 1.5


class Admission:
    """
    The admission queue of one forwarding source. It forms when many look-ups begin at once and drains as replies arrive; the number in
    progress is adjusted to what gets through without loss (additive increase, multiplicative decrease). A look-up whose first query has
    timed out does not count, because it is not load on the servers.

    @ivar queue: queued look-ups, oldest first, and the time when each was queued.
    @ivar late: the number of look-ups in progress whose first query has timed out.
    @ivar free: the number of look-ups that may begin at once; below it no accounting is done.
    @ivar size: the window: the maximum number of look-ups in progress while others are queued.
    """

    __slots__ = (
        *("queue", "late", "free", "size", "_under", "_standings", "_seconds", "_most"),
        *("_since", "_then", "_heard", "_growing", "_cutUntil", "_admitting", "_closed"),
    )

    def __init__(
        self, under: Sized, standings: Sequence[ServerStats], seconds: Callable[[], float], most: int | None
    ) -> None:
        """
        @param under: all look-ups in progress.
        """
        self.queue: OrderedDict[ForwardedLookup, float] = OrderedDict()
        self.late = 0
        self.free = int(LOOKUPS_BURST.default)
        self.size = float(self.free)
        self._under = under
        self._standings = standings
        self._seconds = seconds
        self._most = int(LOOKUPS_WAITING.pick(most))
        # The number of look-ups in progress at a recent time.
        self._since = -inf
        self._then = 0
        self._heard = 0.0
        self._growing = True
        self._cutUntil = -inf
        self._admitting = self._closed = False

    def enter(self, flight: ForwardedLookup, now: float) -> None:
        """
        Begin a look-up now, or queue it until there is room. If the queue is full, the look-up fails with L{QueueFull}.
        """
        queue = self.queue
        if flight.context.served:
            flight.launch(now)
            return
        if not queue:
            busy = len(self._under) - self.late
            if busy < self._then or now - self._since > _MOMENT:
                self._since = now
                self._then = busy
            if busy - self._then < self.free:
                flight.launch(now)
                return
            self.size = float(max(self.free, busy))
            self._growing = True
            self._heard = now
        if len(queue) >= self._most:
            text = f"{named(flight.question)}: {len(queue)} look-ups are queued already, and no more are accepted"
            flight.refuse(QueueFull(text))
            return
        queue[flight] = now
        holder = flight.context.flight
        if isinstance(holder, Holdable):
            holder.hold(now)

    def left(self, flight: ForwardedLookup) -> None:
        """
        Called when a look-up has ended or was cancelled.
        """
        if self.queue.pop(flight, None) is not None:
            return
        if flight.attempts == 1:
            self.size = min(self.size + (1.0 if self._growing and self._brisk() else 2.0 / self.size), LOOKUPS_BURST.most)
        self.admit(self._seconds())

    def _brisk(self) -> bool:
        """
        Return whether replies arrive so fast that queries cannot be queueing in a server's buffer.
        """
        return any(standing.rtt is not None and standing.rtt <= _BRISK for standing in self._standings)

    def lost(self, now: float) -> None:
        """
        Called when a look-up's first query timed out.
        """
        if now >= self._cutUntil:
            # Losses among queries that were sent together are one signal.
            self._cutUntil = now + max([standing.timeout for standing in self._standings])
            self._growing = False
            self.size = max(self.size / 2, float(self.free))
        self.admit(now)

    def admit(self, now: float) -> None:
        if self._admitting or self._closed:
            return
        if not all(standing.failures for standing in self._standings):
            self._heard = now
        silent = now - self._heard >= _SILENCE
        queue = self.queue
        self._admitting = True
        try:
            while queue and (silent or len(self._under) - self.late < self.size):
                flight, since = queue.popitem(last=False)
                context = flight.context
                if isinstance(context.flight, Holdable):
                    context.flight.proceed(now)
                # The time in the queue is not the servers' delay.
                flight.context = context.but(deadline=context.deadline + now - since)
                flight.launch(now)
        finally:
            self._admitting = False

    def close(self) -> list[ForwardedLookup]:
        self._closed = True
        return list(self.queue)
