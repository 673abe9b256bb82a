"""
Twisted's epoll reactor, with less work for each event of the descriptors of this package.

Only for systems with epoll(7); importing this raises L{ImportError} on others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import mypyc_attr
from twisted.internet.epollreactor import EPOLLIN, EPollReactor
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import installReactor
from twisted.python.log import callWithLogger, err

from twisted_ext.interfaces import IDirectReader

__all__ = ["DirectReactor", "install"]

# Twisted's have no types.
_addReader: Final[Callable[[EPollReactor, IReadDescriptor], None]] = EPollReactor.addReader
_removeReader: Final[Callable[[EPollReactor, IReadDescriptor], None]] = EPollReactor.removeReader
_inContext: Final[Callable[..., object]] = callWithLogger
_disconnect: Final[Callable[[EPollReactor, object, BaseException, bool], None]] = EPollReactor._disconnectSelectable
_logError: Final[Callable[[], None]] = err
_makeReactor: Final[Callable[[EPollReactor], None]] = installReactor
_begin: Final[Callable[[EPollReactor], None]] = EPollReactor.__init__


@mypyc_attr(native_class=False)  # It extends a class of Twisted.
class DirectReactor(EPollReactor):
    """
    Calls the C{doRead} of L{IDirectReader} descriptors directly. For those of all other kinds Twisted sets up a log context and checks the
    descriptor, before each event. This takes as long as answering a query from a cache.
    """

    def __init__(self) -> None:
        self._direct: set[object] = set()
        _begin(self)

    def addReader(self, reader: IReadDescriptor) -> None:
        _addReader(self, reader)
        if IDirectReader.providedBy(reader):
            self._direct.add(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        self._direct.discard(reader)
        _removeReader(self, reader)

    def doIteration(self, delay: float | None) -> None:
        """
        Wait for events, and handle those that there are.

        @param delay: for how many seconds to wait; L{None} for as long as it takes.
        """
        descriptors = self._selectables
        direct = self._direct
        for number, event in self._poller.poll(-1 if delay is None else delay, len(descriptors)):
            # Handling an earlier event may have removed it.
            descriptor: Any = descriptors.get(number)
            if event == EPOLLIN and descriptor in direct:
                try:
                    descriptor.doRead()
                except BaseException as error:
                    # What Twisted does then: a descriptor that stays would raise again at once.
                    _logError()
                    _disconnect(self, descriptor, error, True)
            elif descriptor is not None:
                _inContext(descriptor, self._doReadOrWrite, descriptor, number, event)


def install() -> DirectReactor:
    """
    Make this the reactor of the process.

    @return: the reactor.
    @raise ReactorAlreadyInstalledError: there is one.
    """
    reactor = DirectReactor()
    _makeReactor(reactor)
    return reactor
