"""
Tests of the way to a recorder: it never makes a client wait, and says how much was dropped.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_ext.server.limits import RECORDER_QUEUE
from twisted_ext.server.process.recorders.frames import COUNT_OCTETS, Unframed, handshake
from twisted_ext.server.process.recorders.pipe import RecorderPipe

#: The first frame of each connection.
HANDSHAKE = handshake("test", 1)


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

    def say(self, *counts: int) -> None:
        """
        Say that batches are written.
        """
        assert self._accepted is not None
        self._accepted.send(b"".join([count.to_bytes(COUNT_OCTETS, "big") for count in counts]))

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
    listener, pipe = Listener(path), RecorderPipe(Clock(), HANDSHAKE)
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
    pipe = RecorderPipe(clock, HANDSHAKE)
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
    listener, pipe = Listener(path), RecorderPipe(Clock(), HANDSHAKE)
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
    listener, pipe = Listener(path), RecorderPipe(clock, HANDSHAKE)
    pipe.follow(str(path))
    batch = ("x", bytes(100_000))
    for _ in range(400):
        pipe.send([batch], 10)
    assert pipe.dropped and pipe.told + pipe.dropped == 4000
    assert vars(pipe)["_octets"] <= RECORDER_QUEUE.default
    found: list[Any] = listener.take()
    while vars(pipe)["_waiting"]:
        # No other query comes.
        clock.advance(1)
        found += listener.take()
    told = [said for each in found[1:] for said in each]
    assert len([said for said in told if said == batch]) == pipe.told // 10
    assert vars(pipe)["_octets"] > 0
    listener.say(len(found) - 1)
    clock.advance(1)
    assert vars(pipe)["_octets"] == 0
    assert clock.getDelayedCalls() == []
    pipe.close()
    assert clock.getDelayedCalls() == []
    listener.close()


@pytest.mark.parametrize("isQuiet", [True, False])
def test_aRecorderThatIsKilled(path: Path, isQuiet: bool) -> None:
    """
    After a recorder has gone, the next one gets all that the first has not written, in its order, whether more comes meanwhile or not.
    """
    clock = Clock()
    listener, pipe = Listener(path), RecorderPipe(clock, HANDSHAKE)
    pipe.follow(str(path))
    batches = [[("r", number)] for number in range(9)]
    for batch in batches[:5]:
        pipe.send(batch, 1)
    listener.take()
    listener.say(2)
    listener.say(1)
    if not isQuiet:
        for batch in batches[5:7]:
            pipe.send(batch, 1)
    # What was said is read after the end, too.
    listener.close()
    if not isQuiet:
        clock.advance(1)
        pipe.send(batches[7], 1)
    listener = Listener(path)
    pipe.follow(str(path))
    clock.advance(1)
    pipe.send(batches[8], 1)
    assert listener.take() == [HANDSHAKE, *batches[3:5], *([] if isQuiet else batches[5:8]), batches[8]]
    assert pipe.dropped == 0
    listener.say(7)
    pipe.close()
    listener.close()


def test_killedInTheMiddle(path: Path) -> None:
    """
    A batch of which only a part could be sent is sent as a whole to the next recorder; numbers may come in pieces, or be wrong.
    """
    clock = Clock()
    listener, pipe = Listener(path), RecorderPipe(clock, HANDSHAKE)
    pipe.follow(str(path))
    large = ("x", bytes(3_000_000))
    pipe.send([("r", 1)], 1)
    pipe.send([large], 1)
    assert listener.take() == [HANDSHAKE, [("r", 1)]]
    listener.close()
    listener = Listener(path)
    clock.advance(2)
    found = listener.take()
    while vars(pipe)["_waiting"]:
        clock.advance(1)
        found += listener.take()
    found += listener.take()
    assert found == [HANDSHAKE, [("r", 1)], [large]]
    listener.say(1 << 31)
    clock.advance(1)
    assert not vars(pipe)["_sent"]
    assert vars(pipe)["_octets"] == 0
    pipe.close()
    listener.close()


def test_switchedOff(path: Path) -> None:
    """
    When nothing is to be told any more the connection ends, after what can be sent at once.
    """
    listener, pipe = Listener(path), RecorderPipe(Clock(), HANDSHAKE)
    pipe.follow(str(path))
    pipe.send([("r", 1)], 1)
    pipe.follow("")
    assert listener.take() == [HANDSHAKE, [("r", 1)]]
    listener.close()
