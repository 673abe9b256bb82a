"""
C{txdns keys new}: makes a key for a zone.
"""

from __future__ import annotations

from time import time
from typing import Final

from twisted_ext.apps.cli.keys.made import ALGORITHM, SPLIT, dsText, keyErrors, roleOf
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, valueOf, whole
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.wire.names import nameFromText

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns keys new ZONE --keys FOLDER [--algorithm NAME] [--split] [--bits NUMBER]

Makes a key that signs all records of a zone, or with --split one for the DNSKEY records and one
for the rest, and prints the DS record for the parent. No file is ever replaced, and only its
owner can read the private key.

  txdns keys new example.org --keys /etc/keys
  txdns keys new example.org --keys /etc/keys --algorithm ed25519 --split

{options}

Exit codes: 0 the key is made, 1 wrong usage, 8 it cannot be written.
"""

_KEYS: Final = Option("--keys FOLDER", "where to write it; the folder is made if it is missing", "", str, what="a folder")
_BITS: Final = Option("--bits NUMBER", "the size of keys of rsasha256, 2048 by default", 2048, whole(2048, 4096), what="a number")

ARGUMENTS: Final = Arguments(_HELP, _KEYS, ALGORITHM, SPLIT, _BITS)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1 or not given[_KEYS]:
        raise ExitError(USAGE, f"a zone and --keys are wanted; write: {ARGUMENTS.usage}")
    (name,) = given.bare
    apex = valueOf(nameFromText, name, name)

    from twisted_ext.dnssec.privatekeys.keyfiles import nameOf
    from twisted_ext.dnssec.privatekeys.keyring import makeKeys

    with keyErrors(given[_KEYS]):
        files = makeKeys(given[_KEYS], apex.lower(), given[ALGORITHM], time(), split=given[SPLIT], bits=given[_BITS])
    for file in files:
        print(f"made {nameOf(file)} ({roleOf(file.key, given[SPLIT])})")
        if file.key.flags & 1:
            print(f"the parent needs: {dsText(apex, file.key)}")
    return OK
