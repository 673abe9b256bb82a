"""
Files that settings name, opened without waiting for anybody: a pipe that somebody put in a file's place would have a server wait for who
writes there.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["isPlain", "openNow"]


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
