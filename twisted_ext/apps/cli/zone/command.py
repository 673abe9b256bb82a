"""
C{txdns zone}: runs the sub-commands for zone files.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.main import Command, runBelow

__all__ = ["SUBCOMMANDS", "main"]

#: All sub-commands, in the order in which help lists them.
SUBCOMMANDS: Final = (
    Command("check", "cli.zone.check", "report errors in a zone"),
    Command("format", "cli.zone.format", "write a zone in canonical order or in a readable layout"),
    Command("diff", "cli.zone.diff", "compare the records of two zones"),
    Command("stats", "cli.zone.stats", "print statistics of a zone"),
    Command("serial", "cli.zone.serial", "print the serial, or increase it in place"),
    Command("sign", "cli.zone.sign", "sign a zone with DNSSEC"),
    Command("edit", "cli.zone.edit", "edit a zone in a database with an editor"),
    Command("keygen", "cli.zone.keygen", "generate a TSIG key"),
    Command("compile", "cli.zone.compile", "compile a zone to an image for servers"),
)

_HELP: Final = """\
Usage: txdns zone COMMAND [...]

Commands:
{commands}

A zone is given as FILE if the file is named after the zone (example.org, example.org.zone,
example.org.db), else as NAME=FILE. The file is a master file or an image of one; - is the
standard input.

  txdns zone check example.org.zone
  txdns zone check example.org=/etc/zones/primary
  txdns zone diff example.org.zone @192.0.2.53

For the options and examples of a command: txdns zone COMMAND --help.
"""


def main(words: list[str]) -> int:
    return runBelow(SUBCOMMANDS, _HELP, words)
