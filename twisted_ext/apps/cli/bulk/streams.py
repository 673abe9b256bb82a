"""
Opens the input and output of C{txdns bulk} before any look-up, so that a wrong path is reported at once.
"""

from __future__ import annotations

import os

from twisted_ext.apps.cli.bulk.args import BulkWishes
from twisted_ext.apps.cli.bulk.resume import Resuming, hold
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError

__all__ = ["Streams"]


class Streams:
    """
    The file descriptors of the input and output.

    @ivar input: the input; L{None} if all ranges are arguments of the command.
    @ivar output: the output.
    @ivar path: the output's path, or C{""} for the standard output.
    @ivar resuming: the existing lines of the output, or L{None} without C{--resume}.
    """

    def __init__(self, wishes: BulkWishes) -> None:
        self._opened: list[int] = []
        self.input: int | None = None
        if not wishes.ranges:
            hint = "write a range such as 192.0.2.0/24, or a file of them" if wishes.reverse else "write a file with one name per line"
            self.input = 0 if wishes.file == "-" else self._open(wishes.file, os.O_RDONLY, hint)
        self.resuming: Resuming | None = None
        self.output = 1
        self.path = wishes.resume or wishes.output or ""
        if wishes.resume is not None:
            self.resuming = Resuming(wishes.resume)
            self.output = self._open(wishes.resume, os.O_WRONLY | os.O_APPEND, "write the file of an earlier --output")
        elif wishes.output is not None:
            hint = "write the name of a new file"
            if os.path.isfile(wishes.output):
                hint += ", or use --resume to continue this one"
            self.output = self._open(wishes.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, hint)
            hold(self.output)

    def _open(self, path: str, flags: int, hint: str) -> int:
        try:
            fileno = os.open(path, flags, 0o666)
            if os.path.isdir(path):
                raise IsADirectoryError(21, "Is a directory")
        except OSError as error:
            raise ExitError(BATCH, f"{path}: {error.strerror}; {hint}") from error
        self._opened.append(fileno)
        return fileno

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.resuming is not None:
            self.resuming.close()
        for fileno in self._opened:
            os.close(fileno)
