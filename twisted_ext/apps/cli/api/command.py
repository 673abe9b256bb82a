"""
C{txdns api}: runs the sub-commands for the HTTP API of a server.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.main import Command, runBelow

__all__ = ["SUBCOMMANDS", "main"]

#: All sub-commands, in the order in which help lists them.
SUBCOMMANDS: Final = (Command("token", "cli.api.token", "make a token for a tool that is to use the API"),)

_HELP: Final = """\
Usage: txdns api COMMAND [...]

Commands:
{commands}

  txdns api token octodns --scope zones >> tokens

For the options and examples of a command: txdns api COMMAND --help.
"""


def main(words: list[str]) -> int:
    return runBelow(SUBCOMMANDS, _HELP, words)
