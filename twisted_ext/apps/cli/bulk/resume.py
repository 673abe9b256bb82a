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

__all__ = ["Resuming", "hold"]

_CHUNK: Final = 1 << 16


class Resuming:
    """
    Compares input and output side by side. Lines come out in nearly the order in which they went in, so only those are kept in mind
    that are ahead of their turn: as many as were written while the slowest look-up took its time.

    @ivar path: the output so far.
    @ivar skipped: items that were found in it.
    """

    def __init__(self, path: str) -> None:
        """
        Cut off what is left of a line that was not finished.

        @raise ExitError: the file cannot be read or written, or holds something else.
        """
        self.path = path
        self.skipped = 0
        self._ahead: Counter[Item] = Counter()
        try:
            # Created where there is none: then there is nothing to skip.
            self._file: BinaryIO = open(_opened(path), "rb+")
            self._end = self._wholeLines()
        except OSError as error:
            raise ExitError(BATCH, f"--resume {path}: {error.strerror}; give the file that --output wrote") from error
        self._number = 0
        try:
            if self._end:
                self._readAhead()
        except ExitError:
            self._file.close()
            raise
        self._file.truncate(self._end)

    def _wholeLines(self) -> int:
        """
        @return: the octets of the file up to the end of its last whole line.
        """
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
        @return: whether this item has its line; each line counts for one item.
        """
        ahead = self._ahead
        while not ahead[item]:
            if not self._readAhead():
                return False
        if ahead[item] == 1:
            del ahead[item]
        else:
            ahead[item] -= 1
        self.skipped += 1
        return True

    def _readAhead(self) -> bool:
        """
        Take in one more line.

        @return: whether there was one.
        """
        if self._file.tell() >= self._end:
            return False
        self._number += 1
        line = self._file.readline()
        try:
            found = loads(line)
            self._ahead[found["name"], found["type"]] += 1
        except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            where = f"--resume {self.path}, line {self._number}"
            raise ExitError(BATCH, f"{where}: this is not a line of txdns bulk; give the file that --output wrote") from error
        return True

    def around(self, feed: Callable[[], Fed | None]) -> Callable[[], Fed | None]:
        """
        @return: what C{feed} gives, without what has its line.
        """

        def remaining() -> Fed | None:
            while (fed := feed()) is not None:
                if not self.has(fed[0]):
                    return fed
            return None

        return remaining

    def close(self) -> None:
        """
        Read no more.
        """
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
    Have a file of output for ourselves for as long as it is open: two runs that go on with one file would write everything twice.

    @raise OSError: another run has it.
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
        # There are file systems that know no locks.
        return
