"""
C{txdns config}: runs the sub-commands for settings files.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.main import Command, runBelow

__all__ = ["SUBCOMMANDS", "main"]

#: All sub-commands, in the order in which help lists them.
SUBCOMMANDS: Final = (
    Command("check", "cli.config.check", "check a settings file as a server does"),
    Command("diff", "cli.config.diff", "say in words what differs between two settings files"),
    Command("schema", "cli.config.schema", "print the JSON schema of settings files, for editors"),
)

_HELP: Final = """\
Usage: txdns config COMMAND [...]

Commands:
{commands}

They need no running server.

  txdns config check /etc/txdns/txdns.toml
  txdns config diff /etc/txdns/txdns.toml edited.toml
  txdns config schema > txdns.schema.json

For the options and examples of a command: txdns config COMMAND --help.
"""


def main(words: list[str]) -> int:
    return runBelow(SUBCOMMANDS, _HELP, words)
