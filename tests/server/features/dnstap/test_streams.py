"""
Tests of where frames go: collectors, and files.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from functools import partial
from pathlib import Path
from struct import pack
from unittest.mock import patch

import pytest

from tests.certificates import certificateFor, written
from tests.server.features.dnstap.collectors import (
    ACCEPT,
    CONTENT,
    FINISH,
    READY,
    START,
    Collector,
    control,
    framesIn,
    until,
)
from twisted_ext.server.features.dnstap.writer import framestreams, streams
from twisted_ext.server.features.dnstap.writer.streams import FileStream, SocketStream

__all__: list[str] = []

#: Octets of any file.
LARGE = 1 << 30


#: A stream that was not ended.
PART = control(START, CONTENT) + pack(">I", 900) + bytes(500)


def framed(*contents: bytes) -> bytes:
    """
    Return frames.
    """
    return b"".join([pack(">I", len(content)) + content for content in contents])


def read(path: Path) -> list[bytes]:
    """
    Return the frames of a whole file, which the program of the reference implementation reads to its end, too.
    """
    done = subprocess.run(["fstrm_dump", str(path)], capture_output=True, text=True, check=True)
    found = framesIn(path)
    assert done.stderr.count("Data frame") + done.stdout.count("Data frame") in (0, len(found))
    return found


# -- control frames


@pytest.mark.parametrize("kind", [ACCEPT, START, READY])
def test_controlFrames(kind: int) -> None:
    """
    They are those of the protocol, and are read in pieces.
    """
    octets = framestreams.control(kind)
    assert octets == control(kind, CONTENT)
    for end in range(len(octets)):
        assert framestreams.readControl(octets[:end]) is None
    assert framestreams.readControl(octets + b"more") == (kind, [CONTENT], len(octets))
    assert framestreams.FINISHED == control(3)
    assert framestreams.readControl(control(ACCEPT, b"a", b"b")) == (ACCEPT, [b"a", b"b"], len(control(ACCEPT, b"a", b"b")))


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        pack(">II", 0, 3) + bytes(8),
        pack(">II", 0, 1 << 31) + bytes(8),
        pack(">III", 0, 6, ACCEPT) + bytes(8),
        pack(">IIIII", 0, 12, ACCEPT, 1, 9),
        pack(">IIIII", 0, 12, ACCEPT, 2, 0),
    ],
)
def test_garbageInPlaceOfControl(octets: bytes) -> None:
    """
    What is no control frame is a L{ValueError}, and nothing waits for more of it.
    """
    with pytest.raises(ValueError, match="it sends|what it sends"):
        framestreams.readControl(octets)


# -- collectors


def _connected(collector: Collector) -> SocketStream:
    return SocketStream("tcp", "127.0.0.1", collector.port, "")


def test_collector() -> None:
    """
    A collector gets all frames, and says that it has read them.
    """
    with Collector() as collector:
        stream = _connected(collector)
        for number in range(50):
            stream.write(framed(b"first %d" % number, b"second"))
        stream.finish()
        stream.close()
        until(lambda: collector.ended)
        assert collector.frames[:3] == [b"first 0", b"second", b"first 1"] and len(collector.frames) == 100


def test_unixSocket(tmp_path: Path) -> None:
    """
    It may listen at a Unix socket.
    """
    path = str(tmp_path / "socket")
    with Collector(path) as collector:
        stream = SocketStream("unix", path, 0, "")
        stream.write(framed(b"x"))
        stream.finish()
        stream.close()
        assert collector.frames == [b"x"]


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        (b"HTTP/1.1 400\r\n\r\n", "does not begin as frame streams do"),
        (control(ACCEPT, b"protobuf:other"), "does not accept dnstap"),
        (control(FINISH), "does not accept dnstap"),
        (b"", "closed the connection|reset|Broken pipe"),
    ],
)
def test_collectorsThatAreNone(replies: bytes, said: str) -> None:
    """
    What does not accept dnstap is an error that says so.
    """
    with Collector() as collector:
        collector.replies = replies
        with pytest.raises((OSError, ValueError), match=said):
            _connected(collector)


def test_collectorThatCloses() -> None:
    """
    The end of a collector is noticed before something is written.
    """
    collector = Collector()
    stream = _connected(collector)
    stream.look()
    collector.close()
    until(lambda: _isOver(stream))
    with pytest.raises(OSError, match="closed the connection"):
        stream.write(framed(b"x"))
    stream.close()


def _isOver(stream: SocketStream) -> bool:
    try:
        stream.look()
    except OSError:
        return True
    return False


def test_collectorThatTalks() -> None:
    """
    Octets of a collector in the middle of a stream end it.
    """
    with Collector() as collector:
        collector.afterwards = b"x"
        stream = _connected(collector)
        until(lambda: _says(stream, "has sent what no collector sends"))
        stream.close()
        assert collector.frames == []


def _says(stream: SocketStream, words: str) -> bool:
    try:
        stream.look()
    except ValueError as error:
        return words in str(error)
    return False


def test_collectorThatDoesNotRead() -> None:
    """
    One that does not read is left after some seconds.
    """
    with Collector() as collector, patch.object(streams, "_PATIENCE", 0.3):
        collector.isReading = False
        stream = _connected(collector)
        with pytest.raises(TimeoutError):
            for _ in range(100):
                stream.write(framed(bytes(1_000_000)))
        stream.close()
        collector.isReading = True


def test_TLS(tmp_path: Path) -> None:
    """
    Over TLS the certificate of the collector has to be for the name, and of those who are trusted.
    """
    ca, path = str(written(tmp_path)), tmp_path / "collector.pem"
    path.write_bytes(certificateFor("collector.example", "127.0.0.1"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    with Collector(context=context) as collector:
        for name in ("collector.example", "127.0.0.1"):
            stream = SocketStream("tls", "127.0.0.1", collector.port, name, lambda: ca)
            stream.look()
            stream.write(framed(b"x"))
            stream.finish()
            stream.close()
        assert collector.frames == [b"x", b"x"]
        for name, trusted in (("other.example", ca), ("collector.example", "")):
            with pytest.raises(ssl.SSLCertVerificationError):
                SocketStream("tls", "127.0.0.1", collector.port, name, partial(str, trusted))
        with pytest.raises(FileNotFoundError):
            SocketStream("tls", "127.0.0.1", collector.port, "collector.example", lambda: str(tmp_path / "nothing"))


# -- files


def test_file(tmp_path: Path) -> None:
    """
    A file is a whole stream, for its user only.
    """
    path = tmp_path / "txdns.tap"
    stream = FileStream(str(path), lambda: LARGE)
    stream.write(framed(b"first", b"second"))
    stream.look()
    stream.write(framed(b"third"))
    stream.finish()
    stream.close()
    assert read(path) == [b"first", b"second", b"third"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_fileGivesWay(tmp_path: Path) -> None:
    """
    When a file is as long as allowed another begins; four are kept beside it, each a whole stream. So is one that was there before.
    """
    path = tmp_path / "txdns.tap"
    path.write_bytes(PART)
    stream = FileStream(str(path), lambda: 120)
    for number in range(9):
        stream.write(framed(b"%d" % number * 60))
    stream.finish()
    stream.close()
    assert sorted(os.listdir(tmp_path)) == ["txdns.tap", *[f"txdns.tap.{number}" for number in range(1, 5)]]
    names = ["txdns.tap.4", "txdns.tap.3", "txdns.tap.2", "txdns.tap.1", "txdns.tap"]
    assert [read(tmp_path / name) for name in names] == [[b"%d" % number * 60] for number in range(4, 9)]


def test_fileIsKeptFromBefore(tmp_path: Path) -> None:
    """
    What a server before has written is kept, although it was killed.
    """
    path = tmp_path / "txdns.tap"
    path.write_bytes(PART)
    FileStream(str(path), lambda: LARGE).close()
    assert (tmp_path / "txdns.tap.1").read_bytes() == PART
    # One that was made for it is not.
    empty = tmp_path / "empty.tap"
    empty.touch()
    FileStream(str(empty), lambda: LARGE).close()
    assert not (tmp_path / "empty.tap.1").exists()


def test_fileIsMoved(tmp_path: Path) -> None:
    """
    When another program has moved the file away, or removed it, a new one begins; what was moved is a whole stream.
    """
    path, moved = tmp_path / "txdns.tap", tmp_path / "moved.tap"
    stream = FileStream(str(path), lambda: LARGE)
    stream.write(framed(b"first"))
    path.rename(moved)
    stream.look()
    stream.write(framed(b"second"))
    path.unlink()
    stream.look()
    stream.write(framed(b"third"))
    moved.replace(path)
    stream.look()
    stream.write(framed(b"fourth"))
    stream.finish()
    stream.close()
    # What was moved back is kept, and not written into.
    assert (read(tmp_path / "txdns.tap.1"), read(path)) == ([b"first"], [b"fourth"])


def test_movedFilesAreWhole(tmp_path: Path) -> None:
    """
    No message is lost when a file is moved away.
    """
    path, moved = tmp_path / "txdns.tap", tmp_path / "moved.tap"
    stream = FileStream(str(path), lambda: LARGE)
    stream.write(framed(b"first"))
    path.rename(moved)
    # It is written to until it is looked at.
    stream.write(framed(b"second"))
    stream.look()
    stream.write(framed(b"third"))
    stream.finish()
    stream.close()
    assert (read(moved), read(path)) == ([b"first", b"second"], [b"third"])


@pytest.mark.parametrize("what", ["link", "dangling", "folder", "fifo"])
def test_notAFile(tmp_path: Path, what: str) -> None:
    """
    A link is not followed, and nothing else is opened: no file elsewhere is changed, and nothing hangs.
    """
    path, other = tmp_path / "txdns.tap", tmp_path / "other"
    other.write_text("secret")
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(other if what == "link" else tmp_path / "nothing")
    with pytest.raises(ValueError, match="it is not a regular file"):
        FileStream(str(path), lambda: LARGE)
    assert other.read_text() == "secret" and not (tmp_path / "nothing").exists()


def test_linkThatComesBetween(tmp_path: Path) -> None:
    """
    A link that is made between the look at the file and its opening is not followed either.
    """
    path, other = tmp_path / "txdns.tap", tmp_path / "other"
    other.write_text("secret")
    path.symlink_to(other)
    with patch.object(os, "stat", side_effect=FileNotFoundError), pytest.raises(OSError, match="symbolic link|Too many levels"):
        FileStream(str(path), lambda: LARGE)
    assert other.read_text() == "secret"


def test_pipeThatComesBetween(tmp_path: Path) -> None:
    """
    A pipe that is made between the look and the opening is not waited for.
    """
    path = tmp_path / "txdns.tap"
    os.mkfifo(path)
    with patch.object(os, "stat", side_effect=FileNotFoundError), pytest.raises(OSError, match="No such device"):
        FileStream(str(path), lambda: LARGE)


def test_noRoom(tmp_path: Path) -> None:
    """
    Where the file system is nearly full nothing is written.
    """
    path = tmp_path / "txdns.tap"
    stream = FileStream(str(path), lambda: LARGE)
    with patch.object(streams, "hasRoom", return_value=False), pytest.raises(OSError, match="less than a twentieth"):
        stream.write(framed(b"x"))
    stream.finish()
    stream.close()
    assert read(path) == []


def test_fullDiskPushesNothingOut(tmp_path: Path) -> None:
    """
    While nothing can be written each try begins the file anew, and no older one is lost.
    """
    path = tmp_path / "txdns.tap"
    path.write_bytes(PART)
    for _ in range(9):
        stream = FileStream(str(path), lambda: LARGE)
        with patch.object(streams, "hasRoom", return_value=False), pytest.raises(OSError, match="less than a twentieth"):
            stream.write(framed(b"x"))
        stream.close()
    assert sorted(os.listdir(tmp_path)) == ["txdns.tap", "txdns.tap.1"]
    assert (tmp_path / "txdns.tap.1").read_bytes() == PART


def test_diskIsFullInTheMiddle(tmp_path: Path) -> None:
    """
    Where only a part of some frames could be written, none of them is, so that the next ones can be read.
    """
    path = tmp_path / "txdns.tap"
    stream = FileStream(str(path), lambda: LARGE)
    stream.write(framed(b"first"))
    real = os.write
    parts = iter([3])

    def full(descriptor: int, octets: bytes) -> int:
        for part in parts:
            return real(descriptor, octets[:part])
        raise OSError(28, "No space left on device")

    with patch.object(os, "write", full), pytest.raises(OSError, match="No space left"):
        stream.write(framed(b"second"))
    stream.write(framed(b"third"))
    stream.finish()
    stream.close()
    assert read(path) == [b"first", b"third"]
