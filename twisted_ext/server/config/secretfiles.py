"""
Files with what lets people or programs in: read by their owner and its group only.
"""

from __future__ import annotations

import os

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow

__all__ = ["FileStatus", "fileStatus", "readSecret"]

#: What differs once a file has been changed.
FileStatus = tuple[int, int, int, int]


def fileStatus(path: str) -> FileStatus | None:
    """
    Return L{None} for a file that cannot be looked at.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def readSecret(setting: str, path: str, most: int) -> str:
    """
    @param setting: the setting that names it, for errors.
    @param most: octets from which it is too long.

    @raise BadDescription: it cannot be read, others can read it, or it is too long.
    """
    try:
        with open(path, encoding="utf-8", opener=openNow) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(most + 1)
    except OSError as error:
        raise BadDescription(f"{setting}: {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadDescription(f"{setting}: {path} is not text in UTF-8") from None
    if mode & 0o137:
        raise BadDescription(f"{setting}: {path} can be read by others (mode {mode & 0o777:04o}); write: chmod 0600 {path}")
    if len(text) > most:
        raise BadDescription(f"{setting}: {path} is longer than {most:,} octets")
    return text
