"""
How a command ends: an exit code, the same as C{dig}'s if it has one, and one line for the user.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

__all__ = ["BATCH", "BROKEN_PIPE", "DECLINED", "INTERNAL", "INTERRUPTED", "NO_REPLY", "OK", "TERMINATED", "USAGE", "ExitError", "complain"]

#: It went well. For a look-up: a reply came, whatever it says.
OK: Final = 0

#: The words of the command cannot be used.
USAGE: Final = 1

#: A server replied, and will not do what it was asked to.
DECLINED: Final = 2

#: A file of input cannot be read.
BATCH: Final = 8

#: No server replied.
NO_REPLY: Final = 9

#: Something that should never happen.
INTERNAL: Final = 10

#: What shells report of programs ended by SIGINT, which Ctrl-C sends.
INTERRUPTED: Final = 130

#: What shells report of programs ended by SIGPIPE.
BROKEN_PIPE: Final = 141

#: What shells, and those who run services, report of programs ended by SIGTERM.
TERMINATED: Final = 143


class ExitError(Exception):
    """
    The command ends here.

    @ivar code: for the shell.
    @ivar line: for people: what, where, what would be right; may be empty.
    """

    def __init__(self, code: int, line: str = "") -> None:
        super().__init__(line)
        self.code = code
        self.line = line


def complain(line: str) -> None:
    """
    Write a line to the standard error, with unprintable characters escaped. Ignore errors, as there is nowhere to report them.
    """
    from twisted_ext.wire.escapes import printable

    with suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)
