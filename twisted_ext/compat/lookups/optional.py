"""
Look up optional records of a connection in parallel with the addresses that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

__all__ = ["hastened"]

_T = TypeVar("_T")


def hastened(
    looking: Deferred[_T], addresses: Callable[[], Iterable[Deferred[list[str]]]], clock: IReactorTime, delay: float
) -> Deferred[_T | None]:
    """
    Wait for records, but not for long once addresses are known: some networks drop queries for unknown types.

    @param looking: the look-up of the records.
    @param addresses: starts looking up the host's addresses, one Deferred for each family; not called if the records are cached.
    @param delay: seconds to wait for the records after the first address has arrived. Without any address there is no limit.

    @return: fires with the records, or with L{None} if the delay has passed; fails if their look-up fails. The address look-ups are
        cancelled only after it has fired, so that a caller that then starts the same look-ups joins them.
    """
    if looking.called:
        return looking.addCallback(_optional)
    return _Race(looking, clock, delay).begin(addresses())


def _optional(found: _T) -> _T | None:
    return found


class _Race(Generic[_T]):
    def __init__(self, looking: Deferred[_T], clock: IReactorTime, delay: float) -> None:
        self._looking = looking
        self._clock = clock
        self._delay = delay
        self._result: Deferred[_T | None] = Deferred(lambda _: self._end())
        self._beside: list[Deferred[None]] = []
        self._timer: IDelayedCall | None = None
        self._over = False

    def begin(self, addresses: Iterable[Deferred[list[str]]]) -> Deferred[_T | None]:
        for family in addresses:
            self._beside.append(family.addCallbacks(self._cbAddresses, _ignore))
        self._looking.addCallbacks(self._cbFound, self._ebFound)
        return self._result

    def _cbFound(self, found: _T) -> None:
        if not self._over:
            self._over = True
            self._result.callback(found)
            self._end()

    def _ebFound(self, failure: Failure) -> None:
        if not self._over:
            self._over = True
            self._result.errback(failure)
            self._end()

    def _cbAddresses(self, addresses: list[str]) -> None:
        if addresses and self._timer is None and not self._over:
            self._timer = self._clock.callLater(self._delay, self._late)

    def _late(self) -> None:
        self._over = True
        self._result.callback(None)
        self._end()

    def _end(self) -> None:
        self._over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._looking.cancel()
        for family in self._beside:
            family.cancel()


def _ignore(failure: Failure) -> None:
    """
    Ignore a failed address look-up. The wait for the records is not limited by it.
    """
