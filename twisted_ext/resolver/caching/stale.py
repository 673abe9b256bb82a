"""
Waiting for a fresh answer, but not for long where there is a stale one (RFC 8767, section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_ext.answers import Answer
from twisted_ext.errors import BudgetSpent, PeerFault

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["freshOrStale"]


def freshOrStale(clock: IReactorTime, flight: Deferred[Answer], wait: float, stale: Callable[[], Answer | None]) -> Deferred[Answer]:
    """
    Give what C{flight} brings if it does so in time, else the stale answer; the flight then goes on, so that the next one has it better.

    A failure of servers brings out the stale answer at once. An answer that cannot be trusted does not: that somebody meddles is no
    reason to hide it.

    @param wait: seconds.
    @param stale: gives the stale answer, or L{None} when it is too old by then.
    """
    timers: list[IDelayedCall] = []

    def stop() -> None:
        for timer in timers:
            if timer.active():
                timer.cancel()

    def cancelled(_: object) -> None:
        stop()
        flight.cancel()

    result: Deferred[Answer] = Deferred(cancelled)

    def arrived(outcome: Answer | Failure) -> None:
        stop()
        if result.called:
            return
        if isinstance(outcome, Failure) and isinstance(outcome.value, PeerFault | BudgetSpent):
            answer = stale()
            if answer is not None:
                result.callback(answer)
                return
        result.callback(outcome)

    def waited() -> None:
        answer = stale()
        if answer is not None:
            result.callback(answer)

    flight.addBoth(arrived)
    if not result.called:
        timers.append(clock.callLater(wait, waited))
    return result
