"""
Attack 49: floods that fill memory by what waits for a recorder or a collector, or a disk by what is written; files that are links;
collectors that accept and close.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from threading import Event
from unittest.mock import patch

import pytest
from twisted.internet.task import Clock

from tests.server.features.dnstap.collectors import Collector, until
from twisted_ext.limits import Limit
from twisted_ext.server.features.dnstap.writer import streams, target
from twisted_ext.server.features.dnstap.writer.streams import FileStream, SocketStream
from twisted_ext.server.features.dnstap.writer.target import Target
from twisted_ext.server.process.recorders import frames, pipe
from twisted_ext.server.process.recorders.frames import Unframed, handshake
from twisted_ext.server.process.recorders.pipe import RecorderPipe

__all__: list[str] = []

#: What waits at most, in octets.
MOST = 1 << 23

#: A frame of 100,000 octets in all.
FRAME = (99_996).to_bytes(4, "big") + bytes(99_996)

#: A bound that does not bind.
ENDLESS = 1 << 40


def floodedTarget() -> int:
    """
    Flood a collector that does not read, and return what waits for it.
    """
    going = Event()
    with Collector() as collector:
        collector.isReading = False

        def make() -> SocketStream:
            going.wait()
            return SocketStream("tcp", "127.0.0.1", collector.port, "")

        flooded = Target("tcp:127.0.0.1", make)
        for _ in range(400):
            flooded.put(FRAME, 100)
        waiting: int = vars(flooded)["_octets"]
        assert waiting + flooded.dropped * 1000 == 40_000_000
        flooded.end()
        collector.isReading = True
        going.set()
        flooded.join()
    return waiting


def test_collectorThatDoesNotRead() -> None:
    """
    What waits for a collector is bounded.
    """
    assert floodedTarget() <= MOST


def test_withoutTheBoundACollectorFillsMemory() -> None:
    """
    Without that all of it waits.
    """
    with patch.object(target, "_QUEUE", ENDLESS):
        assert floodedTarget() == 40_000_000


def floodedPipe(path: Path) -> int:
    """
    Flood a recorder that does not read, and return what waits for it.
    """
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        flooded = RecorderPipe(Clock(), handshake("test", 1))
        flooded.follow(str(path))
        for _ in range(400):
            flooded.send([bytes(100_000)], 1)
        waiting: int = vars(flooded)["_octets"]
        assert flooded.told + flooded.dropped == 400
        flooded.close()
    return waiting


def test_recorderThatDoesNotRead(tmp_path: Path) -> None:
    """
    What waits for a recorder is bounded, too.
    """
    assert floodedPipe(tmp_path / "socket") <= MOST


def test_withoutTheBoundARecorderFillsMemory(tmp_path: Path) -> None:
    """
    Without that all of it waits.
    """
    with patch.object(pipe, "RECORDER_QUEUE", Limit(default=ENDLESS, least=1, most=ENDLESS)):
        assert floodedPipe(tmp_path / "socket") > 30_000_000


def written(path: Path, most: int) -> int:
    """
    Write ten megabytes to a file, and return what is on the disk.
    """
    stream = FileStream(str(path), lambda: most)
    for _ in range(100):
        stream.write(bytes(100_000))
    stream.close()
    return sum([each.stat().st_size for each in path.parent.iterdir()])


def test_flood(tmp_path: Path) -> None:
    """
    Files are bounded in size and number.
    """
    assert written(tmp_path / "txdns.tap", 1_000_000) <= 5 * 1_000_200


def test_withoutFilesThatGiveWayTheDiskIsFilled(tmp_path: Path) -> None:
    """
    Without that all of it is on the disk.
    """
    assert written(tmp_path / "txdns.tap", ENDLESS) >= 10_000_000


def test_fullDisk(tmp_path: Path) -> None:
    """
    A part of the file system is left to others.
    """
    full = os.statvfs_result((4096, 4096, 1_000_000, 40_000, 40_000, 0, 0, 0, 0, 255))
    stream = FileStream(str(tmp_path / "txdns.tap"), lambda: MOST)
    with patch("os.statvfs", return_value=full), pytest.raises(OSError, match="less than a twentieth"):
        stream.write(b"x")
    with patch("os.statvfs", return_value=full), patch.object(streams, "hasRoom", return_value=True):
        # With the defence off it is written.
        stream.write(b"x")
    stream.close()


def linked(path: Path) -> str:
    """
    Have a file written whose name is a link to another one, and return what that has then.
    """
    other = path.parent / "shadow"
    other.write_text("secret")
    path.symlink_to(other)
    try:
        FileStream(str(path), lambda: MOST).close()
    except (OSError, ValueError):
        pass
    return other.read_bytes().decode("ascii", "replace")


def test_fileThatIsALink(tmp_path: Path) -> None:
    """
    No file elsewhere is written to.
    """
    assert linked(tmp_path / "txdns.tap") == "secret"


def test_withoutTheLookAFileElsewhereIsWritten(tmp_path: Path) -> None:
    """
    With both defences off it is: what is looked at is no link, and opening follows it.
    """
    with patch("os.O_NOFOLLOW", 0), patch("os.stat", side_effect=FileNotFoundError):
        assert linked(tmp_path / "txdns.tap") != "secret"


def asked(seconds: float) -> int:
    """
    Return how often a collector that accepts and closes is connected to.
    """
    with Collector() as collector:
        collector.replies = b""
        tried = Target("tcp:127.0.0.1", lambda: SocketStream("tcp", "127.0.0.1", collector.port, ""))
        ended = Event()
        ended.wait(seconds)
        tried.end()
        tried.join()
        until(lambda: collector.accepted)
        return collector.accepted


def test_collectorThatAcceptsAndCloses() -> None:
    """
    It is connected to less and less often.
    """
    with patch.object(target, "_FIRST", 0.05):
        assert asked(1.0) <= 6


def test_withoutPausesItIsConnectedToAgainAndAgain() -> None:
    """
    Without that it is all the time.
    """
    with patch.object(target, "_FIRST", 0.0), patch.object(target, "_MOST", 0.0):
        assert asked(1.0) > 50


def test_frameWithoutEnd() -> None:
    """
    Octets of a frame that is longer than any are not kept.
    """
    octets = (frames.FRAME_OCTETS + 1).to_bytes(4, "big")
    with pytest.raises(ValueError, match="a frame of"):
        list(Unframed().feed(octets))
    with patch.object(frames, "FRAME_OCTETS", ENDLESS):
        assert list(Unframed().feed(octets + bytes(100))) == []
