"""
Tests of hooks that decide about clients, so that they cost nothing once they have.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.server.views.served import Served, queryFor
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.hooks.inforce import AppliedHooks
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

_FILE = """
from zlib import crc32
from twisted.internet.task import deferLater
from twisted_ext.hooks import *

AGE, ASKED = 0, []

def decided(client):
    ASKED.append(client)
    return [PASS, view("kids"), view("strict"), refuse(), PASS, answer("A 192.0.2.99"), view("gone")][crc32(f"{AGE} {client}".encode()) % 7]

@hook(keep=60)
def who(client):
    return decided(client)

@hook(keep=60)
class Later:
    def __init__(self, reactor):
        self.reactor = reactor
    async def ask(self, client):
        await deferLater(self.reactor, 0.01)
        return decided(client)

@hook()
def wrong(client, name):
    return view("kids")
"""

#: The last octet of the address that a client gets for the name that all views have.
_GETS = {"pass": 1, "kids": 201, "strict": 202, "made": 99}
_WORDS = ("pass", "kids", "strict", "refused", "pass", "made", "refused")

_CLIENTS = [f"10.0.0.{number}" for number in range(1, 30)] + [f"fd00::{number:x}" for number in range(1, 10)]


class _Site:
    def __init__(self, folder: Path, name: str) -> None:
        folder.chmod(0o700)
        self.file = folder / "whois.py"
        self.file.write_text(_FILE)
        self.file.chmod(0o600)
        self.network = MemoryNetwork(seed=1)
        self.network.recording = False
        CannedServer({("www.example", "A"): "192.0.2.1", ("other.example", "A"): "192.0.2.7"}).listen(self.network.reactor("192.0.2.53"))
        views = [
            {"name": "kids", "clients": [], "local": ["www.example A 192.0.2.201"]},
            {"name": "strict", "clients": [], "local": ["www.example A 192.0.2.202"], "hook": []},
        ]
        self.settings = Settings.of(hostsFile="", upstream=["192.0.2.53"], prefetch=False, hook=[f"{self.file}:{name}"], view=views)
        self.server = Served(self.network, "192.0.2.7", self.settings)
        self.age = 0
        self.module["ASKED"].clear()

    @property
    def module(self) -> dict[str, list[str]]:
        return vars(sys.modules["txdns_hooks_whois"])

    def ask(self, client: str, name: str = "www.example", *, stream: bool = False) -> str:
        got = self.server.ask(queryFor(name), client, stream=stream)
        assert got is not None
        return str(got.answer[0].rdatas[0][-1]) if got.answer else "refused" if got.flags & 15 == 5 else str(got.flags & 15)

    def expected(self, client: str) -> str:
        from zlib import crc32

        word = _WORDS[crc32(f"{self.age} {client}".encode()) % 7]
        return word if word == "refused" else str(_GETS[word])

    def change(self, *, tells: bool) -> None:
        """
        Decide otherwise; without being told, the hook is asked again when what was decided has ended.
        """
        self.age += 1
        vars(sys.modules["txdns_hooks_whois"])["AGE"] = self.age
        if tells:
            applied = self.server.features.active["hooks"]
            assert isinstance(applied, AppliedHooks)
            applied.called[0].hook.changed()
        else:
            self.network.advance(60)

    def wrong(self, questions: int) -> list[str]:
        dice, found = random.Random(3), []
        for _ in range(questions):
            if dice.randrange(400) == 0:
                self.change(tells=dice.randrange(2) == 0)
            if dice.randrange(300) == 0:
                self.server.reload(self.settings)
            client = dice.choice(_CLIENTS)
            got, expected = self.ask(client, stream=dice.randrange(4) == 0), self.expected(client)
            if got != expected:
                found.append(f"{client}: {got}, should be {expected}")
        return found

    @property
    def hits(self) -> int:
        return self.server.frontend.responder.counters.hits


@pytest.fixture(params=["who", "Later"])
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[_Site]:
    made = _Site(tmp_path, request.param)
    yield made
    made.server.close()
    made.network.advance(100)


def test_eachClientIsInItsView(site: _Site) -> None:
    """
    Clients get what their view has, or what was decided for them, at once after a change, and when what was decided has ended. Most of them
    get it from the packet cache.
    """
    assert site.wrong(4000) == []
    assert site.hits > 1000


def test_endsAreSeen(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Were clients not classified again when a verdict ends, the questions would find it.
    """
    applied = site.server.features.active["hooks"]
    assert isinstance(applied, AppliedHooks)
    monkeypatch.setattr(applied.called[0], "_forget", lambda client: None)
    assert len(site.wrong(2000)) > 10


def test_lateClassification(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A client that is still among those of no view when it is decided that it is in one gets what that has, and leaves it to no others: as
    when several of its queries arrive at once.
    """
    applied = site.server.features.active["hooks"]
    assert isinstance(applied, AppliedHooks)
    moved = [each for each in _CLIENTS if site.expected(each) == "1"]
    assert [site.ask(each, "other.example") for each in moved * 2] == ["7"] * len(moved) * 2
    with monkeypatch.context() as late:
        late.setattr(applied.called[0], "_forget", lambda client: None)
        site.change(tells=False)
        others = [each for each in _CLIENTS if site.expected(each) == "1" and each not in moved]
        moved = [each for each in moved if site.expected(each) in ("201", "202")]
        assert moved and others
        for _ in range(4):
            assert [site.ask(each) for each in moved] == [site.expected(each) for each in moved]
    assert [site.ask(each, "other.example") for each in others] == ["7"] * len(others)
    assert [site.ask(each) for each in others * 2] == ["1"] * len(others) * 2


def test_hitsAskNothing(site: _Site) -> None:
    """
    Once it is decided about a client, its replies come from the packet cache until that ends, and the hook is not asked.
    """
    for expected, name in (("1", "www.example"), ("201", "other.example")):
        site.module["ASKED"].clear()
        client = next(each for each in _CLIENTS if site.expected(each) == expected)
        for _ in range(4):
            site.ask(client, name)
        hits, asked = site.hits, list(site.module["ASKED"])
        # In a view that has the hook too, it is asked for that as well.
        assert asked == [client] * (1 if expected == "1" else 2)
        for _ in range(50):
            site.ask(client, name)
        assert (site.hits, site.module["ASKED"]) == (hits + 50, asked)
        site.network.advance(60)
        site.ask(client, name)
        assert len(site.module["ASKED"]) > len(asked)


def test_forgedClients(site: _Site) -> None:
    """
    Clients that come once, as with forged addresses, do not grow what is kept.
    """
    with patch("twisted_ext.resolver.policy.hooks.limits.KEPT.default", 100):
        for number in range(1000):
            site.ask(f"10.{number >> 8}.{number & 255}.9")
        applied = site.server.features.active["hooks"]
        assert isinstance(applied, AppliedHooks)
        called = applied.called[0]
        assert (len(called._kept), len(called._ends)) == (100, 100)
        assert site.wrong(500) == []


def test_viewsTakeTheClientAlone(tmp_path: Path) -> None:
    """
    A hook that takes more than the client does not choose its view.
    """
    site = _Site(tmp_path, "wrong")
    assert site.ask("10.0.0.1") == "1"
    applied = site.server.features.active["hooks"]
    assert isinstance(applied, AppliedHooks)
    assert applied.called[0].failures == {"wrong": 1}
    site.server.close()
    site.network.advance(100)
