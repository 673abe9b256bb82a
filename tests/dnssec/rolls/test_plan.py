"""
What will happen to keys.
"""

from __future__ import annotations

from tests.dnssec.rolls.world import DAY, HOUR, Parent, World
from twisted_ext.dnssec.rolls.lives import livesOf
from twisted_ext.dnssec.rolls.plan import planned
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.states import KSK, ZSK, Record, State


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


def test_withoutWaits() -> None:
    """
    What does not have to wait happens at the same moment, also once all names are signed by another key.
    """
    policy = RollPolicy(13, True, {ZSK: 60 * DAY}, 0, 0, 0, renew=7 * DAY, propagation=0, parentPropagation=0, safety=0)
    world = World(1, policy, Parent(0, 0, 0), [], isSloppy=False)
    world.run(DAY)
    steps = [*planned(world.rolls, world.now, 100 * DAY)]
    times = {(step.key, step.record, step.state): step.at for step in steps}
    begun, done = times["new ZSK 1", Record.ZRRSIG, State.RUMOURED], times["new ZSK 1", Record.ZRRSIG, State.OMNIPRESENT]
    assert done - begun == 7 * DAY
    assert times["zsk2", Record.DNSKEY, State.HIDDEN] == done


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
