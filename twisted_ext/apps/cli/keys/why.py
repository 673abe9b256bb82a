"""
C{txdns keys why}: what keys do, and what they wait for.
"""

from __future__ import annotations

from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.keys.lives import foldersAt, shownTime
from twisted_ext.apps.cli.keys.made import keyErrors
from twisted_ext.apps.cli.terminal.arguments import Arguments, flag
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted_ext.dnssec.rolls.rolls import Rolls

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns keys why FOLDER|KEY [--json]

Shows the keys of zones whose signing policy has roll = true: where each of their records is
(hidden, rumoured, omnipresent, unretentive), where it is to be next, and what it waits for.
The server need not run.

  txdns keys why /var/lib/txdns/signing/example.org.
  txdns keys why /var/lib/txdns

{options}

Exit codes: 0 they are shown, 1 wrong usage, 8 a folder cannot be used.
"""

_JSON: Final = flag("--json", "an object for each key: folder, key, role, algorithm, wanted, records, waits, successor")

ARGUMENTS: Final = Arguments(_HELP, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"one folder or key is wanted; write: {ARGUMENTS.usage}")
    (place,) = given.bare

    from twisted_ext.dnssec.rolls.lives import readLives

    count = 0
    for folder in foldersAt(place):
        with keyErrors(folder):
            rolls = readLives(folder)
        if rolls is not None:
            count += 1
            for line in _objects(folder, rolls, time()) if given[_JSON] else _lines(rolls, time()):
                print(line)
    if not count:
        raise ExitError(BATCH, f"{place}: these keys do as the times in their files say; txdns keys list shows them")
    return OK


def _lines(rolls: Rolls, now: float) -> Iterator[str]:
    found = rolls.obstacles(now)
    for key in rolls.keys:
        yield f"{key.name} {key.role}, {'is to be in use' if key.isWanted else 'is to go'}"
        for record, standing in key.records.items():
            said = f"  {record.value:6} {standing.state.value}"
            for each in found:
                if each.key is key and each.record is record:
                    said += f", then {each.state.value}: {each.why}"
                    said += "" if each.until is None else f", until {shownTime(each.until)}"
            yield said
        end = rolls.ends(key) if key.isWanted else None
        if end is not None:
            yield f"  its successor is made at {shownTime(end)}"
    if rolls.policy.insecure and rolls.isInsecure:
        yield "No resolver has a DS record any more: leave sign out to serve the zone without signatures."


def _objects(folder: str, rolls: Rolls, now: float) -> Iterator[str]:
    from twisted_ext.dnssec.rolls.shown import keysShown

    for shown in keysShown(rolls, now):
        yield dumps({"folder": folder, **shown})
