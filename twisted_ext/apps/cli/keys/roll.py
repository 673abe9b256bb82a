"""
C{txdns keys roll}: has a key replaced.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.keys.lives import changeKey
from twisted_ext.apps.cli.terminal.arguments import Arguments
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns keys roll KEY

Has a key replaced by a new one, whatever its lifetime, where the zone's signing policy has
roll = true. Nothing is done at once that some resolver could take for bogus: txdns keys why
shows what is waited for. The server begins when it looks at its files, or at a reload.

  txdns keys roll /var/lib/txdns/signing/example.org./Kexample.org.+013+44703
  txdns control reload

Exit codes: 0 it will be replaced, 1 wrong usage, 8 the key cannot be used.
"""

ARGUMENTS: Final = Arguments(_HELP)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"one key is wanted; write: {ARGUMENTS.usage}")
    name = changeKey(given.bare[0], lambda rolls, name: rolls.replace(name))
    print(f"{name} will be replaced; the server begins when it looks at its files, or at: txdns control reload")
    return OK
