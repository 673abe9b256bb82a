"""
Support test reactors that do not implement C{IReactorTime}, such as Twisted's L{MemoryReactor<twisted.internet.testing.MemoryReactor>}.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import directlyProvides, providedBy

from twisted_ext.errors import WrongType

__all__ = ["withClock"]


class _Timed:
    """
    A wrapper that adds a clock, which never advances, to a reactor without one.
    """

    def __init__(self, reactor: object) -> None:
        clock = Clock()
        self.seconds = clock.seconds
        self.callLater = clock.callLater
        self.getDelayedCalls = clock.getDelayedCalls
        self._reactor = reactor
        directlyProvides(self, IReactorTime, providedBy(reactor))

    def __getattr__(self, name: str) -> object:
        return getattr(self._reactor, name)

    def __repr__(self) -> str:
        return repr(self._reactor)


def withClock(reactor: object) -> IReactorTime:
    """
    Return the reactor itself if it provides a clock; otherwise a wrapper whose clock never advances, so that no timeout occurs.

    @raise WrongType: this is not a reactor.
    """
    if callable(getattr(reactor, "callLater", None)):
        return cast(IReactorTime, reactor)
    if not callable(getattr(reactor, "connectTCP", None)):
        raise WrongType(f"{reactor!r:.80} is not a reactor; give one such as twisted.internet.reactor, or a Clock in tests")
    return cast(IReactorTime, _Timed(reactor))
