"""
How packets travel.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["Datagram", "Link"]


class Datagram:
    """
    One datagram.

    @ivar at: when it was sent.
    @ivar source: address and port that it says it is from.
    @ivar destination: address and port that it goes to.
    @ivar octets: what is in it.
    """

    __slots__ = ("at", "source", "destination", "octets")

    def __init__(self, at: float, source: tuple[str, int], destination: tuple[str, int], octets: bytes) -> None:
        self.at = at
        self.source = source
        self.destination = destination
        self.octets = octets

    def __repr__(self) -> str:
        return f"<Datagram {self.source} to {self.destination}, {len(self.octets)} octets>"


class Link:
    """
    The way from one host to another. All of it may be changed at any time.

    @ivar delay: seconds on the way.
    @ivar jitter: up to so many seconds more, drawn for each datagram.
    @ivar loss: share of datagrams that get lost.
    @ivar duplicate: share of datagrams that arrive twice.
    @ivar silent: whether nothing arrives at all.
    @ivar fragment: octets in which the pieces of a stream arrive, or L{None} for those in which they were written.
    @ivar admit: asked for each datagram, or L{None}.
    """

    def __init__(
        self,
        delay: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        duplicate: float = 0.0,
        silent: bool = False,
        fragment: int | None = None,
        admit: Callable[[Datagram], bool] | None = None,
    ) -> None:
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.duplicate = duplicate
        self.silent = silent
        self.fragment = fragment
        self.admit = admit

    def journeys(self, datagram: Datagram, dice: Random) -> list[float]:
        """
        @return: seconds that each copy of a datagram takes; nothing where it gets lost.
        """
        if self.silent or (self.loss and dice.random() < self.loss) or (self.admit is not None and not self.admit(datagram)):
            return []
        copies = 2 if self.duplicate and dice.random() < self.duplicate else 1
        return [self.delay + (dice.random() * self.jitter if self.jitter else 0.0) for _ in range(copies)]

    def pieces(self, octets: bytes) -> list[bytes]:
        """
        @return: the pieces in which part of a stream arrives.
        """
        size = self.fragment
        if not size:
            return [octets]
        return [octets[start : start + size] for start in range(0, len(octets), size)]
