"""
A reactor for tests of files and pipes: time and descriptors advance only when the test asks for it.
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
    Does one iteration on request.

    @ivar readers: the current readers.
    @ivar writers: the current writers.
    @ivar triggers: the functions to call before shutdown.
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
        Poll all descriptors once and advance the clock.
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


# A call that mypy does not check, since the class implements only a part of this interface.
cast("Callable[..., None]", classImplements)(TurningReactor, IReactorCore)
