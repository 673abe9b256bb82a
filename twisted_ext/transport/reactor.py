"""
Twisted's epoll reactor, with less work for each event of the descriptors of this package.

Only for systems with epoll(7); importing this raises L{ImportError} on others.
"""

from __future__ import annotations

from collections.abc import Callable
from select import epoll
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Final

from mypy_extensions import mypyc_attr
from twisted.internet import posixbase
from twisted.internet.epollreactor import EPOLLIN, EPollReactor
from twisted.internet.interfaces import IConnector, IListeningPort, IReactorSSL, IReadDescriptor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from twisted.python.log import callWithLogger, err
from zope.interface import classImplements

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

_connectSSL: Final[Callable[..., IConnector]] = EPollReactor.connectSSL
_listenSSL: Final[Callable[..., IListeningPort]] = EPollReactor.listenSSL

_loggingErrors: Final = Logger(__name__).failureHandler("Unexpected error in main loop")

_READABLE: Final = int(EPOLLIN)

#: How far the clock on the wall was ahead of that which nobody sets, when this process began. The latter goes on while the machine sleeps:
#: what is cached must not live for as long after that.
_AHEAD: Final = time() - clock_gettime(CLOCK_BOOTTIME)

#: Maximum seconds of a wait: epoll(7) takes milliseconds as a C integer.
_LONGEST: Final = 2147483.0


def _seconds() -> float:
    return clock_gettime(CLOCK_BOOTTIME) + _AHEAD


@mypyc_attr(native_class=False)  # It extends a class of Twisted.
class DirectReactor(EPollReactor):
    """
    Calls the C{doRead} of L{IDirectReader} descriptors directly. For those of all other kinds Twisted sets up a log context and checks the
    descriptor, before each event. This takes as long as answering a query from a cache.

    Its time does not change when the system's clock is set: otherwise everything that waits would wait for as long as that went back.
    """

    seconds = staticmethod(_seconds)

    def __init__(self) -> None:
        self._direct: dict[int, IReadDescriptor] = {}
        _begin(self)

    def addReader(self, reader: IReadDescriptor) -> None:
        _addReader(self, reader)
        if IDirectReader.providedBy(reader):
            self._direct[reader.fileno()] = reader

    def removeReader(self, reader: IReadDescriptor) -> None:
        direct = self._direct
        # It may have been closed before, and then has no number.
        for number in [number for number, known in direct.items() if known is reader]:
            del direct[number]
        _removeReader(self, reader)

    def connectSSL(
        self, host: str, port: int, factory: object, contextFactory: object, timeout: float = 30, bindAddress: object = None
    ) -> IConnector:
        _letUseTLS()
        return _connectSSL(self, host, port, factory, contextFactory, timeout, bindAddress)

    def listenSSL(self, port: int, factory: object, contextFactory: object, backlog: int = 50, interface: str = "") -> IListeningPort:
        _letUseTLS()
        return _listenSSL(self, port, factory, contextFactory, backlog, interface)

    def mainLoop(self) -> None:
        """
        Run until the reactor is stopped, as Twisted's main loop does, but call C{runUntilCurrent} and C{timeout} only if there is something
        to do besides handling events.
        """
        seconds = self.seconds
        fromThreads = self.threadCallQueue
        poller, descriptors, direct = self._poller, self._selectables, self._direct
        while self._started:
            with _loggingErrors:
                while self._started:
                    timed = self._pendingTimedCalls
                    delay = timed[0].time - seconds() if timed else _LONGEST
                    if delay <= 0.0 or fromThreads or self._newTimedCalls or self._justStopped or not self.running:
                        self.runUntilCurrent()
                        wait = self.timeout() if self.running else 0.0
                        delay = _LONGEST if wait is None else wait
                    _iterate(self, poller, descriptors, direct, delay if delay < _LONGEST else _LONGEST)

    def doIteration(self, delay: float | None) -> None:
        """
        Wait for events, and handle those that there are.

        @param delay: for how many seconds to wait; L{None} for as long as it takes.
        """
        _iterate(self, self._poller, self._selectables, self._direct, -1.0 if delay is None else delay)


# Twisted's is not where it was imported without OpenSSL.
classImplements(DirectReactor, IReactorSSL)


def _letUseTLS() -> None:
    """
    Give Twisted's reactor the module for TLS, where it was imported without (L{prepareProcess<twisted_ext.server.process.prepare>}).
    """
    if posixbase.tls is None:
        from twisted.protocols import tls

        posixbase.tls = tls


def _iterate(
    reactor: DirectReactor, poller: epoll, descriptors: dict[int, object], direct: dict[int, IReadDescriptor], delay: float
) -> None:
    for number, event in poller.poll(delay, len(descriptors)):
        reader = direct.get(number) if event == _READABLE else None
        if reader is not None:
            try:
                reader.doRead()
            except BaseException as error:
                # What Twisted does then: a descriptor that stays would raise again at once.
                _logError()
                _disconnect(reactor, reader, error, True)
            continue
        # Handling an earlier event may have removed it.
        descriptor = descriptors.get(number)
        if descriptor is not None:
            _inContext(descriptor, reactor._doReadOrWrite, descriptor, number, event)


def install() -> DirectReactor:
    """
    Make this the reactor of the process.

    @return: the reactor.
    @raise ReactorAlreadyInstalledError: there is one.
    """
    reactor = DirectReactor()
    _makeReactor(reactor)
    return reactor
