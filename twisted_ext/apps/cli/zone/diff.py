"""
C{txdns zone diff}: compares two zones by their records.
"""

from __future__ import annotations

import sys
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, flag
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.apps.cli.zone.args import DIFFERENT, ZoneWord, transferred
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted_ext.zone.store.diff import Change
    from twisted_ext.zone.store.version import Version

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns zone diff [NAME=]FILE [NAME=]FILE|@SERVER [--json] [--quiet] [--no-signatures]

Compares the records of two zones, independently of their order and layout: - marks records only
in the first zone, + records only in the second. From @SERVER the zone is fetched by AXFR.

  txdns zone diff example.org.zone example.org=/tmp/edited
  txdns zone diff example.org.zone @192.0.2.53

{options}

Exit codes: 0 the zones are equal, 1 they differ, or wrong usage, 2 a file does not hold a valid
zone, 8 a file cannot be read, 9 the transfer failed.
"""


_JSON: Final = flag("--json", "one object per line: change, name, ttl, class, type, data")
_QUIET: Final = flag("--quiet", "print nothing; there is only the exit code")
_UNSIGNED: Final = flag("--no-signatures", "ignore RRSIG, NSEC and NSEC3 records")

ARGUMENTS: Final = Arguments(_HELP, _JSON, _QUIET, _UNSIGNED)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 2:
        raise ExitError(USAGE, f"write exactly two zones, not {len(given.bare)}: {ARGUMENTS.usage}")
    first, second = given.bare
    named = next((ZoneWord(each) for each in (first, second) if not each.startswith("@")), None)
    if named is None:
        raise ExitError(USAGE, f"two servers; one of the two must be a file. Write: {ARGUMENTS.usage}")
    before, after = [_version(each, named) for each in (first, second)]
    if before.apex != after.apex:
        raise ExitError(USAGE, f"{first} and {second} are zones with different names")

    from twisted_ext.zone.store.diff import changes

    count = 0
    palette = paletteFor(sys.stdout)
    for change in changes(before, after, signatures=not given[_UNSIGNED]):
        count += 1
        if given[_QUIET]:
            break
        if given[_JSON]:
            print(dumps(change.toJSON()))
        else:
            line = printable(_line(change))
            print(palette.good(line) if change.added else palette.error(line))
    return DIFFERENT if count else OK


def _version(word: str, named: ZoneWord) -> Version:
    if word.startswith("@"):
        return transferred(word[1:], named.apex)
    return ZoneWord(word).version()


def _line(change: Change) -> str:
    return f"{'+' if change.added else '-'} {change.text}"
