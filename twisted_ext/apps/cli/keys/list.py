"""
C{txdns keys list}: lists keys.
"""

from __future__ import annotations

import os
from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.keys.made import keyErrors, keysAt
from twisted_ext.apps.cli.terminal.arguments import Arguments, flag
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, complain
from twisted_ext.dnssec.algorithms import algorithmName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.times import dateFromSeconds

if TYPE_CHECKING:
    from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile
    from twisted_ext.dnssec.rolls.rolls import Rolls

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns keys list FOLDER|KEY [--json]

Lists the keys in a folder, or in those below it, or one key: the zone, the tag, the algorithm,
the flags (257 for a key that may sign the DNSKEY records, else 256), and what it does now, as
the times in its file say, or its signing policy. A key is named with or without .key or
.private.

  txdns keys list /etc/keys
  txdns keys list /var/lib/txdns

{options}

Exit codes: 0 the keys are listed, 1 wrong usage, 8 a key or the folder cannot be used.
"""

_JSON: Final = flag("--json", "an object for each key: zone, tag, algorithm, flags, state, times, file")

ARGUMENTS: Final = Arguments(_HELP, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"one folder or key is wanted; write: {ARGUMENTS.usage}")
    (place,) = given.bare

    from twisted_ext.dnssec.privatekeys.keyfolder import loadKey
    from twisted_ext.dnssec.rolls.lives import readLives

    files: list[KeyFile] = []
    wrong = 0
    with keyErrors(place):
        paths = keysAt(place)
    for path in paths:
        try:
            with keyErrors(place):
                files.append(loadKey(path))
        except ExitError as ending:
            wrong += 1
            complain(ending.line)
    now = time()
    for file in sorted(files, key=lambda file: (nameToText(file.zone), -file.key.flags, file.key.tag)):
        folder = os.path.dirname(file.key.source)
        with keyErrors(folder):
            _show(file, readLives(folder), now, given[_JSON])
    return BATCH if wrong else OK


def _show(file: KeyFile, rolls: Rolls | None, now: float, asJSON: bool) -> None:
    from twisted_ext.dnssec.privatekeys.keyfiles import nameOf
    from twisted_ext.dnssec.privatekeys.keyring import stateOf

    key, zone, algorithm = file.key, nameToText(file.zone), algorithmName(file.key.algorithm)
    state = (stateOf(file, now) if rolls is None else rolls.stateOf(nameOf(file))) or "not in the zone"
    times = {name: dateFromSeconds(value) for name, value in file.times.items()}
    if asJSON:
        said = {"zone": zone, "tag": key.tag, "algorithm": algorithm, "flags": key.flags, "state": state, "times": times}
        print(dumps({**said, "file": key.source}))
        return
    since = f", made {times['Created'][:4]}-{times['Created'][4:6]}-{times['Created'][6:8]}" if "Created" in times else ""
    print(f"{zone} {key.tag} {algorithm} flags {key.flags}, {state}{since}")
