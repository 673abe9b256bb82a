"""
Twisted's own resolver, to show what a pain was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tests.typed import newStock

__all__ = ["Stock", "stockResolver"]


class Stock(Protocol):
    """
    The part of it that is used here.
    """

    def lookupAddress(self, name: str, timeout: Sequence[int] | None = None) -> Deferred[object]:
        """
        Ask for addresses of IPv4.
        """


def stockResolver(reactor: IReactorTime, *servers: tuple[str, int]) -> Stock:
    """
    @return: one that asks these.
    """
    return cast(Stock, newStock(servers=list(servers), reactor=reactor))
