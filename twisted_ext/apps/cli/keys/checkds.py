"""
C{txdns keys checkds}: says what the parent has.
"""

from __future__ import annotations

from time import time
from typing import Final

from twisted_ext.apps.cli.keys.lives import changeKey
from twisted_ext.apps.cli.terminal.arguments import Arguments
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns keys checkds KEY published|withdrawn

Says that all servers of the parent have the DS record of a key, or that none has it any more,
for zones whose signing policy has roll = true. The server goes on with the roll once resolvers
know of it too. Look before you say so:

  dig @a.parent.example example.org DS
  txdns keys checkds /var/lib/txdns/signing/example.org./Kexample.org.+013+44703 published
  txdns control reload

Exit codes: 0 it is noted, 1 wrong usage, 8 the key cannot be used, or waits for no such thing.
"""

ARGUMENTS: Final = Arguments(_HELP)

_WORDS: Final = {"published": True, "withdrawn": False}


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 2 or given.bare[1] not in _WORDS:
        raise ExitError(USAGE, f"a key and published or withdrawn are wanted; write: {ARGUMENTS.usage}")
    path, word = given.bare
    name = changeKey(path, lambda rolls, name: rolls.tell(name, _WORDS[word], time()))
    print(f"the DS record of {name} is {word}; the server goes on when it looks at its files, or at: txdns control reload")
    return OK
