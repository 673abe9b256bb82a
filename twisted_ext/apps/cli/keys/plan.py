"""
C{txdns keys plan}: what will happen to keys, and when.
"""

from __future__ import annotations

from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.keys.lives import foldersAt, shownTime
from twisted_ext.apps.cli.keys.made import keyErrors
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag, whole
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError

if TYPE_CHECKING:
    from twisted_ext.dnssec.rolls.plan import Planned

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns keys plan FOLDER|KEY [--days DAYS] [--json]

Shows what will happen to the keys of zones whose signing policy has roll = true, and when, if
the parent does its part at once: when keys are made, published, used, withdrawn and gone. The
policy is that of the last signing; the server need not run.

  txdns keys plan /var/lib/txdns/signing/example.org.
  txdns keys plan /var/lib/txdns --days 30

{options}

Exit codes: 0 it is shown, 1 wrong usage, 8 a folder cannot be used.
"""

_DAYS: Final = Option("--days DAYS", "how far to look ahead (400)", 400, whole(1, 36_500))
_JSON: Final = flag("--json", "an object for each step: folder, at, key, and record and state, or made")

ARGUMENTS: Final = Arguments(_HELP, _DAYS, _JSON)

_DAY: Final = 86_400


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"one folder or key is wanted; write: {ARGUMENTS.usage}")
    (place,) = given.bare

    from twisted_ext.dnssec.rolls.lives import readLives
    from twisted_ext.dnssec.rolls.plan import planned

    now, count = time(), 0
    for folder in foldersAt(place):
        with keyErrors(folder):
            rolls = readLives(folder)
        for step in () if rolls is None else planned(rolls, now, now + given[_DAYS] * _DAY):
            if given[_JSON]:
                print(dumps({"folder": folder, "at": step.at, "key": step.key, **_said(step)}))
            else:
                print(f"{shownTime(step.at)}  {step.key}: {' '.join(map(str, _said(step).values())) if step.record else 'is made'}")
        count += rolls is not None
    if not count:
        raise ExitError(BATCH, f"{place}: these keys do as the times in their files say; txdns keys list shows them")
    return OK


def _said(step: Planned) -> dict[str, object]:
    if step.record is None or step.state is None:
        return {"made": True}
    return {"record": step.record.value, "state": step.state.value}
