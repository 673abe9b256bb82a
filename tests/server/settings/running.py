"""
A server that runs, for tests of what is changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, maybeDeferred, succeed

from twisted_ext.server.config.settings import Settings

__all__ = ["Running"]

_T = TypeVar("_T")


class Running:
    """
    A server that runs, whose settings are replaced at once.

    @ivar inForce: its settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.inForce = settings

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        return work()

    def elsewhere(self, work: Callable[[], _T]) -> Deferred[_T]:
        return maybeDeferred(work)

    def goOver(self, settings: Settings) -> Deferred[list[str]]:
        self.inForce = self.inForce.goingOverTo(settings)
        return succeed([])
