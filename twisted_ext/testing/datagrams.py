"""
Addresses and datagrams of an in-memory network, and a clock for many delayed calls.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

if TYPE_CHECKING:
    pass

__all__ = ["Address", "Datagram", "OrderedClock", "isLoopback", "isUnspecified", "normal", "takeDue"]

#: An IP address and a port.
Address = tuple[str, int]


class _OrderedCall(DelayedCall):
    """
    A delayed call that tells its clock of each change of its time, not only of one to an earlier time.
    """

    def reset(self, secondsFromNow: float) -> None:
        super().reset(secondsFromNow)
        self.resetter(self)

    def delay(self, secondsLater: float) -> None:
        super().delay(secondsLater)
        self.resetter(self)


class OrderedClock(Clock):
    """
    A clock that puts each new call into its place. Twisted's own sorts all calls for each one that is added and each one that is due, which
    with some hundred of them takes longer than what is tested.
    """

    def __init__(self) -> None:
        super().__init__()
        # Whether the time of a call has changed since they were last sorted.
        self._moved = False

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        call = _OrderedCall(self.rightNow + delay, callable, args, kw, self.calls.remove, self._noteMove, self.seconds)
        self._sortCalls()
        # Behind those of the same time.
        insort(self.calls, call, key=DelayedCall.getTime)
        return call

    def _noteMove(self, _: DelayedCall) -> None:
        self._moved = True

    def _sortCalls(self) -> None:
        if self._moved:
            self._moved = False
            self.calls.sort(key=DelayedCall.getTime)


def takeDue(clock: Clock, until: float) -> DelayedCall | None:
    """
    Take the next call from a clock, if its time is not after C{until}.
    """
    clock._sortCalls()
    calls = clock.calls
    return calls.pop(0) if calls and calls[0].getTime() <= until else None


@lru_cache(1024)
def normal(address: str) -> str:
    """
    Return the address in its canonical short form, without a scope.
    """
    return str(ip_address(address.partition("%")[0]))


@lru_cache(1024)
def isLoopback(address: str) -> bool:
    return ip_address(address).is_loopback


@lru_cache(1024)
def isUnspecified(address: str) -> bool:
    return ip_address(address).is_unspecified


@dataclass(slots=True, eq=False)
class Datagram:
    """
    A datagram on an in-memory network.

    @ivar at: when it was sent.
    @ivar source: its source address and port, which may be spoofed.
    @ivar destination: its destination address and port.
    @ivar octets: its payload.
    """

    at: float
    source: Address
    destination: Address
    octets: bytes

    def __repr__(self) -> str:
        return f"<Datagram {self.source} to {self.destination}, {len(self.octets)} octets>"
