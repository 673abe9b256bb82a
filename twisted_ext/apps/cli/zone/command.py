"""
C{txdns zone}: dispatches to the subcommands for zones in files.
"""

from __future__ import annotations

import sys
from typing import Final

from twisted_ext.apps.cli.main import Command
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError

__all__ = ["SUBCOMMANDS", "main"]

#: What may stand behind C{txdns zone}, in the order in which help lists it.
SUBCOMMANDS: Final = (
    Command("check", "cli.zone.check", "find what is wrong with a zone"),
    Command("format", "cli.zone.format", "write a zone in canonical order, or to be read"),
    Command("diff", "cli.zone.diff", "compare two zones by their records"),
    Command("stats", "cli.zone.stats", "tell what a zone consists of"),
    Command("serial", "cli.zone.serial", "show the serial number, or raise it in place"),
    Command("edit", "cli.zone.edit", "change a zone of a database in an editor"),
    Command("keygen", "cli.zone.keygen", "make a TSIG key"),
    Command("compile", "cli.zone.compile", "make the image of a zone that a server maps"),
)

_HELP: Final = """\
Usage: txdns zone COMMAND [...]

Commands:
{commands}

A zone is written FILE where the file is called like the zone (example.org, example.org.zone,
example.org.db), else NAME=FILE. The file is a master file or an image of one; - is standard
input.

  txdns zone check example.org.zone
  txdns zone check example.org=/etc/zones/primary
  txdns zone diff example.org.zone @192.0.2.53

txdns zone COMMAND --help tells more.
"""


def main(words: list[str]) -> int:
    """
    @param words: those behind C{txdns zone}.

    @return: the exit code.
    """
    if not words:
        print(_help(), end="", file=sys.stderr)
        return USAGE
    word = words[0]
    if word in ("-h", "--help", "help"):
        print(_help(), end="")
        return OK
    for command in SUBCOMMANDS:
        if command.word == word:
            return command.load()(words[1:])
    from difflib import get_close_matches

    known = [command.word for command in SUBCOMMANDS]
    close = get_close_matches(word, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    raise ExitError(USAGE, f"nothing that can be done with zones is called {word!r}; {hint}")


def _help() -> str:
    return _HELP.format(commands="\n".join([f"  {command.word:<9} {command.summary}" for command in SUBCOMMANDS]))
