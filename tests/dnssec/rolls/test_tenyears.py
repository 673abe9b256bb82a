"""
Ten years of keys, with all that happens to zones: never does any resolver hold something by which a zone is bogus, and what an operator
wants is reached.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from unittest.mock import patch

import pytest

from tests.dnssec.rolls.plans import randomWorld
from tests.dnssec.rolls.world import YEAR, World
from twisted_ext.dnssec.rolls import rolls, rules
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.rolls import Lately, Rolls
from twisted_ext.dnssec.rolls.states import Record, RollingKey

#: Policies of the suite; the long part has 2,000.
_FEW = 100

#: A fault has to be found by one of so many.
_ENOUGH = 60


def _fate(seed: int) -> World:
    world = randomWorld(seed)
    world.run(10 * YEAR)
    world.judge()
    return world


def wrongIn(world: World) -> str:
    """
    Return the first thing that is wrong with what has become of a world; C{""} if all is well.
    """
    for found in (*world.bogus, *world.needless):
        return found
    if world.insecure and not world.mayBeInsecure:
        return "the parent had no DS record"
    policy = world.rolls.policy
    wanted = {(role, policy.algorithm) for role in policy.roles}
    # A key whose lifetime has ended at the end of the ten years may be on its way out.
    leaving = [key for key in world.rolls.keys if not key.isWanted]
    if {(key.role, key.algorithm) for key in world.rolls.keys} != wanted or len(leaving) > len(wanted):
        return f"the keys are {world.rolls.keys}, the policy is {policy}"
    if world.moves and world.rolls.obstacles(world.clock) and world.now - world.moves[-1][0] > YEAR / 2:
        return f"for half a year nothing has happened: {world.rolls.obstacles(world.clock)}"
    return ""


def _judged(seeds: range) -> tuple[int, int, list[str]]:
    """
    Return how many things resolvers held were judged, how many records moved, and what was wrong.
    """
    worlds = [_fate(seed) for seed in seeds]
    wrong = [f"seed {seed}: {said}" for seed, world in zip(seeds, worlds, strict=True) if (said := wrongIn(world))]
    return sum([world.sets for world in worlds]), sum([len(world.moves) for world in worlds]), wrong


def test_tenYears() -> None:
    """
    With policies that are changed at any time, parents that take a year, clocks that are set and servers that fail, no zone is ever bogus
    or without DS records, to any kind of validator; each policy is reached in the end, and no key is left over.
    """
    sets, moves, wrong = _judged(range(_FEW))
    assert wrong == []
    assert sets > 10_000 and moves > 30_000


@pytest.mark.long
def test_manyTenYears() -> None:
    """
    The same for two thousand policies.
    """
    assert _judged(range(_FEW, 2100))[2] == []


def _rule(place: int) -> AbstractContextManager[object]:
    """
    Leave a rule out.
    """
    source = inspect.getsource(rules)
    found = [*re.finditer(r'return "[^"]+"', source)][place]
    changed: dict[str, object] = {}
    exec(source[: found.start()] + 'return ""' + source[found.end() :], changed)
    return patch.object(rolls, "refusal", changed["refusal"])


def _without(record: Record, name: str) -> AbstractContextManager[object]:
    """
    Have no part of a wait for one kind of record.
    """
    real: Callable[[RollPolicy, Record], int] = getattr(RollPolicy, name)
    return patch.object(RollPolicy, name, lambda self, asked: 0 if asked is record else real(self, asked))


def _seen(self: Rolls, key: RollingKey, isThere: bool | None, now: float, ttl: int) -> None:
    standing = key.records[Record.DS]
    if standing.state.isPublished is isThere:
        _REAL_SEEN(self, key, isThere, now, ttl)


def _unread(self: Rolls, key: RollingKey, isThere: bool | None, now: float, ttl: int) -> None:
    _REAL_SEEN(self, key, isThere, now)


_REAL_SEEN = Rolls.seen


@contextmanager
def _impatient() -> Iterator[None]:
    """
    Take what was decided for what is served.
    """
    real = Rolls.step

    def step(self: Rolls, now: float) -> list[rolls.Move]:
        moves = real(self, now)
        self.served(now)
        return moves

    with patch.object(Rolls, "step", step):
        yield


_FAULTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    **{f"rule {place}": partial(_rule, place) for place in range(10)},
    **{f"cached {record.value}": partial(_without, record, "cached") for record in Record},
    **{f"delay {record.value}": partial(_without, record, "delay") for record in Record},
    "names that are signed later do not count": lambda: patch.object(Rolls, "isSpreading", property(lambda self: False)),
    "lower TTLs count at once": lambda: patch.object(Lately, "look", lambda self, cached, delay, now: setattr(self, "longest", cached)),
    "DS records do not come back": lambda: patch.object(Rolls, "seen", _seen),
    "the TTL at the parent is not read": lambda: patch.object(Rolls, "seen", _unread),
    "a clock that is set tells the time": lambda: patch.object(Rolls, "again", lambda self, now: None),
    "what is decided is served": _impatient,
}

#: The first of the worlds that find a fault which few find.
_RARE = {"a clock that is set tells the time": 160}

#: What the rest implies.
_IMPLIED = {
    "cached KRRSIG": "a key comes and goes with its signatures, and waits as long",
    "delay KRRSIG": "a key comes and goes with its signatures, and waits as long",
}


def test_rulesAreCounted() -> None:
    """
    There are as many rules as are left out below.
    """
    assert len(re.findall(r'return "[^"]+"', inspect.getsource(rules))) == 10


@pytest.mark.parametrize("fault", [name for name in _FAULTS if name not in _IMPLIED])
def test_faults(fault: str) -> None:
    """
    Without any one rule, or any part of a wait, a zone is bogus.
    """
    with _FAULTS[fault]():
        first = _RARE.get(fault, 0)
        assert any(wrongIn(_fate(seed)) for seed in range(first, first + _ENOUGH))


@pytest.mark.parametrize("fault", [*_IMPLIED])
def test_implied(fault: str) -> None:
    """
    What is known to follow from the rest does so.
    """
    with _FAULTS[fault]():
        assert [said for seed in range(10) if (said := wrongIn(_fate(seed)))] == []
