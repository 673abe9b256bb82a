"""
Keys that BIND has replaced until now.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import gmtime, strftime

import pytest

from tests.dnssec.rolls.plans import END, randomWorld
from tests.dnssec.rolls.test_tenyears import wrongIn
from tests.dnssec.rolls.world import DAY, YEAR, Event, World
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.keyfiles import nameOf
from twisted_ext.dnssec.privatekeys.keyfolder import loadKeys
from twisted_ext.dnssec.privatekeys.keyring import makeKey
from twisted_ext.dnssec.rolls.bindstates import keyOfBIND, keysOfBIND
from twisted_ext.dnssec.rolls.lives import readLives
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.ring import LivingRing
from twisted_ext.dnssec.rolls.rolls import Rolls
from twisted_ext.dnssec.rolls.states import CSK, KSK, ZSK, Record, RollingKey, State
from twisted_ext.errors import BadKey
from twisted_ext.wire.names import nameFromText

_APEX = nameFromText("example.org")
_NOW = 1_800_000_000

#: What the world is not told of when the keys are taken over: TTLs that were lowered lately, and that names are signed one after the other.
_UNTOLD = ("signatures are made anew", "DNSKEY records of", "records of", "a TTL of", "the clock")


def _dated(moment: float) -> str:
    return strftime("%Y%m%d%H%M%S (%a)", gmtime(moment))


def _said(key: RollingKey) -> dict[str, str]:
    """
    Return a key as BIND's files have it.
    """
    said = {"KSK": "no" if key.role == ZSK else "yes", "ZSK": "no" if key.role == KSK else "yes", "Generated": _dated(key.born)}
    for record, standing in key.records.items():
        said[f"{record.value}State"] = standing.state.value
        if standing.state.isSettled and standing.since is not None:
            said[f"{record.value}Change"] = _dated(standing.since)
    return said


def _takeOver(world: World) -> None:
    former = world.rolls
    rolls = Rolls(former.policy)
    for key in former.keys:
        rolls.add(keyOfBIND(key.name, key.algorithm, _said(key), "", key.born, world.now))
    for record, lately in former.lately.items():
        # Of its present TTLs the files tell, and the zone.
        rolls.lately[record].look(lately.last, 0, world.now)
    world.take(rolls)


def _fate(seed: int) -> World:
    world = randomWorld(3 * seed + 1, isSloppy=False)
    world.rolls.policy = replace(world.rolls.policy, renew=0)
    world.events = [event for event in world.events if not event.said.startswith(_UNTOLD)]
    moments = [world.random.uniform(0, END) for _ in range(20)]
    # Also while much is under way.
    moments += [event.at + world.random.uniform(0, 9 * DAY) for event in world.events for _ in range(3)]
    world.events = sorted([*world.events, *[Event(at, "taken over", _takeOver) for at in moments]], key=lambda event: event.at)
    world.run(10 * YEAR)
    world.judge()
    return world


def test_tenYears() -> None:
    """
    Taken over at any time, also often and in the middle of rolls, no zone is ever bogus, and each policy is reached.
    """
    worlds = [_fate(seed) for seed in range(30)]
    assert [said for world in worlds if (said := wrongIn(world))] == []
    assert sum([len(world.moves) for world in worlds]) > 3000


@pytest.mark.parametrize("record", [Record.DNSKEY, Record.ZRRSIG, Record.DS])
def test_waitsBeginAgain(monkeypatch: pytest.MonkeyPatch, record: Record) -> None:
    """
    If what comes or goes counted as long there, a zone would be bogus.
    """
    real = keyOfBIND

    def impatient(name: str, algorithm: int, said: Mapping[str, str], source: str, created: float, now: float) -> RollingKey:
        key = real(name, algorithm, said, source, created, now)
        if record in key.records and not key.records[record].state.isSettled:
            key.records[record].since = 0.0
        return key

    monkeypatch.setattr("tests.dnssec.rolls.test_bindstates.keyOfBIND", impatient)
    assert any(wrongIn(_fate(seed)) for seed in range(30))


def _made(folder: Path, flags: int, state: Mapping[str, str], created: float = _NOW - 90 * DAY) -> str:
    tags = [file.key.tag for file in loadKeys(str(folder), _APEX)]
    name = nameOf(makeKey(str(folder), _APEX, ECDSA_P256, flags, created, tags))
    (folder / f"{name}.state").write_text("; made\n" + "".join([f"{key}: {value}\n" for key, value in state.items()]))
    return name


def _states(of: Record | None = None, state: str = "omnipresent", **more: str) -> dict[str, str]:
    found = {f"{record.value}State": "omnipresent" for record in Record}
    if of is not None:
        found[f"{of.value}State"] = state
    return {"KSK": "yes", "ZSK": "yes", "Generated": _dated(_NOW - 90 * DAY), **found, "GoalState": "omnipresent", **more}


def test_oneToOne(tmp_path: Path) -> None:
    """
    The roles, states and times are those of the files; what is gone is left out, and a key that is to come is not.
    """
    old = _made(tmp_path, 257, _states(ZSK="no", ZRRSIGState="hidden", GoalState="hidden", DSState="unretentive"))
    new = _made(tmp_path, 257, _states(Record.DS, "rumoured", ZSK="no", ZRRSIGState="hidden", Generated=_dated(_NOW - 2 * DAY)))
    zsk = _made(tmp_path, 256, _states(KSK="no", DNSKEYChange=_dated(_NOW - 50 * DAY)))
    gone = {f"{record.value}State": "hidden" for record in Record}
    _made(tmp_path, 256, {"KSK": "no", "ZSK": "yes", **gone, "GoalState": "hidden"})
    coming = _made(tmp_path, 256, {"KSK": "no", "ZSK": "yes", **gone, "GoalState": "omnipresent", "Generated": _dated(_NOW - 5)})
    keys = {key.name: key for key in keysOfBIND(loadKeys(str(tmp_path), _APEX), _NOW)}
    assert {name: key.role for name, key in keys.items()} == {old: KSK, new: KSK, zsk: ZSK, coming: ZSK}
    assert [*keys][-2:] == [new, coming]
    assert keys[old].state(Record.DS) is State.UNRETENTIVE and keys[old].records[Record.DS].since is None
    assert keys[new].state(Record.DS) is State.RUMOURED and keys[new].records[Record.DS].since is None
    assert keys[zsk].records[Record.DNSKEY].since == _NOW - 50 * DAY
    assert keys[coming].isGone


def test_withoutStates(tmp_path: Path) -> None:
    """
    Keys without states are none of BIND's, and are taken as new ones.
    """
    name = nameOf(makeKey(str(tmp_path), _APEX, ECDSA_P256, 257, _NOW, []))
    assert keysOfBIND(loadKeys(str(tmp_path), _APEX), _NOW) == []
    ring = LivingRing.live(str(tmp_path), _APEX, RollPolicy(ECDSA_P256), _NOW, None, False)
    assert [(key.name, key.state(Record.DS)) for key in ring.rolls.keys] == [(name, State.HIDDEN)]


def test_taken(tmp_path: Path) -> None:
    """
    A ring goes on with them, and the TTL of the DNSKEY records until now counts, which its policy has shortened; once it has, the
    files of BIND say no more.
    """
    name = _made(tmp_path, 257, _states())
    public = tmp_path / f"{name}.key"
    public.write_text(public.read_text().replace(" IN DNSKEY", " 86400 IN DNSKEY"))
    policy = RollPolicy(ECDSA_P256, lifetimes={CSK: 100 * DAY}, dnskeyTTL=60, propagation=0, safety=0)
    ring = LivingRing.live(str(tmp_path), _APEX, policy, _NOW, None, False)
    assert [key.name for key in ring.rolls.keys] == [name] and ring.rolls.keys[0].isInUse
    assert ring.said == [f"the keys in {tmp_path} go on from where BIND has left them"]
    LivingRing.change(str(tmp_path), _APEX, lambda rolls: rolls.replace(rolls.keys[0].name))
    ring = LivingRing.live(str(tmp_path), _APEX, policy, _NOW + 1, None, True)
    assert len(ring.rolls.keys) == 2
    LivingRing.served(str(tmp_path), _NOW + 2)
    ring = LivingRing.live(str(tmp_path), _APEX, policy, _NOW + 3, None, True)
    assert ring.rolls.keys[1].records[Record.DNSKEY].cached == 86_400
    assert sum(1 for line in ring.said if "BIND" in line) == 0


def test_signedHere(tmp_path: Path) -> None:
    """
    Files of states count once: a zone that was signed here since has gone on from them.
    """
    _made(tmp_path, 257, _states(DSState="hidden"))
    ring = LivingRing.live(str(tmp_path), _APEX, RollPolicy(ECDSA_P256), _NOW, None, True)
    assert ring.said == [] and ring.rolls.keys[0].state(Record.DS) is State.RUMOURED


def test_otherTTLs(tmp_path: Path) -> None:
    """
    Of the TTLs in several files the longest one counts, for as long as it lasts.
    """
    for created, ttl in ((90, 86_400), (80, 300)):
        name = _made(tmp_path, 257, _states(Generated=_dated(_NOW - created * DAY)))
        public = tmp_path / f"{name}.key"
        public.write_text(public.read_text().replace(" IN DNSKEY", f" {ttl} IN DNSKEY"))
    LivingRing.live(str(tmp_path), _APEX, RollPolicy(ECDSA_P256, dnskeyTTL=60, propagation=0, safety=0), _NOW, None, False)
    rolls = readLives(str(tmp_path))
    assert rolls is not None
    rolls.served(_NOW + 1)
    lately = rolls.lately[Record.DNSKEY]
    assert (lately.longest, lately.until) == (86_400, _NOW + 1 + 86_400)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"KSK": "no", "ZSK": "no"}, "does not say what it signs; KSK: yes or ZSK: yes was expected"),
        ({"DNSKEYState": "na"}, "DNSKEYState in the .state file beside it is 'na'; one of hidden, rumoured, omnipresent, unretentive was"),
        ({"DNSKEYChange": "yesterday"}, "DNSKEYChange in the .state file beside it is not a time; 14 digits were expected"),
        ({"Generated": "20261399000000"}, "Generated in the .state file beside it is not a time"),
    ],
)
def test_wrong(tmp_path: Path, state: Mapping[str, str], said: str) -> None:
    """
    A state that makes no sense is an error, and nothing is written.
    """
    _made(tmp_path, 257, {**_states(), **state})
    with pytest.raises(BadKey) as fault:
        LivingRing.live(str(tmp_path), _APEX, RollPolicy(ECDSA_P256), _NOW, None, False)
    assert said in str(fault.value)
    assert not os.path.exists(tmp_path / "lives")
