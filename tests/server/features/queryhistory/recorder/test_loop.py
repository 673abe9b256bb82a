"""
Tests of the recorder: what it writes, what it removes, and what it does when it cannot write.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.server.features.queryhistory.recorder.histories import BEGIN, historyOf, hit, rowOf, told
from twisted_ext.server.features.queryhistory.recorder import loop
from twisted_ext.server.features.queryhistory.recorder.frames import HANDSHAKE, SOCKET
from twisted_ext.server.features.queryhistory.recorder.loop import Recorder
from twisted_ext.server.features.queryhistory.recorder.search import Filter, search
from twisted_ext.server.features.queryhistory.recorder.segments import Writer, segmentsIn
from twisted_ext.server.process.recorders import intake
from twisted_ext.server.process.recorders.frames import COUNT_OCTETS, framed


class Recording:
    """
    A recorder whose clock is set.
    """

    def __init__(self, folder: Path, **given: object) -> None:
        self.folder = str(folder)
        self.today = float(BEGIN)
        self.lines: list[str] = []
        self.recorder = Recorder(self.folder, given, self.lines.append, lambda: self.today)

    def take(self, *said: object) -> None:
        """
        Have it take a batch and write it.
        """
        self.recorder.take([*said])
        with patch.object(loop, "_SECONDS", 0.0):
            self.recorder.look()

    def lookAgain(self) -> None:
        """
        Have it look as after a minute.
        """
        held = vars(self.recorder)
        held["_lookAt"] = held["_reportAt"] = held["_writeAt"] = 0.0
        self.recorder.look()

    def names(self) -> list[str]:
        """
        Return the names that the history has, the newest first.
        """
        return [each.row.name for each in search(self.folder, Filter(), self.lines.append)]

    @property
    def said(self) -> str:
        """
        Why it does not write.
        """
        return str(vars(self.recorder)["_said"])


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    """
    A recorder in an empty folder.
    """
    made = Recording(tmp_path / "history")
    yield made
    made.recorder.close()


def test_rowsCanBeReadSoon(recording: Recording) -> None:
    """
    What was told is in the history after a second, and its folder is closed to others.
    """
    recording.recorder.take([told("a.example")])
    recording.recorder.look()
    assert recording.names() == []
    recording.take(hit("b.example"))
    assert recording.names() == ["example.b", "example.a"]
    assert os.stat(recording.folder).st_mode & 0o777 == 0o700
    assert os.stat(f"{recording.folder}/{SOCKET}").st_mode & 0o777 == 0o600


def test_figures(recording: Recording) -> None:
    """
    The parent is told how many rows were written, and how many could not be.
    """
    recording.take(told("a.example"))
    recording.lookAgain()
    assert json.loads(recording.lines[-1]) == {"rows": 1, "unwritten": 0, "said": ""}


def test_daysAreOver(recording: Recording) -> None:
    """
    A file whose last query is too old is removed as a whole; the one that is written is closed after a day.
    """
    recording.take(told("a.example", at=float(BEGIN)))
    recording.today += 86_401
    recording.lookAgain()
    recording.take(told("b.example", at=recording.today))
    for thread in vars(recording.recorder)["_threads"]:
        thread.join()
    assert len(segmentsIn(recording.folder)) == 2
    recording.recorder.apply({"days": 1})
    recording.today += 80_000
    recording.lookAgain()
    assert recording.names() == ["example.b"]


def test_fileIsWrittenForADay(recording: Recording) -> None:
    """
    One file has the queries of a day, however often it is looked at: each file is searched for by itself.
    """
    for number in range(5):
        recording.take(told(f"n{number}.example", at=recording.today))
        recording.lookAgain()
        recording.today += 17_000
    assert len(segmentsIn(recording.folder)) == 1
    assert recording.names() == [f"example.n{number}" for number in (4, 3, 2, 1, 0)]


def test_sizeIsBounded(tmp_path: Path) -> None:
    """
    While there is more than is allowed, the oldest file goes.
    """
    historyOf(tmp_path, *[[rowOf(f"s{number}n{each}.example") for each in range(1000)] for number in range(4)])
    sizes = [each.octets for each in segmentsIn(str(tmp_path))]
    recording = Recording(tmp_path, octets=sizes[2] + sizes[3])
    recording.lookAgain()
    assert [each.number for each in segmentsIn(str(tmp_path))] == [3, 4]
    recording.recorder.close()


def test_floodsOfNames(recording: Recording) -> None:
    """
    Random names close a file early, so that the memory for words is bounded.
    """
    with patch.object(loop, "_WORDS", 50):
        recording.take(*[told(f"n{number}.example") for number in range(60)])
        recording.take(told("a.example"))
    assert [each.number for each in segmentsIn(recording.folder)] == [1, 2]
    assert len(recording.names()) == 61


def test_aFullDisk(recording: Recording) -> None:
    """
    With too little room nothing is written, which is counted and said once; after a minute it is tried again.
    """
    recording.take(told("a.example"))
    with patch.object(loop, "hasRoom", lambda folder: False):
        recording.take(told("b.example"))
    recording.take(told("c.example"))
    with patch.object(loop, "hasRoom", lambda folder: False):
        held = vars(recording.recorder)
        held["_reportAt"] = 0.0
        recording.recorder.look()
    assert json.loads(recording.lines[-1])["said"] == "less than a twentieth of the file system is free, or 256 MB"
    assert recording.recorder.unwritten == 2
    recording.lookAgain()
    recording.take(told("d.example"))
    assert (recording.names(), recording.said) == (["example.d", "example.a"], "")


def test_anErrorOfTheDisk(recording: Recording) -> None:
    """
    An error while a new file is begun leaves no file.
    """
    with patch.object(Writer, "write", side_effect=OSError(5, "Input/output error")):
        recording.take(told("a.example"))
    assert (recording.said, segmentsIn(recording.folder)) == ("Input/output error", [])


def test_whatAKilledOneLeft(tmp_path: Path) -> None:
    """
    Files and the socket of a recorder that was killed are no hindrance: the file is finished, the socket is made anew.
    """
    (path,) = historyOf(tmp_path, [rowOf("a.example")], isOpen=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/{SOCKET}")
    recording = Recording(tmp_path)
    recording.take(told("b.example"))
    recording.recorder.close()
    assert recording.names() == ["example.b", "example.a"]
    assert path.stat().st_mode & 0o777 == 0o400
    assert SOCKET not in os.listdir(tmp_path)


def test_aSuccessorKeepsItsSocket(tmp_path: Path) -> None:
    """
    A recorder that ends while that of the next server listens leaves the other's socket.
    """
    former = Recording(tmp_path)
    successor = Recording(tmp_path)
    former.recorder.close()
    assert SOCKET in os.listdir(tmp_path)
    successor.recorder.close()
    assert SOCKET not in os.listdir(tmp_path)


class _Telling:
    """
    A process that tells a recorder, over its socket.
    """

    def __init__(self, recording: Recording) -> None:
        self._recorder = recording.recorder
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(f"{recording.folder}/{SOCKET}")
        self.turn()

    def turn(self) -> None:
        """
        Have the recorder read what is there.
        """
        self._recorder.wait(0.0)

    def tell(self, *values: bytes | list[Any] | tuple[Any, ...]) -> None:
        """
        Send frames, or octets in their place.
        """
        for value in values:
            self._socket.send(value if isinstance(value, bytes) else framed(value))
        self.turn()

    def written(self) -> int:
        """
        How many batches are said to be written.
        """
        self._socket.settimeout(0)
        try:
            octets = self._socket.recv(1024)
        except BlockingIOError:
            return 0
        return sum([int.from_bytes(octets[start : start + COUNT_OCTETS], "big") for start in range(0, len(octets), COUNT_OCTETS)])

    def isClosed(self) -> bool:
        """
        Whether the recorder has closed the connection.
        """
        self._socket.settimeout(0)
        try:
            while self._socket.recv(1024):
                pass
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """
        End.
        """
        self._socket.close()


def test_processesThatTell(recording: Recording) -> None:
    """
    Frames are read in pieces, from several processes at once.
    """
    first, second = _Telling(recording), _Telling(recording)
    octets = framed(HANDSHAKE) + framed([told("a.example")])
    first.tell(octets[:10])
    second.tell(HANDSHAKE, [told("b.example")])
    first.tell(octets[10:])
    recording.take()
    assert sorted(recording.names()) == ["example.a", "example.b"]
    first.close()
    second.close()


def test_whatIsWrittenIsSaid(tmp_path: Path) -> None:
    """
    Each process is told how many of its batches are written, once they are: also of those of which nothing is kept or could be written.
    """
    recording = Recording(tmp_path)
    first, second = _Telling(recording), _Telling(recording)
    first.tell(HANDSHAKE, [told("a.example")], [told("b.example")])
    second.tell(HANDSHAKE, [told("c.example")])
    assert (first.written(), second.written()) == (0, 0)
    recording.take()
    assert sorted(recording.names()) == ["example.a", "example.b", "example.c"]
    assert (first.written(), second.written()) == (2, 1)
    first.tell([])
    recording.recorder.look()
    assert (first.written(), second.written()) == (1, 0)
    with patch.object(Writer, "write", side_effect=OSError(28, "full")):
        first.tell([told("d.example")])
        recording.take()
    assert (first.written(), recording.recorder.unwritten) == (1, 1)
    second.tell([told("e.example")], [("h", 0.0)])
    assert second.written() == 2
    with patch.object(intake, "_READ", 100):
        first.tell(*[[told("f.example")]] * 5)
        recording.recorder.close()
    assert first.written() == 5
    first.close()
    second.close()


@pytest.mark.parametrize(
    "said",
    [
        [[told("a.example")]],
        [("txdns-history", 0, (3, 1))],
        [HANDSHAKE, b"\xff\xff\xff\xff"],
        [HANDSHAKE, [("h", 0.0)]],
        [HANDSHAKE, b"\0\0\0\1Z"],
    ],
)
def test_processesThatAreNotUnderstood(recording: Recording, said: list[Any]) -> None:
    """
    Another version, or what is no frame, ends the connection with a line for the log; the recorder works on.
    """
    telling = _Telling(recording)
    telling.tell(*said)
    assert telling.isClosed()
    assert recording.lines[-1].startswith("a process that answers queries is not understood: ")
    telling.close()
    recording.take(told("b.example"))
    assert recording.names() == ["example.b"]


def test_strangers(recording: Recording) -> None:
    """
    A process of another user is not listened to, even if it can open the socket.
    """
    with patch.object(os, "geteuid", lambda: 12345), patch.object(intake, "_ROOT", -1):
        telling = _Telling(recording)
    assert telling.isClosed()
    telling.close()
