"""
Watches folders and lists of zones for files that are added or removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from twisted.logger import Logger

from twisted_ext.server.limits import CHANGING_SECONDS
from twisted_ext.server.zones.imagefiles import statusOf

__all__ = ["Folders"]

#: Directory entries read in one step: a millisecond.
_ENTRIES: Final = 1000

_log: Final = Logger(__name__)

#: Octets and modification time in nanoseconds; L{None} if C{stat} fails.
_Status = tuple[int, int] | None


@dataclass(slots=True, eq=False)
class _Folder:
    """
    One folder, or one list file.
    """

    path: str
    # The status when its zones were read; the last differing status, and since when it has been changing.
    status: _Status
    resting: _Status = None
    since: float = 0.0
    # Its file names, once they have been read.
    names: frozenset[str] | None = None


class Folders:
    """
    The paths of the C{zones} setting. A check costs one C{stat} for each folder; its entries are read only if it has changed.
    """

    def __init__(self, paths: Iterable[str], *, read: bool = False) -> None:
        """
        @param paths: folders and lists.
        @param read: whether their zones have been read already, so that files may have been added since; otherwise they are read after
            this.
        """
        self.paths = tuple(paths)
        self._folders = [_Folder(path, None if read else statusOf(path)) for path in self.paths]

    def changed(self, now: float, found: list[str]) -> Iterator[None]:
        """
        Check for changes, in short steps.

        @param now: seconds.
        @param found: receives the paths whose files have changed, once their status is the same in two checks in a row, or has been
            changing for C{CHANGING_SECONDS}.
        """
        for folder in self._folders:
            status = statusOf(folder.path)
            if status == folder.status or status is None:
                # A path that is missing for a moment, or not mounted, does not end its zones.
                folder.resting = None
                continue
            if folder.resting is None:
                folder.since = now
            if status != folder.resting and now - folder.since < CHANGING_SECONDS.default:
                folder.resting = status
                continue
            read: set[str] = set()
            yield from _read(folder.path, read)
            names = frozenset(read)
            folder.status, folder.resting = status, None
            if os.path.isdir(folder.path):
                if not names:
                    text = "{path}: there is no file in this folder any more; its zones stay until settings are read again"
                    _log.warn(text, path=folder.path)
                    continue
                if names == folder.names:
                    # Only the contents of a file have changed.
                    continue
                folder.names = names
            found.append(folder.path)


def _read(path: str, names: set[str]) -> Iterator[None]:
    try:
        with os.scandir(path) as entries:
            while some := list(islice(entries, _ENTRIES)):
                names.update([entry.name for entry in some if entry.name[0] != "." and entry.name[-1] != "~"])
                yield
    except OSError:
        # A list file, or a folder that has been removed.
        return
