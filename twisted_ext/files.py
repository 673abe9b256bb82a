"""
Create files and directories safely where other users can write: with random names, renamed when complete. Open files that settings name
without blocking: another user may have replaced one with a named pipe.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from glob import escape, glob
from typing import IO, Final

__all__ = [
    "STATE_FILE", "STATE_FOLDER", "TemporaryFolder", "closeLocked", "forState", "isPlain", "isReadOnly", "makeStateFolder", "newFileBeside",
    "openNow", "replacingFile", "stateIn", "stateOf", "syncFolder",
]

#: Never open an existing file or follow a link.
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)

#: The prefix of temporary directories: others are never removed.
_PREFIX: Final = "txdns-server-"


#: Permissions of the files and folders in which a server keeps its state, before the umask is applied: the server's user changes them, and
#: its group may read them, such as for a backup. A file with a private key is the only exception.
STATE_FILE: Final = 0o640
STATE_FOLDER: Final = 0o750


def forState(path: str, flags: int) -> int:
    """
    Open a file of a server's state; for the C{opener} of C{open}.
    """
    return os.open(path, flags | os.O_CLOEXEC, STATE_FILE)


def isReadOnly(folder: str) -> bool:
    """
    Return whether the file system that a folder is on, or would be on, takes no writes.
    """
    found = os.path.abspath(folder)
    while not os.path.lexists(found):
        found = os.path.dirname(found)
    try:
        return bool(os.statvfs(found).f_flag & os.ST_RDONLY)
    except OSError:
        # Its user gets the reason when it is opened.
        return False


def makeStateFolder(folder: str) -> None:
    """
    Create a folder of a server's state if it is missing. On a read-only file system it may stay missing: what is to be written there fails
    then, and nothing else.

    @raise OSError: it cannot be created.
    """
    try:
        os.makedirs(folder, STATE_FOLDER, exist_ok=True)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise


def newFileBeside(path: str, mode: int = 0o666) -> tuple[int, str]:
    """
    Create an empty file in the same directory, with a name that other users cannot guess.

    @param mode: its permissions before the umask is applied.

    @return: its descriptor and its path.

    @raise OSError: it cannot be created.
    """
    folder, name = os.path.split(path)
    while True:
        beside = os.path.join(folder, f".{name}.{os.urandom(8).hex()}.new")
        with suppress(FileExistsError):
            return os.open(beside, _NEW, mode), beside


@contextmanager
def replacingFile(path: str, mode: int | None = None, *, new: int = 0o666) -> Iterator[IO[bytes]]:
    """
    Return a context manager that replaces the contents of a file: the old contents remain until the new ones are complete and on disk, and
    permanently if an error occurs. Links are followed; a device or a pipe is written to directly.

    @param mode: the permissions of the new file; by default those of the old one, or C{new}.
    @param new: the permissions if there is no old file, before the umask is applied.

    @raise OSError: the file cannot be written.
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
    descriptor, beside = newFileBeside(path, new if mode is None else 0o600)
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
    A directory that exists until C{close} is called or this process ends. Directories left by killed processes are removed when the same
    user creates the next one.

    @ivar path: its path.
    """

    def __init__(self, parent: str | None = None) -> None:
        """
        @param parent: the parent directory; by default the one for temporary files.

        @raise OSError: it cannot be created.
        """
        # Here, for it takes milliseconds, and commands that write no such folder import this module as well.
        import tempfile

        parent = tempfile.gettempdir() if parent is None else parent
        _removeAbandoned(parent)
        while True:
            self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # Another process may have removed it as abandoned before it was locked.
            if _isLocked(self._lock, self.path):
                return
            os.close(self._lock)

    def close(self) -> None:
        """
        Remove the directory with its contents. Further calls do nothing.
        """
        if self._lock >= 0:
            _remove(self.path)
            closeLocked(self._lock)
            self._lock = -1


def _isLocked(descriptor: int, path: str) -> bool:
    """
    Lock the directory, and return whether this succeeded and it is still the one at this path.
    """
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def _removeAbandoned(parent: str) -> None:
    """
    Remove directories of L{TemporaryFolder} whose process has ended, so that the kernel has released their lock. Leave alone directories of
    other users, directories that others can write to, links and files.
    """
    for path in glob(f"{escape(parent)}/{_PREFIX}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            found = os.fstat(descriptor)
            if found.st_uid == os.geteuid() and not found.st_mode & 0o022 and _isLocked(descriptor, path):
                _remove(path)
        finally:
            os.close(descriptor)


def _remove(path: str) -> None:
    # Here, for it takes milliseconds, as C{tempfile} above.
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def closeLocked(descriptor: int) -> None:
    """
    Close a file that was locked with C{flock}, and release the lock. Closing alone would not always release it: a process that is being
    started has copies of all descriptors until it executes its program, and the lock remains until the last copy is closed.
    """
    with suppress(OSError):
        flock(descriptor, LOCK_UN)
    os.close(descriptor)


def openNow(path: str, flags: int) -> int:
    """
    Open a file without blocking, as C{opener} of L{open}.

    @raise OSError: it cannot be opened, or is neither a regular file nor the null device (C{/dev/null}): others may never end.
    """
    # Not all systems have these flags.
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


def syncFolder(path: str) -> None:
    """
    Synchronize the directory of a file, so that its name is durable as well.
    """
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def stateIn(found: os.stat_result) -> tuple[int, ...]:
    """
    Return numbers of which one changes whenever a file is written or replaced, or its permissions change.
    """
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def stateOf(path: str) -> tuple[int, ...]:
    """
    Return L{stateIn} of a file; nothing if it cannot be looked at.
    """
    try:
        return stateIn(os.stat(path))
    except (OSError, ValueError):
        # ValueError: no file can have such a name.
        return ()


def isPlain(path: str) -> bool:
    """
    Return whether the path is a regular file, or cannot be accessed, for example because it does not exist.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return True
