"""
Tests of the way to the recorder: it never makes a client wait, and says how much was dropped.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_ext.server.features.queryhistory.pipe import RecorderPipe
from twisted_ext.server.features.queryhistory.recorder.frames import HANDSHAKE, Unframed
from twisted_ext.server.limits import HISTORY_QUEUE


class Listener:
    """
    Listens where a recorder would.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._accepted: socket.socket | None = None
        self._frames = Unframed()

    def take(self) -> list[Any]:
        """
        Return what has come until now.
        """
        if self._accepted is None:
            self._accepted = self._listening.accept()[0]
            self._accepted.setblocking(False)
        found: list[Any] = []
        try:
            while octets := self._accepted.recv(1 << 20):
                found += self._frames.feed(octets)
        except BlockingIOError:
            pass
        return found

    def close(self) -> None:
        """
        End, as a recorder that is killed.
        """
        self._listening.close()
        if self._accepted is not None:
            self._accepted.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    The path of the socket.
    """
    return tmp_path / "socket"


def test_batchesArrive(path: Path) -> None:
    """
    Batches are sent in their order, after a handshake.
    """
    listener, pipe = Listener(path), RecorderPipe(Clock())
    pipe.follow(str(path))
    pipe.send([("r", 1)], 1)
    pipe.send([("r", 2)], 1)
    assert listener.take() == [HANDSHAKE, [("r", 1)], [("r", 2)]]
    assert (pipe.told, pipe.dropped) == (2, 0)
    pipe.close()
    listener.close()


def test_withoutARecorder(path: Path) -> None:
    """
    Until one listens batches wait: first until its path is known, then until it is there.
    """
    clock = Clock()
    pipe = RecorderPipe(clock)
    pipe.send([("r", 1)], 30)
    assert clock.getDelayedCalls() == []
    pipe.follow(str(path))
    pipe.send([("r", 2)], 1)
    listener = Listener(path)
    pipe.send([("r", 3)], 1)
    clock.advance(1)
    assert listener.take() == [HANDSHAKE, [("r", 1)], [("r", 2)], [("r", 3)]]
    assert (pipe.told, pipe.dropped) == (32, 0)
    pipe.close()
    listener.close()


def test_pathBecomesKnown(path: Path) -> None:
    """
    When the path of a recorder that listens becomes known, it gets what waits at once.
    """
    listener, pipe = Listener(path), RecorderPipe(Clock())
    pipe.send([("r", 1)], 1)
    pipe.follow(str(path))
    assert listener.take() == [HANDSHAKE, [("r", 1)]]
    pipe.close()
    listener.close()


def test_aRecorderThatDoesNotRead(path: Path) -> None:
    """
    What it does not take waits up to a bound; then whole batches are dropped and counted. Later it gets the rest.
    """
    clock = Clock()
    listener, pipe = Listener(path), RecorderPipe(clock)
    pipe.follow(str(path))
    batch = ("x", bytes(100_000))
    for _ in range(400):
        pipe.send([batch], 10)
    assert pipe.dropped and pipe.told + pipe.dropped == 4000
    assert vars(pipe)["_octets"] <= HISTORY_QUEUE.default
    found: list[Any] = listener.take()
    while vars(pipe)["_waiting"]:
        # No other query comes.
        clock.advance(1)
        found += listener.take()
    told = [said for each in found[1:] for said in each]
    assert len([said for said in told if said == batch]) == pipe.told // 10
    assert vars(pipe)["_octets"] == 0
    pipe.close()
    assert clock.getDelayedCalls() == []
    listener.close()


def test_aRecorderThatIsKilled(path: Path) -> None:
    """
    After a recorder has gone, the next one is told from the next whole batch on.
    """
    clock = Clock()
    listener, pipe = Listener(path), RecorderPipe(clock)
    pipe.follow(str(path))
    pipe.send([("r", 1)], 1)
    listener.take()
    listener.close()
    clock.advance(1)
    pipe.send([("r", 2)], 1)
    listener = Listener(path)
    clock.advance(1)
    pipe.send([("r", 3)], 1)
    pipe.send([("r", 4)], 1)
    assert listener.take()[-2:] == [[("r", 3)], [("r", 4)]]
    pipe.close()
    listener.close()


def test_switchedOff(path: Path) -> None:
    """
    When the history is switched off the connection ends, after what can be sent at once.
    """
    listener, pipe = Listener(path), RecorderPipe(Clock())
    pipe.follow(str(path))
    pipe.send([("r", 1)], 1)
    pipe.follow("")
    assert listener.take() == [HANDSHAKE, [("r", 1)]]
    listener.close()
