"""
Links of an in-memory network: delay, loss and the like.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["Datagram", "Link"]


class Datagram:
    """
    A datagram on an in-memory network.

    @ivar at: when it was sent.
    @ivar source: its source address and port, which may be spoofed.
    @ivar destination: its destination address and port.
    @ivar octets: its payload.
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
    The path from one host to another. All attributes may be changed at any time.

    @ivar delay: the one-way delay in seconds.
    @ivar jitter: up to this many seconds more, drawn for each datagram.
    @ivar loss: the share of datagrams that are lost.
    @ivar duplicate: the share of datagrams that arrive twice.
    @ivar silent: whether everything is lost.
    @ivar fragment: the size in octets of the chunks in which stream data arrives, or L{None} to keep those of the writer.
    @ivar admit: a filter called with each datagram, or L{None}.
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
        Return the delay in seconds of each copy of a datagram; empty if it is lost.
        """
        if self.silent or (self.loss and dice.random() < self.loss) or (self.admit is not None and not self.admit(datagram)):
            return []
        copies = 2 if self.duplicate and dice.random() < self.duplicate else 1
        return [self.delay + (dice.random() * self.jitter if self.jitter else 0.0) for _ in range(copies)]

    def pieces(self, octets: bytes) -> list[bytes]:
        """
        Return the chunks in which part of a stream arrives.
        """
        size = self.fragment
        if not size:
            return [octets]
        return [octets[start : start + size] for start in range(0, len(octets), size)]
