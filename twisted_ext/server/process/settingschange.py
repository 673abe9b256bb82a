"""
Changes of settings as the parent tells them to its workers: only what differs, as it may be one of thousands of values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

__all__ = ["SettingsChange", "changeOf", "changedBy"]


class SettingsChange(TypedDict):
    """
    A change of settings, which are given by name as JSON.

    C{values} are those with a new value, C{gone} the names of those without one. C{parts} are lists of which a part is replaced: the number
    of elements that stay before it, the number of those that stay behind it, and what is between them now.
    """

    values: dict[str, object]
    gone: list[str]
    parts: dict[str, tuple[int, int, list[object]]]


def changeOf(before: Mapping[str, object], after: Mapping[str, object]) -> SettingsChange:
    """
    Return what differs.
    """
    change = SettingsChange(values={}, gone=[name for name in before if name not in after], parts={})
    for name, value in after.items():
        former = before.get(name)
        # 0 is not False.
        if name in before and type(former) is type(value) and former == value:
            continue
        if isinstance(former, list) and isinstance(value, list):
            change["parts"][name] = _partOf(former, value)
        else:
            change["values"][name] = value
    return change


def _partOf(before: list[object], after: list[object]) -> tuple[int, int, list[object]]:
    shorter = min(len(before), len(after))
    head = next((index for index in range(shorter) if before[index] != after[index]), shorter)
    tail = next((index for index in range(shorter - head) if before[-1 - index] != after[-1 - index]), shorter - head)
    return head, tail, after[head : len(after) - tail]


def changedBy(before: Mapping[str, object], change: SettingsChange) -> dict[str, object]:
    """
    Return the settings after a change.
    """
    after = {name: value for name, value in before.items() if name not in change["gone"]} | change["values"]
    for name, (head, tail, between) in change["parts"].items():
        former = cast("list[object]", before[name])
        after[name] = [*former[:head], *between, *former[len(former) - tail :]]
    return after
