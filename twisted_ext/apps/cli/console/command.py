"""
C{txdns console}: runs the sub-commands for the console of a server.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.main import Command, runBelow

__all__ = ["SUBCOMMANDS", "main"]

#: All sub-commands, in the order in which help lists them.
SUBCOMMANDS: Final = (
    Command("setup", "cli.console.setup", "make the files of a server with a console, and start it"),
    Command("user", "cli.console.user", "make a user who may sign in"),
)

_HELP: Final = """\
Usage: txdns console COMMAND [...]

Commands:
{commands}

  txdns console setup home
  txdns console user anna --scope admin >> users

For the options and examples of a command: txdns console COMMAND --help.
"""


def main(words: list[str]) -> int:
    return runBelow(SUBCOMMANDS, _HELP, words)
