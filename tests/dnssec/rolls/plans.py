"""
Random policies, and what happens to their zones in ten years.
"""

from __future__ import annotations

import random
from dataclasses import replace

from tests.dnssec.rolls.world import DAY, HOUR, YEAR, Event, Parent, World
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.states import CSK, KSK, ZSK, Record, State

__all__ = ["END", "randomWorld"]

#: When events end. What they have led to has to be done a year later, if the parent does its part.
END = 9 * YEAR

_TTLS = (300, HOUR, DAY, 2 * DAY)
_ALGORITHMS = (8, 13, 15)
_KINDS = (
    "algorithm", "split", "lifetimes", "dnskeyTTL", "zoneTTL", "dsTTL", "renew", "silent", "slow", "clock", "replace", "relapse",
    "insecure",
)  # fmt: skip


def randomWorld(seed: int, isSloppy: bool = True) -> World:
    """
    Return a world in which anything may happen at any time: a policy that is changed within a roll, a parent that does nothing for a year,
    a clock that is set, a server that fails.
    """
    dice = random.Random(seed)
    propagation, spread, safety = dice.choice((0, 60, HOUR)), dice.choice((0, 60, HOUR, DAY)), dice.choice((0, 1, HOUR))
    policy = RollPolicy(
        dice.choice(_ALGORITHMS),
        dice.random() < 0.6,
        _lifetimes(dice),
        dnskeyTTL=dice.choice(_TTLS),
        zoneTTL=dice.choice(_TTLS),
        dsTTL=dice.choice(_TTLS),
        renew=dice.choice((0, 1, 3, 7)) * DAY,
        propagation=propagation,
        parentPropagation=dice.choice((0, HOUR)),
        safety=safety,
    )
    parent = Parent(dice.choice((0, HOUR, 2 * DAY, 30 * DAY)), spread, policy.dsTTL, policy.parentPropagation)
    events: list[Event] = []
    for _ in range(dice.randint(0, 12)):
        events += _eventsAt(dice, dice.uniform(0, END))
        if dice.random() < 0.5:
            # Things come together: within a roll of what has changed before.
            events += _eventsAt(dice, events[-1].at + dice.uniform(0, 10 * DAY))
    delay = parent.delay
    events.append(Event(END, "all is well", lambda world: setattr(world.parent, "delay", delay)))
    if not seed % 3:
        world = World(seed, replace(policy, dsTTL=0), parent, events, isSloppy)
        world.isWatched = True
        return world
    return World(seed, policy, parent, events, isSloppy)


def _lifetimes(dice: random.Random) -> dict[str, int]:
    found = {}
    if dice.random() < 0.8:
        found[ZSK] = dice.choice((30, 60, 90)) * DAY
    if dice.random() < 0.8:
        found[KSK] = found[CSK] = dice.choice((180, 365)) * DAY
    return found


def _eventsAt(dice: random.Random, at: float) -> list[Event]:
    """
    Return what an operator does at a time, or what happens to them.
    """
    match dice.choice(_KINDS):
        case "algorithm":
            algorithm = dice.choice(_ALGORITHMS)
            return [Event(at, f"algorithm {algorithm}", lambda world: world.edit(lambda policy: replace(policy, algorithm=algorithm)))]
        case "split":
            return [Event(at, "another number of keys", lambda world: world.edit(lambda policy: replace(policy, split=not policy.split)))]
        case "lifetimes":
            lifetimes = _lifetimes(dice)
            return [Event(at, f"lifetimes {lifetimes}", lambda world: world.edit(lambda policy: replace(policy, lifetimes=lifetimes)))]
        case "dsTTL":
            ttl = dice.choice(_TTLS)
            return [Event(at, f"a TTL of {ttl} s at the parent", lambda world: _parentTTL(world, ttl))]
        case "renew":
            renew = dice.choice((0, 1, 3, 7, 14)) * DAY
            said = f"another key signs after {renew / DAY:g} d"
            return [Event(at, said, lambda world: world.edit(lambda policy: replace(policy, renew=renew)))]
        case "silent":
            ends = at + dice.uniform(0, YEAR)
            delay = dice.choice((0, HOUR, DAY))
            return [
                Event(at, "the parent does nothing", lambda world: setattr(world.parent, "delay", None)),
                Event(ends, "the parent is back", lambda world: setattr(world.parent, "delay", delay)),
            ]
        case "slow":
            slow = dice.uniform(0, 60 * DAY)
            return [Event(at, f"the parent takes {slow / DAY:.1f} d", lambda world: setattr(world.parent, "delay", slow))]
        case "clock":
            offset = dice.uniform(-400 * DAY, 400 * DAY)
            return [Event(at, f"the clock is set {offset / DAY:.1f} d off", lambda world: world.set(offset))]
        case "relapse":
            return [Event(at + number * HOUR, "the parent has the former DS records again", _relapse) for number in range(100)]
        case "insecure":
            ends = at + dice.uniform(0, YEAR)
            return [
                Event(at, "no DS records any more", lambda world: world.edit(lambda policy: replace(policy, insecure=True))),
                Event(ends, "DS records again", lambda world: world.edit(lambda policy: replace(policy, insecure=False))),
            ]
        case "replace":
            return [Event(at, "a key is replaced", _replace)]
        case "dnskeyTTL":
            ttl = dice.choice(_TTLS)
            return [Event(at, f"DNSKEY records of {ttl} s", lambda world: world.edit(lambda policy: replace(policy, dnskeyTTL=ttl)))]
        case _:
            ttl = dice.choice(_TTLS)
            return [Event(at, f"records of {ttl} s", lambda world: world.edit(lambda policy: replace(policy, zoneTTL=ttl)))]


def _parentTTL(world: World, ttl: int) -> None:
    world.parent.ttls.note(world.now, ttl)
    if not world.isWatched:
        world.edit(lambda policy: replace(policy, dsTTL=ttl))


def _relapse(world: World) -> None:
    """
    Have it happen while no other time is worse: the new DS records were everywhere, and caches have the former ones.
    """
    keys = [key for key in world.rolls.keys if key.state(Record.DS) is State.UNRETENTIVE]
    leaving = {key.name for key in keys if key.records[Record.DS].since is not None}
    former = world.parent.former
    if former and leaving >= {name for name, _ in former}:
        world.parent.relapse(world.now)


def _replace(world: World) -> None:
    if wanted := [key.name for key in world.rolls.keys if key.isWanted]:
        world.rolls.replace(world.random.choice(wanted))
