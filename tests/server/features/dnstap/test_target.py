"""
Tests of targets: what waits is bounded, and each message is counted as written or as dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event
from unittest.mock import patch

import pytest

from tests.server.features.dnstap.collectors import until
from twisted_ext.server.features.dnstap.writer import target as module
from twisted_ext.server.features.dnstap.writer.streams import Stream
from twisted_ext.server.features.dnstap.writer.target import Target

__all__: list[str] = []


class Kept:
    """
    A stream that keeps what is written to it, and can be stopped or broken.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.going = Event()
        self.going.set()
        self.fault: Exception | None = None
        self.finished = self.closed = self.opened = 0

    def make(self) -> Stream:
        """
        Open it.
        """
        self.opened += 1
        return self

    def write(self, frames: bytes) -> None:
        """
        Keep frames.
        """
        self.going.wait()
        self.look()
        self.written.append(frames)

    def look(self) -> None:
        """
        Raise the fault.
        """
        if self.fault is not None:
            raise self.fault

    def finish(self) -> None:
        """
        Note it.
        """
        self.finished += 1

    def close(self) -> None:
        """
        Note it.
        """
        self.closed += 1


@pytest.fixture
def kept() -> Kept:
    """
    A stream.
    """
    return Kept()


@pytest.fixture
def begun(kept: Kept) -> Iterator[Callable[[], Target]]:
    """
    What begins a target for the stream, which ends with the test.
    """
    made: list[Target] = []

    def begin() -> Target:
        made.append(Target("file:/x", kept.make))
        return made[-1]

    with patch.object(module, "_FIRST", 0.02), patch.object(module, "_LOOK", 0.02), patch.object(module, "_MOST", 0.1):
        yield begin
        kept.going.set()
        for each in made:
            each.end()
            each.join()
            assert each.isOver()
        assert kept.closed == kept.opened


def test_everythingInOrder(kept: Kept, begun: Callable[[], Target]) -> None:
    """
    What is put is written in its order, what waits at the end too.
    """
    target = begun()
    kept.going.clear()
    for number in range(20):
        target.put(b"%d" % number, 3)
    target.end()
    target.put(b"late", 1)
    kept.going.set()
    target.join()
    assert kept.written == [b"%d" % number for number in range(20)]
    assert (target.written, target.dropped, kept.finished, kept.closed) == (60, 1, 1, 1)


def test_oneThatDoesNotRead(kept: Kept, begun: Callable[[], Target]) -> None:
    """
    What waits for a target that does not read is bounded; the rest is dropped and counted, and nobody waits.
    """
    target = begun()
    kept.going.clear()
    for _ in range(40):
        target.put(bytes(1_000_000), 10)
    assert vars(target)["_octets"] <= 1 << 23
    assert target.dropped >= 310
    kept.going.set()
    until(lambda: target.written + target.dropped == 400)
    assert len(kept.written) * 10 == target.written >= 80
    # There is room again.
    assert vars(target)["_octets"] == 0
    target.put(bytes(1_000_000), 1)
    until(lambda: target.written + target.dropped == 401)
    assert len(kept.written[-1]) == 1_000_000


def test_oneThatBreaks(kept: Kept, begun: Callable[[], Target]) -> None:
    """
    After an error it is opened again; what could not be written is counted, and why is said until it has stood for a while.
    """
    target = begun()
    kept.fault = ConnectionResetError(104, "it has closed the connection")
    target.put(b"lost", 1)
    until(lambda: target.said)
    assert target.said == "it has closed the connection"
    until(lambda: kept.opened > 2)
    kept.fault = None
    until(lambda: not target.said)
    target.put(b"again", 1)
    until(lambda: target.written)
    assert (kept.written, target.written, target.dropped) == ([b"again"], 1, 1)


def test_oneThatIsOpenAgain(kept: Kept, begun: Callable[[], Target]) -> None:
    """
    Why nothing was written is said until it has stood for a second: one that accepts and closes is no news each time.
    """
    with patch.object(module, "_LOOK", 60.0):
        target = begun()
        kept.fault = ConnectionResetError(104, "it has closed the connection")
        target.put(b"lost", 1)
        until(lambda: target.said)
        kept.fault = None
        opened = kept.opened
        until(lambda: kept.opened > opened)
        target.put(b"again", 1)
        until(lambda: target.written)
        assert target.said == "it has closed the connection"
        target.end()
        target.join()


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "Connection refused"), ValueError("it does not accept dnstap")])
def test_oneThatIsNotThere(kept: Kept, begun: Callable[[], Target], error: Exception) -> None:
    """
    Until a target is there what is told waits for it.
    """
    with patch.object(kept, "make", side_effect=error):
        target = begun()
        target.put(b"early", 2)
        until(lambda: target.said)
        assert target.said == (getattr(error, "strerror", None) or str(error))
        target.end()
        target.join()
    assert (target.written, target.dropped) == (0, 2)


def test_pauses(kept: Kept, begun: Callable[[], Target]) -> None:
    """
    One that accepts and closes again and again is asked more and more rarely.
    """
    kept.fault = ConnectionResetError(104, "it has closed the connection")
    with patch.object(module, "_FIRST", 0.01), patch.object(module, "_MOST", 60.0):
        begun()
        ends = time.monotonic() + 1.5
        until(lambda: time.monotonic() > ends)
    # After 10, 20, 40... ms: seven or eight in 1.5 s, never more.
    assert 2 <= kept.opened <= 9
