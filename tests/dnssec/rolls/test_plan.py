"""
What will happen to keys.
"""

from __future__ import annotations

from tests.dnssec.rolls.world import DAY, HOUR, Parent, World
from twisted_ext.dnssec.rolls.lives import livesOf
from twisted_ext.dnssec.rolls.plan import planned
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.states import KSK, ZSK


def _world(seed: int, isSplit: bool = True) -> World:
    policy = RollPolicy(13, isSplit, {KSK: 300 * DAY, ZSK: 60 * DAY}, HOUR, HOUR, DAY, renew=7 * DAY)
    return World(seed, policy, Parent(0, 0, DAY), [], isSloppy=False)


def test_comesTrue() -> None:
    """
    What is planned is what happens, at the same times, if the parent does its part at once.
    """
    for begin in (1, 40 * DAY, 290 * DAY, 301 * DAY):
        world = _world(1)
        world.run(begin)
        known = livesOf(world.rolls)
        steps = [*planned(world.rolls, world.now, begin + 500 * DAY)]
        assert livesOf(world.rolls) == known
        before = len(world.moves)
        world.run(begin + 500 * DAY)
        came = world.moves[before:]
        wanted = [(step.at, step.record.value, step.state.value) for step in steps if step.record is not None and step.state is not None]
        # A world looks at its zone a day late now and then.
        assert [(record, state) for _, _, record, state in came] == [(record, state) for _, record, state in wanted][: len(came)]
        assert len(wanted) - len(came) < 8
        for number, ((at, *_), (moment, *_)) in enumerate(zip(came, wanted, strict=False)):
            assert -1 <= at - moment <= 2 * DAY * (number + 1)
        assert sum(1 for step in steps if step.record is None) >= 8


def test_ends() -> None:
    """
    Without lifetimes a plan ends, and so it does if something would have to be done by an operator.
    """
    world = World(1, RollPolicy(13), Parent(0, 0, DAY), [], isSloppy=False)
    steps = [*planned(world.rolls, 0.0, 1e12)]
    assert [step.key for step in steps if step.record is None] == ["new CSK 1"]
    assert len(steps) == 1 + 8
    world.run(30 * DAY)
    assert [*planned(world.rolls, world.now, 1e12)] == []
