"""
Rolls as our own recursive resolver sees them, with what it has in its cache: a second before and after all that happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest

from tests.dnssec.rolls.world import DAY, HOUR, Event, Parent, World
from tests.testing.internet.test_resolving import World as Resolving
from twisted_ext.answers import Security
from twisted_ext.dnssec.algorithms import ECDSA_P256, ED25519
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.testing.internet.keyplans import KeyPlan, KeyState, PlannedKey
from twisted_ext.testing.internet.seededsigner import SigningKey

_ZONE = "example.org"
_TTL = 300

#: Seconds after something has happened at which resolvers ask again: when what they had is about to end, and has ended.
_LATER = (1, _TTL - 2, _TTL + 2, HOUR - 2, HOUR + 2)


class _Rolled(KeyPlan):
    """
    The keys of a zone as they were in a world.
    """

    def __init__(self, world: World, begin: float) -> None:
        """
        @param begin: when the internet begins, on the world's clock.
        """
        super().__init__(ECDSA_P256, ttl=HOUR, dsTTL=HOUR)
        self._history = world.served()
        self._begin = begin

    def at(self, seed: bytes, start: float, now: float) -> KeyState:
        """
        Return the keys at a time.
        """
        moment = max(now - start, 0) + self._begin
        index = max(number for number, each in enumerate(self._history) if each[0] <= moment)
        since, published, entries, signing, delegated = self._history[index]
        until = self._history[index + 1][0] if index + 1 < len(self._history) else float("inf")
        keys = []
        for each in sorted(published | entries | signing | delegated):
            name, algorithm = each
            key = SigningKey.generate(algorithm, seed + name.encode(), flags=256 if name.startswith("zsk") else 257)
            keys.append(PlannedKey(key, each in published, each in entries, each in signing, each in delegated))
        return KeyState(since - self._begin + start, until - self._begin + start, tuple(keys))


def _world(split: bool, act: Callable[[World], object]) -> tuple[World, float]:
    """
    Return a world in which something happens at its tenth day, and when that is.
    """
    policy = RollPolicy(ECDSA_P256, split, {}, HOUR, _TTL, HOUR, renew=0, propagation=0, parentPropagation=0, safety=0)
    at = 10.0 * DAY
    world = World(1, policy, Parent(HOUR, 0, HOUR), [Event(at, "begins", act)], isSloppy=False)
    world.run(at + 5 * DAY)
    return world, at


def _replace(role: str) -> Callable[[World], object]:
    def act(world: World) -> None:
        (key,) = [key for key in world.rolls.keys if key.role == role]
        world.rolls.replace(key.name)

    return act


def _edit(changed: Callable[[RollPolicy], RollPolicy]) -> Callable[[World], object]:
    return lambda world: world.edit(changed)


_ROLLS = {
    "a ZSK": (True, _replace("zsk")),
    "a KSK": (True, _replace("ksk")),
    "a CSK": (False, _replace("csk")),
    "another algorithm": (True, _edit(lambda policy: replace(policy, algorithm=ED25519))),
    "CSK to KSK and ZSK": (False, _edit(lambda policy: replace(policy, split=True))),
    "KSK and ZSK to CSK": (True, _edit(lambda policy: replace(policy, split=False))),
}


def _looks(split: bool, act: Callable[[World], object]) -> tuple[int, list[str]]:
    """
    Have resolvers look at a roll; return how often they did, and which answers were not secure.
    """
    world, begin = _world(split, act)
    resolving = Resolving(signed=True)
    internet = resolving.internet
    internet.zone(f"roll.{_ZONE}", f"www {_TTL} A 192.0.2.80", signed=_Rolled(world, begin - DAY))
    origin, apex = internet.time(), f"roll.{_ZONE}"
    moments = [each[0] - (begin - DAY) for each in world.served() if each[0] >= begin]
    asked = 0
    wrong: list[str] = []
    plans: list[tuple[float, int, str, str]] = []
    for number, moment in enumerate(moments):
        for kind, name in (("DS", apex), ("DNSKEY", apex), ("A", f"www.{apex}"), ("A", f"x.{apex}")):
            index = len(plans)
            plans.append((moment - 1, index, name, kind))
            for later in _LATER:
                plans += [(moment + later, index, f"www.{apex}", "A"), (moment + later, index, f"y{number}-{later}.{apex}", "A")]
    resolvers: dict[int, ValidatingSource] = {}
    for moment, index, name, kind in sorted(plans):
        internet.advance(max(origin + moment - internet.time(), 0))
        resolving.source = resolvers.setdefault(index, resolving.newResolver()) if index not in resolvers else resolvers[index]
        asked += 1
        try:
            found = resolving.look(name, kind)
        except DNSFault as fault:
            wrong.append(f"{moment:.0f} s: {name} {kind}: {fault}")
            continue
        if found.security is not Security.SECURE:
            wrong.append(f"{moment:.0f} s: {name} {kind}: {found.security}")
    return asked, wrong


@pytest.mark.parametrize("roll", [*_ROLLS])
def test_secure(roll: str) -> None:
    """
    Whatever a resolver had a second before something happens, each of its answers after that is secure.
    """
    asked, wrong = _looks(*_ROLLS[roll])
    assert wrong == []
    assert asked > 100


@pytest.mark.parametrize("roll", ["a KSK", "another algorithm"])
def test_impatient(roll: str) -> None:
    """
    If nothing was waited for, some would not be.
    """
    with patch.object(RollPolicy, "cached", lambda self, record: 0):
        assert _looks(*_ROLLS[roll])[1] != []
