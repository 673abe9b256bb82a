"""
What keys do and wait for, for programs and pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted_ext.dnssec.rolls.rolls import Rolls

__all__ = ["keysShown"]


def keysShown(rolls: Rolls, now: float) -> list[dict[str, Any]]:
    """
    Return for each key C{key}, the name of its files; C{role}; C{algorithm}, a number; C{wanted}, whether it is to be in use; C{records},
    the state of each of its records; C{waits}, for each that is not where it is to be C{next}, its next state, C{why}, what it waits for,
    and C{until}, when that is over, if time alone ends it; and C{successor}, when its successor is made, if that is known.

    @param now: seconds since 1970, as all other times.
    """
    obstacles = rolls.obstacles(now)
    found: list[dict[str, Any]] = []
    for key in rolls.keys:
        waits: dict[str, Any] = {
            each.record.value: {"next": each.state.value, "why": each.why, "until": each.until} for each in obstacles if each.key is key
        }
        records: dict[str, Any] = {record.value: standing.state.value for record, standing in key.records.items()}
        shown: dict[str, Any] = {"key": key.name, "role": key.role, "algorithm": key.algorithm, "wanted": key.isWanted}
        end = rolls.ends(key) if key.isWanted else None
        found.append({**shown, "records": records, "waits": waits, **({} if end is None else {"successor": end})})
    return found
