"""
Twisted's own resolver, to show the problems.
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
        Look up IPv4 addresses.
        """


def stockResolver(reactor: IReactorTime, *servers: tuple[str, int]) -> Stock:
    """
    Return a Twisted resolver with these servers.
    """
    return cast(Stock, newStock(servers=list(servers), reactor=reactor))
