"""
What will happen to keys, if the servers of the zone and its parent do their part at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple

from twisted_ext.dnssec.rolls.rolls import Rolls
from twisted_ext.dnssec.rolls.states import Record, RollingKey, State

__all__ = ["Planned", "planned"]


class Planned(NamedTuple):
    """
    What happens to a key at a time.

    @ivar at: in seconds since 1970.
    @ivar key: the name of its files; of one that is not made yet C{new ZSK 1} and so on.
    @ivar record: which of its records; L{None} if the key is made.
    @ivar state: where that is then.
    """

    at: float
    key: str
    record: Record | None = None
    state: State | None = None


def planned(rolls: Rolls, now: float, until: float) -> Iterator[Planned]:
    """
    Yield what happens until a time; nothing is changed.

    @param now: seconds since 1970, as C{until}.
    """
    rolls = deepcopy(rolls)
    made = 0
    while True:
        rolls.served(now)
        for key in rolls.keys:
            if Record.DS in key.records:
                rolls.seen(key, key.publishes(Record.DS), now)
        steps: list[Planned] = []
        while missing := rolls.missing(now):
            for each in missing:
                made += 1
                name = f"new {each.role.upper()} {made}"
                rolls.add(RollingKey(name, each.role, each.algorithm, now))
                steps.append(Planned(now, name))
        steps += [Planned(now, move.key.name, move.record, move.state) for move in rolls.step(now)]
        yield from steps
        # What was decided is served, which may let more happen at once.
        if not steps and not rolls.isAwaited:
            moment = rolls.next(now)
            if moment is None or not now < moment <= until:
                return
            now = moment
