"""
Resumes an interrupted C{txdns bulk}: names that already have an output line are not looked up again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable
from json import JSONDecodeError, loads
from typing import BinaryIO, Final

from twisted_ext.apps.cli.bulk.input import Fed, Item
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError

__all__ = ["EarlierOutput", "hold"]

_CHUNK: Final = 1 << 16


class EarlierOutput:
    """
    Compares the input with the output of an earlier run. Output lines are in nearly the order of the input, so only those ahead of their
    turn are kept in memory: as many as were written during the slowest look-up.
    """

    def __init__(self, path: str) -> None:
        """
        Open the output, and remove an incomplete last line.
        """
        self._path = path
        self._ahead: Counter[Item] = Counter()
        try:
            # This creates the file if it does not exist: then there is nothing to skip.
            self._file: BinaryIO = open(_opened(path), "rb+")
            self._end = self._endOfWholeLines()
        except OSError as error:
            raise ExitError(BATCH, f"--resume {path}: {error.strerror}; write the file of an earlier --output") from error
        self._number = 0
        try:
            if self._end:
                self._readAhead()
        except ExitError:
            self._file.close()
            raise
        self._file.truncate(self._end)

    def _endOfWholeLines(self) -> int:
        end = self._file.seek(0, os.SEEK_END)
        position = end
        while position:
            start = max(0, position - _CHUNK)
            self._file.seek(start)
            found = self._file.read(position - start).rfind(b"\n")
            if found >= 0:
                position = start + found + 1
                break
            position = start
        self._file.seek(0)
        return position

    def has(self, item: Item) -> bool:
        """
        Return whether an item has a line in the output; each line counts for one item.
        """
        ahead = self._ahead
        while not ahead[item]:
            if not self._readAhead():
                return False
        if ahead[item] == 1:
            del ahead[item]
        else:
            ahead[item] -= 1
        return True

    def _readAhead(self) -> bool:
        if self._file.tell() >= self._end:
            return False
        self._number += 1
        line = self._file.readline()
        try:
            found = loads(line)
            self._ahead[found["name"], found["type"]] += 1
        except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            where = f"--resume {self._path}, line {self._number}"
            raise ExitError(BATCH, f"{where}: this is not a line of txdns bulk; write the file of an earlier --output") from error
        return True

    def around(self, feed: Callable[[], Fed | None]) -> Callable[[], Fed | None]:
        """
        Wrap C{feed} so that it skips items that have a line.
        """

        def remaining() -> Fed | None:
            while (fed := feed()) is not None:
                if not self.has(fed[0]):
                    return fed
            return None

        return remaining

    def close(self) -> None:
        self._file.close()


def _opened(path: str) -> int:
    fileno = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
    try:
        if not stat.S_ISREG(os.fstat(fileno).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        hold(fileno)
    except OSError:
        os.close(fileno)
        raise
    return fileno


def hold(fileno: int) -> None:
    """
    Lock an output file until it is closed, because two runs that resume with the same file would write everything twice.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return
    try:
        flock(fileno, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "another run writes to it") from None
    except OSError:
        # Some file systems do not support locks.
        return
