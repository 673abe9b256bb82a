"""
C{txdns keys}: runs the sub-commands for keys that sign zones.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.main import Command, runBelow

__all__ = ["SUBCOMMANDS", "main"]

#: All sub-commands, in the order in which help lists them.
SUBCOMMANDS: Final = (
    Command("new", "cli.keys.new", "make a key for a zone"),
    Command("list", "cli.keys.list", "list the keys in a folder"),
    Command("ds", "cli.keys.ds", "print the DS records that the parent needs"),
    Command("why", "cli.keys.why", "show what keys that live by a policy do, and wait for"),
    Command("plan", "cli.keys.plan", "show what will happen to such keys, and when"),
    Command("roll", "cli.keys.roll", "have such a key replaced"),
    Command("checkds", "cli.keys.checkds", "say that the parent has the DS record of such a key, or has it no more"),
)

_HELP: Final = """\
Usage: txdns keys COMMAND [...]

Commands:
{commands}

Keys are files of the form that BIND's tools have: Kexample.org.+013+44703.private and .key.

  txdns keys new example.org --keys /etc/keys
  txdns keys list /etc/keys
  txdns keys ds /etc/keys/Kexample.org.+013+44703
  txdns keys why /var/lib/txdns
  txdns zone sign example.org.zone --output example.org.signed --keys /etc/keys

For the options and examples of a command: txdns keys COMMAND --help.
"""


def main(words: list[str]) -> int:
    return runBelow(SUBCOMMANDS, _HELP, words)
