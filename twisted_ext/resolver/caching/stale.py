"""
Wait briefly for a fresh answer before serving a stale one (RFC 8767, section 5).
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
    Return the result of C{flight} if it arrives in time, otherwise the stale answer; the flight then continues for the next caller.

    If the servers fail, the stale answer is served at once; but not if the fresh answer failed validation, because that would hide an
    attack.

    @param wait: seconds.
    @param stale: returns the stale answer, or L{None} if it is too old by then.
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
