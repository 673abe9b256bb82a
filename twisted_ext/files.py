"""
Create files and directories safely where other users can write: under random names, renamed into place when complete. Open files that
settings name without blocking: another user may have replaced one with a named pipe.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from glob import escape, glob
from secrets import token_hex
from typing import IO, Final

__all__ = ["TemporaryFolder", "isPlain", "newFileBeside", "openNow", "replacingFile"]

#: Never opens an existing file, nor a link, which may lead anywhere.
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)

#: Folders of this kind: nothing else is removed.
_PREFIX: Final = "txdns-server-"


def newFileBeside(path: str, mode: int = 0o666) -> tuple[int, str]:
    """
    Make an empty file in the same folder, under a name that other users cannot guess.

    @param mode: its permissions; the umask takes some away.

    @return: its descriptor and its path.

    @raise OSError: it cannot be made.
    """
    folder, name = os.path.split(path)
    while True:
        beside = os.path.join(folder, f".{name}.{token_hex(8)}.new")
        with suppress(FileExistsError):
            return os.open(beside, _NEW, mode), beside


@contextmanager
def replacingFile(path: str, mode: int | None = None) -> Iterator[IO[bytes]]:
    """
    Write a file anew, to be used in a C{with}: what it was stays until all has been written and is on the disk, and for good if something
    goes wrong. A link stays one; a device or a pipe is written to.

    @param mode: the permissions of the new file; by default those of the one before, or those that new files have.

    @raise OSError: that cannot be done.
    """
    path = os.path.realpath(path)
    try:
        former = os.stat(path)
    except FileNotFoundError:
        former = None
    if former is not None and not stat.S_ISREG(former.st_mode):
        with open(path, "wb") as file:
            yield file
        return
    if mode is None and former is not None:
        mode = stat.S_IMODE(former.st_mode)
    descriptor, beside = newFileBeside(path, 0o666 if mode is None else 0o600)
    try:
        with open(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield file
            file.flush()
            os.fsync(descriptor)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


class TemporaryFolder:
    """
    A folder that is there for as long as this process and C{close} has not been called. What processes that were killed have left of that
    kind is removed by the next one of the same user.

    @ivar path: where it is.
    """

    def __init__(self, parent: str | None = None) -> None:
        """
        @param parent: where to make it; by default where temporary files are.

        @raise OSError: it cannot be made.
        """
        parent = tempfile.gettempdir() if parent is None else parent
        removeAbandoned(parent)
        while True:
            self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # A process that looks for abandoned ones may have come between the two.
            if _isLocked(self._lock, self.path):
                return
            os.close(self._lock)

    def close(self) -> None:
        """
        Remove it with all that is in it. Doing so again does nothing.
        """
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _isLocked(descriptor: int, path: str) -> bool:
    """
    @return: whether this process alone holds the folder at this path, now.
    """
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def removeAbandoned(parent: str) -> None:
    """
    Remove folders of L{TemporaryFolder} whose process has ended: the kernel has released their lock. Leave alone folders of other users,
    folders that others can write to, links and files.
    """
    for path in glob(f"{escape(parent)}/{_PREFIX}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            found = os.fstat(descriptor)
            if found.st_uid == os.geteuid() and not found.st_mode & 0o022 and _isLocked(descriptor, path):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def openNow(path: str, flags: int) -> int:
    """
    Open a file, as C{opener} of L{open}.

    @raise OSError: it cannot be opened, or is something else, the empty device (C{/dev/null}) excepted: others may have no end.
    """
    # Not on all systems are there files that one could have to wait for.
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    found = os.fstat(file)
    if stat.S_ISREG(found.st_mode) or _isEmptyDevice(found):
        return file
    os.close(file)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "a file was expected, which this is not")


def _isEmptyDevice(found: os.stat_result) -> bool:
    try:
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return False


def isPlain(path: str) -> bool:
    """
    @return: whether there is a file, or nothing yet that could be in the way of one.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return True
