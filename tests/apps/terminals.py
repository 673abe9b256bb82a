"""
Programs at a pseudo-terminal, with input, output and bounded waits.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final

from tests.patience import PATIENCE

__all__ = ["Terminal", "plain"]

_CONTROLS: Final = re.compile(r"\x1b(?:\[[0-9;?]*[a-zA-Z]|[=>cDEMH78]|[()][A-Z0-9])")


def plain(text: str) -> str:
    """
    Return the text without cursor movements and colors.
    """
    return _CONTROLS.sub("", text.replace("\x1bE", "\n")).replace("\r\n", "\n")


def _resetSIGINT() -> None:
    # A shell that runs the tests in the background ignores them, and programs inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _takeTerminal() -> None:
    _resetSIGINT()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """
    A Python program at a terminal of its own. Use it in a C{with} statement, which ends the program.

    @ivar output: the output so far.
    """

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        *,
        controlling: bool = False,
    ) -> None:
        """
        @param words: the arguments of C{python}.
        @param controlling: whether the terminal controls the program, as under a shell.
        """
        self._controlling = controlling
        self.output = ""
        self._seen = 0
        self._words = [sys.executable, *words]
        self._environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "", **(environment or {})}
        self._directory = directory

    def __enter__(self) -> Terminal:
        self._fileno, theirs = pty.openpty()
        try:
            self._process = subprocess.Popen(
                self._words,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env=self._environment,
                cwd=self._directory,
                start_new_session=True,
                preexec_fn=_takeTerminal if self._controlling else _resetSIGINT,
            )
        finally:
            os.close(theirs)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        with self._process as process:
            process.kill()
        os.close(self._fileno)

    def type(self, text: str) -> None:
        """
        Press these keys.
        """
        os.write(self._fileno, text.encode())

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """
        Send a signal, by default that of Ctrl-C. The terminal itself may not control the program.
        """
        self._process.send_signal(number)

    def expect(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """
        Wait until new output matches C{pattern}.
        """
        giveUp = time.monotonic() + seconds
        while True:
            text = plain(self.output)
            found = re.compile(pattern, re.DOTALL).search(text, self._seen)
            if found is not None:
                self._seen = found.end()
                return found
            left = giveUp - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{pattern!r} did not come; after what was seen:\n{text[self._seen :]}")

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fileno], [], [], seconds)[0]:
            return False
        try:
            octets = os.read(self._fileno, 65536)
        except OSError:
            return False
        self.output += octets.decode("utf-8", "replace")
        return bool(octets)

    def wait(self, seconds: float = PATIENCE) -> int:
        """
        Wait for the end of the program and return its exit code.
        """
        giveUp = time.monotonic() + seconds
        while time.monotonic() < giveUp:
            self._read(0.05)
            status = self._process.poll()
            if status is not None:
                while self._read(0):
                    pass
                return status
        raise AssertionError(f"the program does not end; it wrote:\n{plain(self.output)}")
