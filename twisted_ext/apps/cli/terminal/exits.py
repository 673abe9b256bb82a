"""
Exit codes, the same as C{dig}'s where it has one, and the one-line errors of commands.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

__all__ = ["BATCH", "BROKEN_PIPE", "DECLINED", "INTERNAL", "INTERRUPTED", "NO_REPLY", "OK", "TERMINATED", "USAGE", "ExitError", "complain"]

#: Success. For a look-up: a reply came, with any rcode.
OK: Final = 0

#: The arguments are not valid.
USAGE: Final = 1

#: A server declined the request.
DECLINED: Final = 2

#: An input file cannot be read.
BATCH: Final = 8

#: No server replied.
NO_REPLY: Final = 9

#: An internal error.
INTERNAL: Final = 10

#: The code that shells report for programs terminated by SIGINT (Ctrl-C).
INTERRUPTED: Final = 130

#: The code that shells report for programs terminated by SIGPIPE.
BROKEN_PIPE: Final = 141

#: The code that shells and service managers report for programs terminated by SIGTERM.
TERMINATED: Final = 143


class ExitError(Exception):
    """
    Ends the command.

    @ivar code: the exit code.
    @ivar line: the message: what is wrong, where, and what would be right; may be empty.
    """

    def __init__(self, code: int, line: str = "") -> None:
        super().__init__(line)
        self.code = code
        self.line = line


def complain(line: str) -> None:
    """
    Write a line to the standard error, with unprintable characters escaped. Write errors are ignored.
    """
    from twisted_ext.wire.escapes import printable

    with suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)
