"""
Tests of the reactor that calls the readers of this package directly. Most are Twisted's own, which all its reactors pass.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.internet.test.test_core import SystemEventTestsBuilder
from twisted.internet.test.test_fdset import ReactorFDSetTestsBuilder
from twisted.internet.test.test_threads import ThreadTestsBuilder
from twisted.internet.test.test_time import TimeTestsBuilder
from twisted.python import runtime
from twisted.python.context import get
from twisted.python.failure import Failure
from twisted.python.log import ILogContext
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.typed import unchecked
from twisted_ext.interfaces import IDirectReader

if TYPE_CHECKING:
    from twisted_ext.transport.reactor import DirectReactor
else:
    DirectReactor = pytest.importorskip(
        "twisted_ext.transport.reactor", reason="this system has no epoll", exc_type=ImportError
    ).DirectReactor


class _Builder(ReactorBuilder, SynchronousTestCase):
    """
    Gives the signals back to the global reactor, from which a reactor takes them when it runs.
    """

    def setUp(self) -> None:
        descriptor = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(descriptor)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            # As Twisted has it; signal() resets it.
            signal.siginterrupt(signal.SIGCHLD, handlers[signal.SIGCHLD] is signal.SIG_DFL)
            signal.set_wakeup_fd(descriptor)

        # The last of all cleanups.
        self.addCleanup(restore)
        unchecked(super().setUp)()


for _builder in (ReactorFDSetTestsBuilder, SystemEventTestsBuilder, ThreadTestsBuilder, TimeTestsBuilder):
    _name = _builder.__name__.replace("Builder", "")
    # It skips Twisted's epoll reactor, by its name: epoll(7) does not tell that a descriptor was closed.
    _notForEpoll = {"test_lostFileDescriptor": None}
    globals()[_name] = type(_name, (_Builder, _builder), {"reactorFactory": DirectReactor, **_notForEpoll})

# Twisted's have no types.
_built: Callable[[ReactorBuilder], DirectReactor] = ReactorBuilder.buildReactor
_inContext: Callable[[object], dict[str, object]] = get


def _context() -> object:
    """
    Return the "system" of Twisted's log context. A test may run in the context of a reader, as pytest-twisted runs the
    reactor in a greenlet.
    """
    return _inContext(ILogContext)["system"]


class _Unexpected(BaseException):
    pass


class _Reader:
    """
    @ivar contexts: the "system" of Twisted's log context at each call of C{doRead}.
    """

    def __init__(self, kind: int = socket.SOCK_DGRAM) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, kind)
        self.contexts: list[object] = []

    def fileno(self) -> int:
        return self.near.fileno()

    def doRead(self) -> None:
        self.near.recv(10)
        self.contexts.append(_context())

    def connectionLost(self, reason: Failure) -> None:
        self.near.close()

    def logPrefix(self) -> str:
        return "logged"


@implementer(IReadDescriptor)
class _Logged(_Reader):
    pass


@implementer(IDirectReader)
class _Direct(_Reader):
    pass


class _Closing(_Direct):
    """
    Closes another reader, if that one has not been called before.
    """

    other: _Direct
    reactor: IReactorFDSet

    def doRead(self) -> None:
        super().doRead()
        if not self.other.contexts:
            self.reactor.removeReader(self.other)
            self.other.near.close()


class _Raising(_Direct):
    def doRead(self) -> None:
        super().doRead()
        raise _Unexpected


class DirectReactorTests(_Builder):
    reactorFactory = DirectReactor

    def reactorWith(self, *readers: _Direct | _Logged) -> DirectReactor:
        """
        Return a reactor with these readers, each of which has something to read.
        """
        for reader in readers:
            self.addCleanup(reader.near.close)
            self.addCleanup(reader.far.close)
            reader.far.send(b"a")
        reactor = _built(self)
        for reader in readers:
            reactor.addReader(reader)
        return reactor

    def test_directReaderHasNoLogContext(self) -> None:
        """
        Readers of other packages are called in a log context, those of this one without.
        """
        direct, logged = _Direct(), _Logged()
        self.reactorWith(direct, logged).doIteration(0)
        self.assertEqual((direct.contexts, logged.contexts), ([_context()], ["logged"]))

    def test_removedInTheSameIteration(self) -> None:
        """
        A reader that the handling of an earlier event removed is not called.
        """
        first, second = _Closing(), _Closing()
        reactor = self.reactorWith(first, second)
        first.other, second.other = second, first
        first.reactor = second.reactor = reactor
        reactor.doIteration(0)
        self.assertEqual(sorted([first.contexts, second.contexts]), [[], [_context()]])

    def test_removedReaderIsForgotten(self) -> None:
        """
        A reader that was removed is not called, and the reactor keeps no reference to it.
        """
        direct = _Direct()
        reactor = self.reactorWith(direct)
        reactor.removeReader(direct)
        reactor.addReader(direct)
        removeAll: Callable[[], list[object]] = reactor.removeAll
        self.assertEqual(removeAll(), [direct])
        reactor.doIteration(0)
        self.assertEqual((direct.contexts, reactor._direct), ([], {}))

    def test_hangUp(self) -> None:
        """
        Events other than that there is something to read are handled by Twisted's code.
        """
        direct = _Direct(socket.SOCK_STREAM)
        reactor = self.reactorWith(direct)
        direct.far.close()
        reactor.doIteration(0)
        self.assertEqual(direct.contexts, ["logged"])

    def test_exceptionDisconnects(self) -> None:
        """
        A reader that raises an exception after all is disconnected, as by Twisted's reactors, and the others are called.
        """
        raising, direct = _Raising(), _Direct()
        reactor = self.reactorWith(raising, direct)
        reactor.doIteration(0)
        self.assertEqual((raising.fileno(), direct.contexts), (-1, [_context()]))
        self.assertEqual(len(self.flushLoggedErrors(_Unexpected)), 1)

    def test_mainLoopGoesOnAfterAnException(self) -> None:
        """
        An exception in an iteration is logged, and the loop goes on.
        """
        reactor = _built(self)
        runUntilCurrent = reactor.runUntilCurrent
        left = [_Unexpected, _Unexpected]

        def failing() -> None:
            if left:
                raise left.pop()
            runUntilCurrent()

        self.patch(reactor, "runUntilCurrent", failing)
        reactor.callLater(0.05, reactor.stop)
        unchecked(self.runReactor)(reactor)
        self.assertEqual((left, len(self.flushLoggedErrors(_Unexpected))), ([], 2))

    def test_callsAreMade(self) -> None:
        """
        Calls that are due, calls from other threads and those scheduled in an iteration are made while there are no other events.
        """
        reactor = _built(self)
        made: list[str] = []

        def begin() -> None:
            reactor.callLater(0, made.append, "now")
            reactor.callLater(0.01, lambda: reactor.callLater(0.01, stop))
            reactor.callInThread(reactor.callFromThread, made.append, "thread")

        def stop() -> None:
            if "thread" in made:
                reactor.stop()
            else:
                reactor.callLater(0.01, stop)

        reactor.callWhenRunning(begin)
        unchecked(self.runReactor)(reactor)
        self.assertEqual(sorted(made), ["now", "thread"])


def test_timeIsNotTheSystems() -> None:
    """
    The time of delayed calls is that of the clock that nobody sets, a fixed time before or behind it, and near that on the wall at first.
    """
    reactor = DirectReactor()
    try:
        assert reactor.seconds is not runtime.seconds
        ahead = [reactor.seconds() - time.clock_gettime(time.CLOCK_BOOTTIME) for _ in range(100)]
        assert max(ahead) - min(ahead) < 0.01
        assert abs(reactor.seconds() - time.time()) < 3600
    finally:
        unchecked(reactor.removeAll)()
