"""
Checks the ownership of files whose content is run: only root and the server's user may be able to change them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from twisted_ext.errors import BadDescription

__all__ = ["refuseForeign"]


def _above(path: str) -> Iterator[str]:
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder


def refuseForeign(setting: str, path: str, *, owners: bool = True) -> None:
    """
    Check that a file cannot be changed or replaced by other users: its mode and owner, those of all folders above it, and those of a link's
    target.

    @param owners: whether to check owners; not possible before privileges are dropped, when the user of the server is not known.

    @raise BadDescription: another user can change the file; says where.
    """
    plain, real = os.path.abspath(path), os.path.realpath(path)
    for place in dict.fromkeys([real, *_above(real), *_above(plain)]):
        try:
            found = os.stat(place)
        except OSError as error:
            raise BadDescription(f"{setting}: {place}: {error.strerror or error}") from None
        # In a folder with the sticky bit only owners can replace a file.
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
            raise BadDescription(f"{setting}: {path} is not run: other users can write to {place}; chmod go-w {place}")
        if owners and found.st_uid not in (0, os.geteuid()):
            raise BadDescription(f"{setting}: {path} is not run: {place} belongs to neither root nor the user of the server; chown it")
