"""
Scheduled lists, pauses, exceptions and modifiers, compared with a model that has the rules as data and no code of the server.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pytest

from tests.server.views.served import Served, queryFor, tableOf
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.message import Message

#: A Monday.
_BEGIN = datetime(2026, 11, 23, tzinfo=UTC).timestamp()

#: The hours of each schedule, and how settings write them.
_SCHEDULES = {"morning": ((6, 12), "06:00-12:00"), "day": ((9, 18), "09:00-18:00"), "noon": ((11, 13), "11:00-13:00")}

#: The lists; that of exceptions is "good".
_LISTS = ("ads", "games", "good", "late")

_DOMAINS = ["a.example", "b.example", "c.example", "x.a.example", "y.x.a.example", "own.example", "far.example", "svc.example"]

#: Where aliases and services lead to.
_TARGETS = {"own.example": "x.a.example", "far.example": "own.example", "svc.example": "y.x.a.example"}

_ADDRESSES = ["a.example", "b.example", "c.example", "x.a.example", "y.x.a.example", "z.b.example"]

_RECORDS = {
    **{(name, "A"): f"192.0.2.{number}" for number, name in enumerate(_ADDRESSES, 1)},
    **{(name, "AAAA"): f"2001:db8::{number}" for number, name in enumerate(_ADDRESSES, 1)},
    ("own.example", "CNAME"): "x.a.example.",
    ("far.example", "CNAME"): "own.example.",
    ("svc.example", "HTTPS"): "1 y.x.a.example.",
    ("svc.example", "A"): "192.0.2.99",
    ("svc.example", "AAAA"): "2001:db8::99",
}

_NAMES = [*_ADDRESSES, *_TARGETS]


@dataclass(frozen=True)
class _Rule:
    domain: str
    excepts: bool
    below: bool
    important: bool
    type: str
    denied: str

    @property
    def text(self) -> str:
        modifiers = ["important"] * self.important
        modifiers += [f"dnstype={self.type}"] if self.type else []
        modifiers += [f"denyallow={self.denied}"] if self.denied else []
        behind = f"${','.join(modifiers)}" if modifiers else ""
        return f"{'@@' if self.excepts else ''}{'||' if self.below else '|'}{self.domain}^{behind}"

    def isAbout(self, name: str, rrType: str) -> bool:
        if self.denied and _isIn(name, self.denied):
            return False
        return self.type in ("", rrType) and (name == self.domain or (self.below and _isIn(name, self.domain)))


def _isIn(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


@dataclass
class _View:
    """
    What one view has.

    @ivar lists: each with its schedule, or C{""}.
    """

    lists: Sequence[tuple[str, str]]
    block: Sequence[str]
    excepted: Sequence[str]


class _Model:
    """
    Decides what clients get, from rules that are data.
    """

    def __init__(self, dice: random.Random) -> None:
        self.rules = {name: [self._rule(dice, name == "good") for _ in range(dice.randrange(1, 5))] for name in _LISTS}
        self.views = {"": self._view(dice), "children": self._view(dice)}

    @staticmethod
    def _rule(dice: random.Random, allow: bool) -> _Rule:
        return _Rule(
            dice.choice(_DOMAINS),
            allow or dice.randrange(5) == 0,
            allow or dice.randrange(3) > 0,
            dice.randrange(6) == 0,
            dice.choice(("", "", "", "A", "HTTPS")),
            dice.choice(("", "", "", "", *_ADDRESSES[3:5])),
        )

    @staticmethod
    def _view(dice: random.Random) -> _View:
        lists = [(name, dice.choice(("", "", *_SCHEDULES))) for name in dice.sample(_LISTS, dice.randrange(1, 5))]
        if all(name == "good" for name, _ in lists):
            lists.append(("ads", ""))
        own = dice.sample(_DOMAINS, 2) if dice.randrange(4) == 0 else []
        return _View(lists, own[:1], own[1:])

    def said(self, view: _View, on: Iterable[str], name: str, rrType: str) -> bool | None:
        """
        Return whether rules block a name; L{None} if none is about it.

        @param on: the schedules that are on.
        """
        given = [*[(domain, True) for domain in view.block], *[(domain, False) for domain in view.excepted]]
        own = [(len(domain), blocks) for domain, blocks in given if _isIn(name, domain)]
        if own:
            return max(own)[1]
        applying = [rule for list_, when in view.lists if when in ("", *on) for rule in self.rules[list_] if rule.isAbout(name, rrType)]
        best = max([(rule.important, rule.excepts) for rule in applying], default=None)
        return None if best is None else not best[1]

    def blocks(self, view: _View, on: Iterable[str], name: str, rrType: str) -> bool:
        said = self.said(view, on, name, rrType)
        if said is None:
            while (name in _TARGETS) and not (name == "svc.example" and rrType != "HTTPS"):
                name = _TARGETS[name]
                if self.said(view, on, name, rrType):
                    return True
        return bool(said)


def _schedulesAt(seconds: float) -> list[str]:
    """
    @param seconds: since the Monday's midnight.
    """
    hour = seconds % 86400 / 3600
    return [name for name, ((begin, end), _) in _SCHEDULES.items() if begin <= hour < end]


def _subsets() -> list[tuple[str, ...]]:
    return [each for size in range(len(_SCHEDULES) + 1) for each in combinations(_SCHEDULES, size)]


class _World:
    """
    A server with two views whose lists the model has as well.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.model = _Model(self.dice)
        self.network = MemoryNetwork(seed=1)
        self.network.recording = False
        self.clock = self.network.reactor("192.0.2.53")
        CannedServer(_RECORDS).listen(self.clock)
        names = [*self.model.rules]
        self.dice.shuffle(names)
        for name in names:
            (folder / name).write_text("".join([f"{rule.text}\n" for rule in self.model.rules[name]]))
        words = [f"{'except' if name == 'good' else 'block'}:{name}={folder / name}" for name in names]
        own = {key: self._given(view) for key, view in self.model.views.items()}
        settings = Settings.of(
            hostsFile="",
            upstream=["192.0.2.53"],
            prefetch=False,
            timeZone="UTC",
            list=[{"name": name, "file": str(folder / name), **({"allow": True} if name == "good" else {})} for name in names],
            schedule=[f"{name}={text}" for name, (_, text) in _SCHEDULES.items()],
            lists=own[""]["lists"],
            block=own[""]["block"],
            blockExcept=own[""]["block-except"],
            view=[{"name": "children", "clients": ["10.0.0.2"], **own["children"]}],
        )
        self.table = tableOf(folder / "table", words)
        self.paused: list[str] = []
        self.server = Served(self.network, "192.0.2.7", settings, self.table, today=lambda: _BEGIN + self.clock.seconds())

    @staticmethod
    def _given(view: _View) -> dict[str, list[str]]:
        lists = [f"{name} during {when}" if when else name for name, when in view.lists]
        return {"lists": lists, "block": [*view.block], "block-except": [*view.excepted]}

    def change(self) -> None:
        """
        Let time pass, up to a few minutes before or behind the begin or end of a schedule; or begin or end pauses; or forget the cache.
        """
        what = self.dice.randrange(5)
        if what < 3:
            now = self.clock.seconds()
            hour = self.dice.choice([hour for hours, _ in _SCHEDULES.values() for hour in hours])
            until = now // 86400 * 86400 + hour * 3600 + self.dice.choice((-250.0, -100.0, -30.0, 0.0, 2.0))
            self.network.advance(max(until - now, 1.0) if until > now else until + 86400 - now)
        elif what == 3:
            self.paused = self.dice.choice([[], [], [""], ["children"]])
            self.server.features.take("blocking", {"table": self.table, "paused": list(self.paused)})
        else:
            assert isinstance(self.server.stack, ForwardStack)
            self.server.stack.flush()
        self.server.features.look()

    def faults(self, rounds: int) -> tuple[list[str], list[int]]:
        """
        @return: what was not as the model says, and the TTLs of answers.
        """
        found: list[str] = []
        ttls: list[int] = []
        for _ in range(rounds):
            self.change()
            for number in range(40):
                name, rrType = self.dice.choice(_NAMES), self.dice.choice(("A", "A", "AAAA", "HTTPS"))
                view = self.dice.choice(("", "children"))
                client = "10.0.0.2" if view else "10.0.0.1"
                reply = self.server.ask(queryFor(name, rrType, number), client, stream=self.dice.randrange(4) == 0)
                assert reply is not None
                if said := self._wrong(reply, view, name, rrType, ttls):
                    found.append(f"{view or 'default'} at {self.clock.seconds() / 3600:.3f}, {name} {rrType}: {said}")
        return found, ttls

    def _wrong(self, reply: Message, view: str, name: str, rrType: str, ttls: list[int]) -> str:
        now = self.clock.seconds()
        model, own = self.model, self.model.views[view]
        blocked = bool(reply.flags & 15)
        if blocked != (view not in self.paused and model.blocks(own, _schedulesAt(now), name, rrType)):
            return f"{'blocked' if blocked else 'not blocked'}, unlike the model"
        if blocked:
            return ""
        kept = max([rrset.ttl for section in (reply.answer, reply.authority) for rrset in section], default=0)
        # Clients may keep what is blocked for a minute, and no longer.
        if kept > 60 and view in self.paused and model.blocks(own, _schedulesAt(now), name, rrType):
            return f"kept for {kept} s in a pause"
        late = next((at for at in range(60, kept) if model.blocks(own, _schedulesAt(now + at), name, rrType)), 0)
        if late:
            return f"kept for {kept} s, blocked after {late}"
        if not any(model.blocks(own, each, name, rrType) for each in _subsets()):
            ttls.append(kept)
        return ""

    def close(self) -> None:
        self.server.close()
        self.network.advance(10)


@pytest.mark.parametrize("seed", range(6))
def test_clientsGetWhatTheModelSays(tmp_path: Path, seed: int) -> None:
    """
    At each time a question is blocked if, and only if, the rules that apply then say so, by the name or by what it leads to; and clients
    keep no answer for more than a minute after it begins to be blocked. What is never blocked keeps its TTL.
    """
    world = _World(tmp_path, seed)
    try:
        found, ttls = world.faults(60)
        assert found == []
        assert max(ttls, default=300) > 60
    finally:
        world.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_clientsGetWhatTheModelSaysForLonger(tmp_path: Path, seed: int) -> None:
    """
    The same holds for many more rules, settings and times.
    """
    world = _World(tmp_path, seed)
    try:
        assert world.faults(60)[0] == []
    finally:
        world.close()
