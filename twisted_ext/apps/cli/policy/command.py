"""
C{txdns policy}: runs the sub-commands for rules and lists.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.main import Command, runBelow

__all__ = ["SUBCOMMANDS", "main"]

#: All sub-commands, in the order in which help lists them.
SUBCOMMANDS: Final = (
    Command("check", "cli.policy.check", "report the lines of lists that cannot be used"),
    Command("why", "cli.policy.why", "tell which rule decides about a name for a client"),
    Command("zone", "cli.policy.zone", "tell what response policy zones say, and about which names"),
    Command("test", "cli.policy.test", "compare what the rules decide with a file of expectations"),
    Command("replay", "cli.policy.replay", "tell what other settings would have decided about recorded queries"),
)

_HELP: Final = """\
Usage: txdns policy COMMAND [...]

Commands:
{commands}

They need no running server: they read lists and settings as a server would. For what a running
one decides: txdns control why NAME CLIENT.

  txdns policy check ads.txt games.txt
  txdns policy why ads.example 192.168.1.41 --config /etc/txdns/txdns.toml
  txdns policy test expected.txt --config /etc/txdns/txdns.toml

For the options and examples of a command: txdns policy COMMAND --help.
"""


def main(words: list[str]) -> int:
    return runBelow(SUBCOMMANDS, _HELP, words)
