"""
A reactor for tests of what reads and writes files and pipes: time stands still, and descriptors are looked at when the test says so.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.internet.task import Clock
from zope.interface import classImplements, implementer

__all__ = ["TurningReactor"]


@implementer(IReactorFDSet)
class TurningReactor(Clock):
    """
    Turns when it is told to.

    @ivar readers: what is read from.
    @ivar writers: what is written to.
    @ivar triggers: what is to be called before the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[IReadDescriptor] = set()
        self.writers: set[IWriteDescriptor] = set()
        self.triggers: list[Callable[[], object]] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        """
        @see: L{IReactorFDSet}
        """
        self.readers.add(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """
        @see: L{IReactorFDSet}
        """
        self.readers.discard(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """
        @see: L{IReactorFDSet}
        """
        self.writers.add(writer)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """
        @see: L{IReactorFDSet}
        """
        self.writers.discard(writer)

    def getReaders(self) -> list[IReadDescriptor]:
        """
        @see: L{IReactorFDSet}
        """
        return list(self.readers)

    def getWriters(self) -> list[IWriteDescriptor]:
        """
        @see: L{IReactorFDSet}
        """
        return list(self.writers)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """
        @see: L{IReactorFDSet}
        """
        everything: list[IReadDescriptor | IWriteDescriptor] = [*self.readers, *self.writers]
        self.readers.clear()
        self.writers.clear()
        return everything

    def addSystemEventTrigger(self, phase: str, event: str, function: Callable[[], object]) -> object:
        """
        @see: L{IReactorCore}
        """
        self.triggers.append(function)
        return function

    def removeSystemEventTrigger(self, trigger: Callable[[], object]) -> None:
        """
        @see: L{IReactorCore}
        """
        self.triggers.remove(trigger)

    def turn(self, seconds: float = 0.1) -> None:
        """
        Look at all descriptors once, and let time pass.
        """
        readable, writable, _ = select.select(
            [reader.fileno() for reader in self.readers], [writer.fileno() for writer in self.writers], [], 0
        )
        for reader in list(self.readers):
            if reader.fileno() in readable:
                reader.doRead()
        for writer in list(self.writers):
            if writer.fileno() in writable:
                writer.doWrite()
        self.advance(seconds)


# Said by a call that mypy does not look into: a test needs but a part of what this interface asks for.
cast("Callable[..., None]", classImplements)(TurningReactor, IReactorCore)
