"""
Tests of L{twisted_ext.files}.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from unittest.mock import patch

import pytest

from twisted_ext.files import TemporaryFolder, closeLocked, newFileBeside, replacingFile


@pytest.fixture
def umask() -> Iterator[None]:
    """
    Set the usual umask.
    """
    before = os.umask(0o022)
    yield
    os.umask(before)


def modeOf(path: Path) -> int:
    """
    Return the permissions of a file.
    """
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_fileIsReplacedAtOnce(tmp_path: Path) -> None:
    """
    A file is replaced as a whole and keeps its permissions; a new one has the default or the given ones.
    """
    path = tmp_path / "file"
    path.write_bytes(b"before")
    path.chmod(0o640)
    with replacingFile(str(path)) as file:
        file.write(b"after")
        file.flush()
        assert path.read_bytes() == b"before"
    assert (path.read_bytes(), modeOf(path)) == (b"after", 0o640)
    for name, mode, expected in (("new", None, 0o644), ("private", 0o600, 0o600)):
        with replacingFile(str(tmp_path / name), mode) as file:
            file.write(b"x")
        assert modeOf(tmp_path / name) == expected
    assert sorted(os.listdir(tmp_path)) == ["file", "new", "private"]


def test_failedWriteKeepsTheFile(tmp_path: Path) -> None:
    """
    A failed write leaves the file unchanged and no other file.
    """
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), replacingFile(str(path)) as file:
        file.write(b"after")
        raise ZeroDivisionError
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


def test_linksAreHandledSafely(tmp_path: Path) -> None:
    """
    A symbolic link to the file stays one. A trap that another user has set under a predictable name is neither followed nor removed.
    """
    target, link, victim = tmp_path / "target", tmp_path / "link", tmp_path / "victim"
    target.write_bytes(b"before")
    victim.write_bytes(b"precious")
    link.symlink_to(target)
    traps = [tmp_path / f"target{ending}" for ending in (".new", ".part", f".{os.getpid()}.new")]
    for trap in traps:
        trap.symlink_to(victim)
    with replacingFile(str(link)) as file:
        file.write(b"after")
    assert (link.is_symlink(), target.read_bytes(), victim.read_bytes()) == (True, b"after", b"precious")
    assert all(trap.is_symlink() for trap in traps)


def test_takenNameIsSkipped(tmp_path: Path) -> None:
    """
    A name that is taken, even by a dangling link, is skipped.
    """
    (tmp_path / ".file.00.new").symlink_to(tmp_path / "nowhere")
    names = iter([b"\x00", b"\x11"])
    with patch("os.urandom", lambda count: next(names)):
        descriptor, path = newFileBeside(str(tmp_path / "file"))
    os.close(descriptor)
    assert path == str(tmp_path / ".file.11.new")
    assert not (tmp_path / "nowhere").exists()


def test_pipeIsNotReplaced(tmp_path: Path) -> None:
    """
    A pipe or device is written to and not replaced by a file.
    """
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with replacingFile(str(path)) as file:
        file.write(b"octets")
    assert os.read(reading, 100) == b"octets"
    os.close(reading)
    assert stat.S_ISFIFO(path.stat().st_mode)
    with replacingFile("/dev/null") as file:
        file.write(b"octets")


PROGRAM = """
import sys, time
from twisted_ext.files import TemporaryFolder
folder = TemporaryFolder(sys.argv[1])
open(folder.path + "/file", "w").close()
print(folder.path, flush=True)
time.sleep(60)
"""


def test_abandonedFolderIsRemoved(tmp_path: Path) -> None:
    """
    A temporary folder is private and removed when it is closed. That of a killed process is removed by the next process; one in use, a
    link, a file and a folder that others can write to are kept.
    """
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        assert modeOf(left) == 0o700
        outside, shared = tmp_path / "outside", tmp_path / "txdns-server-shared"
        outside.mkdir()
        (outside / "file").touch()
        (tmp_path / "txdns-server-link").symlink_to(outside)
        (tmp_path / "txdns-server-file").touch()
        shared.mkdir()
        shared.chmod(0o777)
        with_it = TemporaryFolder(str(tmp_path))
        assert (left / "file").exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (left / "file").exists()
        other = TemporaryFolder(str(tmp_path))
    assert not left.exists()
    assert Path(with_it.path).is_dir() and shared.is_dir() and (outside / "file").exists()
    assert (tmp_path / "txdns-server-file").exists() and (tmp_path / "txdns-server-link").is_symlink()
    for folder in (with_it, other, other):
        folder.close()
    assert not Path(with_it.path).exists() and not Path(other.path).exists()


def test_closedFileIsUnlocked(tmp_path: Path) -> None:
    """
    L{closeLocked} releases the lock even if another process has a copy of the descriptor. Closing alone would not.
    """
    path = tmp_path / "lock"
    for close, copied in ((os.close, True), (closeLocked, False)):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        flock(descriptor, LOCK_EX | LOCK_NB)
        copy = os.dup(descriptor)
        close(descriptor)
        with open(path, "rb") as other:
            assert isLocked(other.fileno()) is copied
        os.close(copy)


def isLocked(descriptor: int) -> bool:
    """
    Return whether another open file has the lock.
    """
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return True
    return False


def test_foreignFoldersAreKept(tmp_path: Path) -> None:
    """
    Folders of other users are kept.
    """
    theirs = tmp_path / "txdns-server-theirs"
    theirs.mkdir(0o700)
    with patch("os.geteuid", lambda: os.stat(theirs).st_uid + 1):
        TemporaryFolder(str(tmp_path)).close()
    assert theirs.exists()
