"""
C{txdns api}: runs the sub-commands for the HTTP API of a server.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.main import Command, runBelow

__all__ = ["SUBCOMMANDS", "main"]

#: All sub-commands, in the order in which help lists them.
SUBCOMMANDS: Final = (
    Command("token", "cli.api.token", "make a token for a tool that is to use the API"),
    Command("challenge", "cli.api.challenge", "add or remove the challenge of an authority, for a certificate by DNS-01"),
    Command("get", "cli.api.request", "show what is at a path of the API", "get"),
    Command("post", "cli.api.request", "send a request that does something", "post"),
    Command("put", "cli.api.request", "replace what is at a path", "put"),
    Command("patch", "cli.api.request", "change what is at a path", "patch"),
    Command("delete", "cli.api.request", "remove what is at a path", "delete"),
)

_HELP: Final = """\
Usage: txdns api COMMAND [...]

Commands:
{commands}

  txdns api token octodns --scope zones >> tokens
  txdns api get /api/2/status --token-file secret

For the options and examples of a command: txdns api COMMAND --help.
"""


def main(words: list[str]) -> int:
    return runBelow(SUBCOMMANDS, _HELP, words)
