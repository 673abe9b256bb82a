"""
The file with the lives of a zone's keys: one for all of them, since it is replaced as a whole, and several files are not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from twisted_ext.dnssec.privatekeys.keyfolder import textOf
from twisted_ext.dnssec.privatekeys.keys import badKey
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.rolls import Lately, Rolls, Swap
from twisted_ext.dnssec.rolls.states import Record, RollingKey, Standing, State
from twisted_ext.files import replacingFile

__all__ = ["LIVES", "livesIn", "livesOf", "readLives", "writeLives"]

#: The name of the file, in the folder of the zone's keys.
LIVES: Final = "lives"

#: The form of the file. A file of a later form is not read.
_FORM: Final = 1

#: Anybody may read what is in it: DNS says as much.
_MODE: Final = 0o644


def livesIn(folder: str) -> str:
    """
    Return the path of the file.
    """
    return os.path.join(folder, LIVES)


def readLives(folder: str) -> Rolls | None:
    """
    Return what is known of the keys in a folder; L{None} if nothing is.

    @raise BadKey: the file cannot be read, is damaged, or other users can change it.
    """
    path = livesIn(folder)
    if not os.path.lexists(path):
        return None
    text = textOf(path)
    try:
        table = json.loads(text)
        if not isinstance(table, dict) or table.get("form") != _FORM:
            raise ValueError(f"form {_FORM} is right")
        return _rollsOf(table)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        said = "put back a copy; without it, the server does not know which records of which keys resolvers have"
        raise badKey(path, f"it is damaged ({wrong}); {said}") from None


def writeLives(rolls: Rolls, folder: str) -> None:
    """
    Write what is known. Once this returns, it is on the disk.

    @raise OSError: it cannot be written.
    """
    with replacingFile(livesIn(folder), _MODE) as file:
        file.write(livesOf(rolls))


def livesOf(rolls: Rolls) -> bytes:
    """
    Return the content of the file.
    """
    keys = [
        {
            "name": key.name,
            "role": key.role,
            "algorithm": key.algorithm,
            "born": key.born,
            "wanted": key.isWanted,
            "replaced": key.isReplaced,
            "records": {record.value: [each.state.value, each.since, each.cached, each.decided] for record, each in key.records.items()},
        }
        for key in rolls.keys
    ]
    lately = {record.value: [each.longest, each.last, each.until] for record, each in rolls.lately.items()}
    table = {
        "form": _FORM,
        "policy": asdict(rolls.policy),
        "keys": keys,
        "lately": lately,
        "parentTTL": rolls.parentTTL,
        "swaps": rolls.swaps,
    }
    return json.dumps(table, indent=1).encode("ascii") + b"\n"


def _rollsOf(table: Mapping[str, Any]) -> Rolls:
    """
    @raise ValueError: it makes no sense; as other exceptions of what is not of the right type.
    """
    keys: list[RollingKey] = []
    for each in table["keys"]:
        records = {Record(name): _standing(*values) for name, values in each["records"].items()}
        key = RollingKey(str(each["name"]), str(each["role"]), int(each["algorithm"]), float(each["born"]))
        if records.keys() != key.records.keys():
            raise ValueError(f"{key.name} has no state of some of its records")
        key.records.update(records)
        key.isWanted, key.isReplaced = bool(each["wanted"]), bool(each["replaced"])
        keys.append(key)
    rolls = Rolls(RollPolicy(**table["policy"]), keys)
    rolls.parentTTL = int(table.get("parentTTL", 0))
    rolls.swaps = [Swap(float(at), tuple(map(str, names))) for at, names in table.get("swaps", ())]
    if strange := {name for swap in rolls.swaps for name in swap.names} - {key.name for key in keys}:
        raise ValueError(f"{min(strange)} is not among its keys")
    for name, (longest, last, until) in table["lately"].items():
        rolls.lately[Record(name)] = Lately(int(longest), int(last), None if until is None else float(until))
    return rolls


def _standing(state: str, since: float | None, cached: int, *others: float) -> Standing:
    # Earlier versions had another time before the last one.
    return Standing(State(state), None if since is None else float(since), int(cached), float(others[-1]))
