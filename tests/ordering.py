"""
The order of tests that several processes share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, TypeVar

__all__ = ["quickLast"]

_Item = TypeVar("_Item")

#: How much of what a process has comes last: a tenth of the tests takes half a minute.
_SHARE: Final = 0.1


def quickLast(items: Sequence[_Item], moduleOf: Callable[[_Item], str], isQuick: Callable[[str], bool], processes: int) -> list[_Item]:
    """
    Return tests in an order in which each process has quick ones at the end, so that none waits for a slow one that another has just begun.
    Each process gets an equal part of consecutive tests at first, and takes from the end of another one's when it has done its own. Modules
    stay together, as their tests may share what takes long to make, and are in their former order otherwise.
    """
    modules = [(name, [*group]) for name, group in groupby(items, moduleOf)]
    last: list[list[_Item]] = []
    room = len(items) * _SHARE
    for name, group in modules[::-1]:
        if isQuick(name) and len(group) <= room:
            last.append(group)
            room -= len(group)
    kept = {id(group) for group in last}
    first = [group for _, group in modules if id(group) not in kept]
    ordered: list[_Item] = []
    for process in range(processes):
        end = len(items) * (process + 1) // processes
        for groups, until in ((first, end - int(len(items) * _SHARE / processes)), (last, end)):
            while groups and (len(ordered) < until or process == processes - 1):
                ordered += groups.pop(0)
    return ordered
