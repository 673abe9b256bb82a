"""
Detects that the reader of the output has closed the pipe.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.python.failure import Failure

__all__ = ["BrokenPipeWatch"]


@implementer(IReadDescriptor)
class BrokenPipeWatch:
    """
    Watches the write end of a pipe, such as the standard output before C{| head -1}. A program gets EPIPE only when it writes, so one that
    writes nothing for hours would not notice for hours that the reader is gone.
    """

    def __init__(self, reactor: object, fileno: int, left: Callable[[], object]) -> None:
        """
        @param left: called once, when the reader has closed the pipe; never if C{fileno} is not a pipe or C{reactor} cannot watch
            descriptors.
        """
        self._reactor = reactor
        self._fileno = fileno
        self._left = left
        self._watching = False
        if IReactorFDSet.providedBy(reactor) and hasattr(select, "poll") and stat.S_ISFIFO(os.fstat(fileno).st_mode):
            self._watching = True
            reactor.addReader(self)

    def fileno(self) -> int:
        return self._fileno

    def logPrefix(self) -> str:
        return "output"

    def doRead(self) -> None:
        # Nothing can be read here: some reactors call this to report that the other end is closed.
        if self._watching:
            self.stop()
            poll = select.poll()
            poll.register(self._fileno, 0)
            if poll.poll(0):
                self._left()

    def connectionLost(self, reason: Failure) -> None:
        """
        Handle the close of the other end, or the shutdown of the reactor.
        """
        self.doRead()

    def stop(self) -> None:
        """
        Stop watching.
        """
        if self._watching and IReactorFDSet.providedBy(self._reactor):
            self._watching = False
            self._reactor.removeReader(self)
