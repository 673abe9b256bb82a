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

    @raise OSError: it cannot be opened, or is something else, a device such as C{/dev/null} excepted.
    """
    file = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    mode = os.fstat(file).st_mode
    if stat.S_ISREG(mode) or stat.S_ISCHR(mode):
        return file
    os.close(file)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "a file was expected, which this is not")


def isPlain(path: str) -> bool:
    """
    @return: whether there is a file, or nothing yet that could be in the way of one.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return True
