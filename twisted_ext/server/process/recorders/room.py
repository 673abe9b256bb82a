"""
How much of a file system recorders leave to others.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["FULL", "hasRoom"]

#: One part in so many, and so many octets at most.
_LEFT_PART: Final = 20
_LEFT_OCTETS: Final = 256_000_000

#: Why nothing is written where there is no room.
FULL: Final = "less than a twentieth of the file system is free, or 256 MB"


def hasRoom(folder: str) -> bool:
    """
    Return whether more may be written to a folder.

    @raise OSError: there is no such folder.
    """
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize > min(found.f_blocks * found.f_frsize // _LEFT_PART, _LEFT_OCTETS)
