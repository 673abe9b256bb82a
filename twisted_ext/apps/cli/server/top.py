"""
C{txdns top}: shows live statistics of a running server.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from twisted_ext.apps.cli.server.client import SOCKET, ControlChannel
from twisted_ext.apps.cli.server.plainview import PlainView, Rates
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, number, whole
from twisted_ext.apps.cli.terminal.colors import isTerminal
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, TERMINATED, USAGE, ExitError

if TYPE_CHECKING:
    from twisted_ext.apps.cli.server.richview import RichView

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns top [--socket PATH] [--every SECONDS] [--count N]

Shows queries per second, the shares of cache hits (answers without a look-up) and of replies
for blocked names, the latency of look-ups, query types, the most queried and the slowest names,
and the state of the upstreams: one that is down is shown in red. If the server runs with
--show-clients, also its most active clients. q or Ctrl-C ends it.

Output to a file or a pipe, or without the package rich, is plain text, one report after
another.

  txdns top
  txdns top --every 60 >>watched.txt

Exit codes: 0 ended by the user, 1 wrong usage, 9 no server, 143 terminated by SIGTERM.
"""

_EVERY: Final = Option("--every SECONDS", "the time between two reports", 1.0, number(0.1, 1e9))
_COUNT: Final = Option("--count N", "end after so many reports", 0, whole(1, 10**9))

ARGUMENTS: Final = Arguments(_HELP, SOCKET, _EVERY, _COUNT)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if given.bare:
        raise ExitError(USAGE, f"unexpected argument {given.bare[0]!r}; write: {ARGUMENTS.usage}")
    channel = ControlChannel(given[SOCKET])
    former = signal.signal(signal.SIGTERM, _terminate)
    try:
        with Keyboard(sys.stdin) as keyboard:
            _watch(channel, given[_EVERY], given[_COUNT], keyboard)
    except KeyboardInterrupt:
        # The usual way to leave.
        return OK
    except _Terminated:
        return TERMINATED
    finally:
        signal.signal(signal.SIGTERM, former)
    return OK


class _Terminated(Exception):
    """
    SIGTERM arrived. Its default action would leave the terminal with the cursor hidden and the keyboard unbuffered.
    """


def _terminate(number: int, frame: object) -> None:
    raise _Terminated


class Keyboard:
    """
    Unbuffered keyboard input, if the standard input is a terminal and this process is in its foreground. A context manager that restores
    the terminal.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._fileno: int | None = None
        self._former: list[Any] = []
        if stream.isatty():
            fileno = stream.fileno()
            try:
                # The kernel stops a background process that changes the terminal.
                foreground = os.getpgrp() == os.tcgetpgrp(fileno)
            except OSError:
                # This is not the controlling terminal, so the process cannot be stopped.
                foreground = True
            if foreground:
                self._fileno = fileno

    def __enter__(self) -> Keyboard:
        if self._fileno is not None:
            self._former = termios.tcgetattr(self._fileno)
            tty.setcbreak(self._fileno, termios.TCSANOW)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._fileno is not None:
            termios.tcsetattr(self._fileno, termios.TCSANOW, self._former)

    def wait(self, seconds: float) -> bool:
        """
        @return: whether q was pressed before the time was up.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._fileno is None:
                time.sleep(left)
            elif select.select([self._fileno], [], [], left)[0]:
                keys = os.read(self._fileno, 64)
                if b"q" in keys.lower():
                    return True
                if not keys:
                    self._fileno = None
        return False


def _watch(channel: ControlChannel, every: float, count: int, keyboard: Keyboard) -> None:
    rates = Rates()
    view: PlainView | RichView | None = None
    shown = 0
    try:
        while True:
            status, stats = channel.ask("GET", "status"), channel.ask("GET", "stats")
            rates.clients = channel.ask("GET", "clients")
            try:
                perSecond = status.get("perSecond")
                rates.note(stats, time.monotonic(), perSecond if isinstance(perSecond, int | float) else 0.0)
            except ValueError as error:
                raise ExitError(NO_REPLY, f"{channel.path}: the server has another version than this txdns: {error}") from error
            # Created after the first reply, so that the terminal is left alone if there is no server.
            view = view or _viewFor(isTerminal(sys.stdout))
            view.draw(status, rates)
            shown += 1
            if (count and shown >= count) or keyboard.wait(every):
                return
    finally:
        if view is not None:
            view.close()


def _viewFor(terminal: bool) -> PlainView | RichView:
    if terminal:
        with suppress(ImportError):
            from twisted_ext.apps.cli.server.richview import RichView

            return RichView()
    return PlainView()
