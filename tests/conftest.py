"""
Checks around every test: it leaves the reactor and the working folder as it found them.
"""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from os import environ
from types import ModuleType
from typing import Final, Protocol, cast

import pytest
import pytest_twisted
from hypothesis import HealthCheck, settings
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.plugin import getCache
from twisted.trial import _synctest
from twisted.trial._synctest import _logObserver
from twisted.trial.unittest import SynchronousTestCase

from tests.ordering import quickLast
from tests.patching import skipUnnoticed
from tests.typed import unchecked
from twisted import plugins
from twisted_ext._compiled import isCompiled

__all__ = [
    "collectsNoMoreErrors", "leavesFolderClean", "leavesReactorClean", "leavesSignalsAlone", "pytest_collection",
    "pytest_collection_modifyitems", "pytest_runtest_teardown", "pytest_sessionstart",
]

# The time of an example depends on the machine's load, so there is no deadline. All runs use the same examples where everything is
# required, which is where a change is judged; random examples are for runs on a developer's machine.
settings.register_profile("txdns", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("judging", settings.get_profile("txdns"), derandomize=True)
settings.load_profile("judging" if "TXDNS_REQUIRE" in environ else "txdns")

#: Turns that a reactor gets after a test to finish pending closes.
_TURNS: Final = 20

#: Turns if only sockets are left. The other side may be a process that a busy machine has not scheduled yet.
_SOCKET_TURNS: Final = 100

#: Seconds between these turns.
_PAUSE: Final = 0.01


#: Folders whose tests take less than a few seconds each.
_QUICK: Final = tuple([f"tests/{name}/" for name in ("cache", "compat", "dnssec", "recursion", "resolver", "server", "zone")])

#: Signals that a running reactor handles.
_SIGNALS: Final = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)


class _Waiting(Protocol):
    """
    The part of a reactor that lists what it waits for.
    """

    running: bool

    #: The reactor's own readers, which wake it up for threads and signals.
    _internalReaders: set[object]

    def getDelayedCalls(self) -> list[object]:
        """
        Return the pending delayed calls.
        """

    def getReaders(self) -> list[object]:
        """
        Return the readers.
        """

    def getWriters(self) -> list[object]:
        """
        Return the writers.
        """


def pytest_sessionstart() -> None:
    """
    Let Twisted find its plugins before the first test. In a new environment, it imports every installed plugin module and caches the result
    on disk. A warning from such a module (Twisted's own import of C{spwd}, which Python is about to remove) would otherwise fail the first
    test that uses an endpoint outside of Twisted, and only there.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell without job control has its background jobs ignore Ctrl-C, and so would all programs that tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cast(Callable[[ModuleType], object], getCache)(plugins)
    if isCompiled():
        skipUnnoticed()
    _doOnce()


def _doOnce() -> None:
    """
    Do once what is the same for all tests: pytest reads Twisted's version from a file for each, and trial sets an attribute of each module
    so that warnings are issued again, although its change of the filters has that effect. Together they took a fourteenth of the time.
    """
    importlib.metadata.version = functools.cache(importlib.metadata.version)
    vars(_synctest)["_setWarningRegistryToNone"] = lambda modules: None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """
    Exclude what exists before the first test from garbage collection, and have it run less often: all tests and what they import stay until
    the end, and looking at them again and again took a sixth of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(5_000, 10, 10)
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """
    Free what a test case has made. The case itself stays, since it exists before the first test, and with it all that it refers to.
    """
    case = getattr(item, "instance", None)
    try:
        return (yield)
    finally:
        if isinstance(case, SynchronousTestCase):
            vars(case).clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Have each of several processes begin with the tests that may take long: those that start programs.
    """
    processes = int(environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    if processes > 1:
        items[:] = quickLast(items, lambda item: item.nodeid.partition("::")[0], _isQuick, processes)


def _isQuick(module: str) -> bool:
    return module.startswith(_QUICK)


def _waitingFor(reactor: _Waiting) -> list[object]:
    everything = [*reactor.getDelayedCalls(), *reactor.getReaders(), *reactor.getWriters()]
    return [thing for thing in everything if thing not in reactor._internalReaders]


def _newlyWaiting(reactor: _Waiting, before: list[object]) -> list[object]:
    return [thing for thing in _waitingFor(reactor) if not any(thing is known for known in before)]


@pytest.fixture(autouse=True)
def leavesReactorClean() -> Iterator[None]:
    """
    Fail a test after which the reactor waits for a new timer or socket.
    """
    reactor = cast("_Waiting | None", sys.modules.get("twisted.internet.reactor"))
    if reactor is None:
        yield
        return
    before = _waitingFor(reactor)
    yield
    for turn in range(_SOCKET_TURNS):
        left = _newlyWaiting(reactor, before)
        if not left:
            return
        if turn >= _TURNS and any(IDelayedCall.providedBy(thing) for thing in left):
            break
        pytest_twisted.blockon(deferLater(cast(IReactorTime, reactor), _PAUSE))
    if left := _newlyWaiting(reactor, before):
        pytest.fail("left in the reactor: " + "; ".join(map(repr, left)), pytrace=False)


def _signalHandling() -> list[object]:
    """
    Return the file descriptor that signals wake up, and the handlers.
    """
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    return [descriptor, *map(signal.getsignal, _SIGNALS)]


@pytest.fixture(autouse=True)
def leavesSignalsAlone() -> Iterator[None]:
    """
    Fail a test that takes the signals from the running reactor. It would not notice the end of a process any more, and a later test would
    wait for that without end.
    """
    reactor = cast("_Waiting | None", sys.modules.get("twisted.internet.reactor"))
    if reactor is None or not reactor.running:
        yield
        return
    before = _signalHandling()
    yield
    if (after := _signalHandling()) != before:
        pytest.fail(f"signals are handled by {after}, not by {before}", pytrace=False)


@pytest.fixture(autouse=True)
def collectsNoMoreErrors() -> Iterator[None]:
    """
    Keep a test case that was skipped in C{setUp} from collecting the errors that are logged after it. Trial would report them for the next
    test case.
    """
    yield
    while _logObserver._added:
        unchecked(_logObserver._remove)()
    unchecked(_logObserver.flushErrors)()


@pytest.fixture(autouse=True)
def leavesFolderClean(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    Put the files of C{mktemp} into pytest's own folder, created on first use.
    """
    monkeypatch.setattr(SynchronousTestCase, "mktemp", lambda _: str(tmp_path_factory.mktemp("case") / "temp"))
