"""
What holds for every test: it leaves the reactor and the working folder as it found them.
"""

from __future__ import annotations

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
from twisted.trial.unittest import SynchronousTestCase

from twisted import plugins

__all__ = ["leavesFolderClean", "leavesReactorClean", "pytest_sessionstart"]

# The machine's load decides how long an example takes, so time is no verdict here. Where everything has to be there, which is where a
# change is judged, all runs have the same examples: what is found by chance is for whoever tries his luck with a change at home.
settings.register_profile("txdns", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("judging", settings.get_profile("txdns"), derandomize=True)
settings.load_profile("judging" if "TXDNS_REQUIRE" in environ else "txdns")

#: Turns that a reactor gets after a test to finish what was closed during it.
_TURNS: Final = 20

#: Turns that it gets where nothing is left but sockets. The other side may be a process that a busy machine has not run since.
_SOCKET_TURNS: Final = 100

#: Seconds between these turns.
_PAUSE: Final = 0.01


class _Waiting(Protocol):
    """
    The part of a reactor that tells what it still waits for.
    """

    #: The reactor's own: what wakes it up for threads and signals.
    _internalReaders: set[object]

    def getDelayedCalls(self) -> list[object]:
        """
        @return: the calls that are still to be made.
        """

    def getReaders(self) -> list[object]:
        """
        @return: what is being read from.
        """

    def getWriters(self) -> list[object]:
        """
        @return: what is being written to.
        """


def pytest_sessionstart() -> None:
    """
    Have Twisted find its plugins before the first test. In a new environment, where nobody has done so, it imports every module of
    plugins that is installed, and keeps what it found on disk. What such a module warns of (Twisted's own import C{spwd}, which Python
    is about to lose) would fail the test that happens to be the first to ask for an endpoint that is not Twisted's own, and only there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cast(Callable[[ModuleType], object], getCache)(plugins)


def _waitingFor(reactor: _Waiting) -> list[object]:
    everything = [*reactor.getDelayedCalls(), *reactor.getReaders(), *reactor.getWriters()]
    return [thing for thing in everything if thing not in reactor._internalReaders]


def _news(reactor: _Waiting, before: list[object]) -> list[object]:
    return [thing for thing in _waitingFor(reactor) if not any(thing is known for known in before)]


@pytest.fixture(autouse=True)
def leavesReactorClean() -> Iterator[None]:
    """
    Fail a test after which the reactor waits for something that it did not wait
    for before: a timer, or a socket still open.
    """
    reactor = cast("_Waiting | None", sys.modules.get("twisted.internet.reactor"))
    if reactor is None:
        yield
        return
    before = _waitingFor(reactor)
    yield
    for turn in range(_SOCKET_TURNS):
        left = _news(reactor, before)
        if not left:
            return
        if turn >= _TURNS and any(IDelayedCall.providedBy(thing) for thing in left):
            break
        pytest_twisted.blockon(deferLater(cast(IReactorTime, reactor), _PAUSE))
    if left := _news(reactor, before):
        pytest.fail("left in the reactor: " + "; ".join(map(repr, left)), pytrace=False)


@pytest.fixture(autouse=True)
def leavesFolderClean(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    Let C{mktemp} of Twisted's test cases name paths in pytest's own folder, made when the first one is asked for.
    """
    monkeypatch.setattr(SynchronousTestCase, "mktemp", lambda _: str(tmp_path_factory.mktemp("case") / "temp"))
