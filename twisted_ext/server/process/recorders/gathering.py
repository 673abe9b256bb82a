"""
Gathers what is told to a recorder, and passes it on in batches.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Gathering"]

#: What is passed on together, and seconds after which fewer are.
_BATCH: Final = 512
_SECONDS: Final = 0.05


class Gathering:
    """
    What waits to be passed on.
    """

    def __init__(self, reactor: IReactorTime, send: Callable[[list[Any], int], object], today: Callable[[], float] = time) -> None:
        """
        @param send: passes on a batch, and how many messages it has.
        @param today: returns seconds since 1970.
        """
        self._reactor = reactor
        self._send = send
        self._today = today
        self._told: list[tuple[Any, ...]] = []
        self._unmade: list[Callable[[], tuple[Any, ...]]] = []
        self._count = 0
        self._due: IDelayedCall | None = None

    def seconds(self) -> float:
        return self._reactor.seconds()

    def offset(self) -> float:
        """
        Return what is to be added to the reactor's seconds for those since 1970.
        """
        return self._today() - self._reactor.seconds()

    def add(self, told: tuple[Any, ...], count: int) -> None:
        """
        @param count: how many messages it is.
        """
        self._told.append(told)
        self._count += count
        if self._count >= _BATCH:
            self.flush()
        elif self._due is None:
            self._due = self._reactor.callLater(_SECONDS, self._flushLater)

    def addLater(self, make: Callable[[], tuple[Any, ...]]) -> None:
        """
        Add what is not complete before this turn of the reactor is over.

        @param make: returns it.
        """
        self._unmade.append(make)
        if self._due is None:
            self._due = self._reactor.callLater(_SECONDS, self._flushLater)

    def _flushLater(self) -> None:
        self._due = None
        self.flush()

    def flush(self) -> None:
        """
        Pass on what was gathered.
        """
        batch, self._told = self._told, []
        count, self._count = self._count, 0
        if self._unmade:
            unmade, self._unmade = self._unmade, []
            batch += [make() for make in unmade]
            count += len(unmade)
        if batch:
            self._send(batch, count)

    def close(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self.flush()
