"""
Limits how often a network may be wrong about a secret.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["FailedAttempts"]

_MINUTE: Final = 60.0

#: Networks that are counted.
_NETWORKS: Final = 10_000


class FailedAttempts:
    """
    Counts failures by network, and those of all. A try counts before it is known whether it is right, so that several at once are as many.
    """

    def __init__(self, most: int, *, ofAll: int | None = None) -> None:
        """
        @param most: failures of a network in a minute, after which it has to wait for the rest of it.
        @param ofAll: the same for all networks together; L{None} for any number.
        """
        self.most = most
        self._ofAll = ofAll
        self._known: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._all = (float("-inf"), 0)

    def waitFor(self, network: str, now: float, *, isApart: bool = False) -> float:
        """
        Return the seconds after which the network may try again; 0 for at once.

        @param isApart: whether it has nothing to do with the failures of all.
        """
        waits = [_left(*self._known.get(network, (now, 0)), self.most, now)]
        if self._ofAll is not None and not isApart:
            waits.append(_left(*self._all, self._ofAll, now))
        return max(waits)

    def note(self, network: str, now: float, *, isApart: bool = False) -> None:
        """
        Count a failure. For the arguments see L{waitFor}.
        """
        began, count = self._known.pop(network, (now, 0))
        self._known[network] = (now, 1) if now - began >= _MINUTE else (began, count + 1)
        if len(self._known) > _NETWORKS:
            self._known.popitem(last=False)
        if not isApart:
            began, count = self._all
            self._all = (now, 1) if now - began >= _MINUTE else (began, count + 1)

    def forgive(self, network: str, *, isApart: bool = False) -> None:
        """
        Take back a failure that was none.
        """
        if network in self._known:
            began, count = self._known[network]
            self._known[network] = began, max(count - 1, 0)
        if not isApart:
            began, count = self._all
            self._all = began, max(count - 1, 0)


def _left(began: float, count: int, most: int, now: float) -> float:
    return max(0.0, began + _MINUTE - now) if count >= most else 0.0
