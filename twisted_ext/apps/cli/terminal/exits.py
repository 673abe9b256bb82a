"""
Exit codes, the same as C{dig}'s where it has one, and the one-line errors of commands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = [
    "BATCH", "BOGUS", "BROKEN_PIPE", "DECLINED", "INDETERMINATE", "INSECURE", "INTERNAL", "INTERRUPTED", "NO_REPLY", "OK", "TERMINATED",
    "USAGE",
    "ExitError", "complain", "fileErrors",
]  # fmt: skip

#: Success. For a look-up: a reply came, with any rcode.
OK: Final = 0

#: The arguments are not valid.
USAGE: Final = 1

#: A server declined the request.
DECLINED: Final = 2

#: What validation found (RFC 4035, section 4.3); a secure answer is L{OK}.
INSECURE: Final = 3
BOGUS: Final = 4
INDETERMINATE: Final = 5

#: An input file cannot be read.
BATCH: Final = 8

#: No server replied.
NO_REPLY: Final = 9

#: An internal error.
INTERNAL: Final = 10

#: The codes that shells and service managers report for programs terminated by SIGINT (Ctrl-C), SIGPIPE and SIGTERM.
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143


class ExitError(Exception):
    """
    Ends the command.

    @ivar line: the message: what is wrong, where, and what would be right; may be empty.
    """

    def __init__(self, code: int, line: str = "") -> None:
        super().__init__(line)
        self.code = code
        self.line = line


@contextmanager
def fileErrors(path: str) -> Iterator[None]:
    """
    Report an error of this file with an L{ExitError}.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise ExitError(BATCH, f"{path}: {getattr(error, 'strerror', None) or error}") from error


def complain(line: str) -> None:
    """
    Write a line to the standard error, with unprintable characters escaped. Write errors are ignored.
    """
    from twisted_ext.wire.escapes import printable

    with suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)
