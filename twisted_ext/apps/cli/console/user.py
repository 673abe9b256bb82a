"""
C{txdns console user}: makes a user who may sign in at the console of a server.
"""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.errors import BadDescription

__all__ = ["ARGUMENTS", "askedPassword", "main"]

_HELP: Final = """\
Usage: txdns console user NAME [OPTION ...] >> FILE

Makes a user who may sign in at the console of a server. The entry for the file that console-users
names is written to the standard output, with a hash of the password. The password is asked for at
a terminal; otherwise it is the first line of the standard input.

{options}

  txdns console user anna --scope admin >> /etc/txdns/console-users

Exit codes: 0 done, 1 wrong usage.
"""

_SCOPE: Final = Option(
    "--scope SCOPE", "what the user may do: read, zones (change records too), or admin (everything)", "read", str, what="a scope"
)

ARGUMENTS: Final = Arguments(_HELP, _SCOPE)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        said = "a user has one name" if given.bare else "the name of the user is missing"
        raise ExitError(USAGE, f"{said}; write: {ARGUMENTS.usage}")
    try:
        from twisted_ext.web.console.site.users import userToTOML
    except ModuleNotFoundError as error:
        raise ExitError(USAGE, f"this needs {error.name}, which is not installed: pip install 'twisted-ext[console]'") from error
    try:
        sys.stdout.write(userToTOML(given.bare[0], given[_SCOPE], askedPassword()))
    except BadDescription as fault:
        raise ExitError(USAGE, str(fault)) from fault
    sys.stdout.flush()
    return OK


def askedPassword() -> str:
    """
    Return the password that the user types twice at a terminal; or else the first line of the standard input.

    @raise ExitError: the two differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass("Password: ")
    if getpass("Again: ") != first:
        raise ExitError(USAGE, "the passwords differ")
    return first
