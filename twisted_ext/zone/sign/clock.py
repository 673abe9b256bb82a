"""
The file whose time is when something was signed last: with a clock that is far from there, nothing is.
"""

from __future__ import annotations

import os
from typing import Final

from twisted_ext.files import STATE_FILE

__all__ = ["clockIn", "noteClock"]

#: Its name, in the folder that has one of keys for each zone.
_CLOCK: Final = "clock"


def clockIn(folder: str) -> str:
    """
    Return the path of the file.

    @param folder: the folder that has one of keys for each zone.
    """
    return f"{folder}/{_CLOCK}"


def noteClock(folder: str, now: float) -> None:
    """
    Note that something was signed now.

    @param now: seconds since 1970.

    @raise OSError: that cannot be written.
    """
    file = os.open(clockIn(folder), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, STATE_FILE)
    try:
        os.utime(file, (now, now))
    finally:
        os.close(file)
