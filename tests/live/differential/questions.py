"""
The questions that all resolvers are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Case", "casesOf"]


class Case(NamedTuple):
    """
    A question.

    @ivar world: what is special about the zone, such as C{"nsec3/13/knot"}; differences are grouped by it.
    @ivar kind: what is special about the name, such as C{"wildcard"}.
    """

    world: str
    kind: str
    name: str
    rrType: str


def casesOf(world: str, zone: str, lines: str) -> Iterator[Case]:
    """
    @param zone: its name without a final dot.
    @param lines: a question on each line: kind, name relative to the zone or C{@} and types.
    """
    for line in lines.strip().splitlines():
        kind, name, *types = line.split()
        for rrType in types:
            yield Case(world, kind, zone if name == "@" else f"{name}.{zone}", rrType)
