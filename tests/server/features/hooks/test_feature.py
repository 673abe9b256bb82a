"""
Tests of hooks that are switched on by settings.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from zope.interface import implementer

from tests.patience import PATIENCE
from tests.server.views.served import Served, queryFor
from twisted_ext.answers import Answer
from twisted_ext.errors import BadDescription
from twisted_ext.interfaces import IQueryObserver
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.hooks.inforce import AppliedHooks
from twisted_ext.server.reply.observers import resultOf
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.zone.store.version import DirectAnswer

_FILE = """
from twisted.internet.defer import Deferred
from twisted_ext.hooks import *

ASKED = []

@hook(keep=30)
def shared(name, type):
    ASKED.append(name)
    return nxdomain() if name == "ads.example" else DROP if name == "drop.example" else PASS

@hook(keep=30, below=["private.example"])
def personal(name, client):
    ASKED.append(client)
    return answer("A 198.51.100.1") if client == "10.0.0.1" else PASS

@hook(otherwise=refuse("not now"))
def waiting(name):
    return Deferred() if name == "slow.example" else PASS

class Broken:
    def __init__(self, reactor):
        raise OSError("no database")
    def ask(self, name):
        return PASS
"""


class _Site:
    def __init__(self, folder: Path) -> None:
        folder.chmod(0o700)
        self.file = folder / "shop.py"
        self.write(_FILE)
        self.network = MemoryNetwork(seed=1)
        records = {(f"{name}.example", "A"): "192.0.2.80" for name in ("ads", "www", "private", "slow", "drop")}
        CannedServer(records).listen(self.network.reactor("192.0.2.53"))
        self.server = Served(self.network, "192.0.2.7", self.settings("shared", "personal"))

    def write(self, text: str) -> None:
        self.file.write_text(text)
        self.file.chmod(0o600)

    def settings(self, *names: str) -> Settings:
        return Settings.of(hostsFile="", upstream=["192.0.2.53"], prefetch=False, hook=[f"{self.file}:{each}" for each in names])

    def ask(self, name: str, client: str = "10.0.0.1", *, stream: bool = False) -> str:
        got = self.server.ask(queryFor(name), client, stream=stream)
        if got is None:
            return "nothing"
        return str(got.answer[-1].rdatas[0][-1]) if got.answer else str(got.flags & 15)

    @property
    def hooks(self) -> AppliedHooks:
        found = self.server.features.active["hooks"]
        assert isinstance(found, AppliedHooks)
        return found

    @property
    def hits(self) -> int:
        return self.server.frontend.responder.counters.hits

    @property
    def asked(self) -> list[str]:
        return list(self.hooks.called[0].hook.function.__globals__["ASKED"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[_Site]:
    made = _Site(tmp_path)
    yield made
    made.server.close()
    made.network.advance(10)


def test_packetCache(site: _Site) -> None:
    """
    The packet cache repeats what was decided for all clients, for as long as that is kept, and nothing that was decided for one.
    """
    assert [site.ask("ads.example") for _ in range(5)] == ["3"] * 5
    assert [site.ask("www.example") for _ in range(5)] == ["80"] * 5
    hits = site.hits
    assert (hits >= 5, site.asked) == (True, ["ads.example", "www.example"])
    assert [site.ask("private.example", f"10.0.0.{number}") for number in (1, 2, 1, 2, 2, 1)] == ["1", "80", "1", "80", "80", "1"]
    assert (site.hits, site.asked[2:]) == (hits, ["private.example", "10.0.0.1", "10.0.0.2"])
    # What was kept by the packet cache ends with what the hook keeps.
    site.network.advance(29.5)
    assert (site.ask("ads.example"), site.hits) == ("3", hits + 1)
    site.network.advance(0.6)
    assert (site.ask("ads.example"), site.hits, site.asked[5:]) == ("3", hits + 1, ["ads.example"])


def test_changed(site: _Site) -> None:
    """
    What has changed is in force with the next query, in the packet cache too.
    """
    assert [site.ask("ads.example") for _ in range(2)] == ["3", "3"]
    for each in site.hooks.called:
        each.hook.function.__globals__["nxdomain"] = each.hook.function.__globals__["refuse"]
    assert site.ask("ads.example") == "3"
    site.hooks.called[0].hook.changed()
    assert site.ask("ads.example") == "5"
    assert [site.ask("www.example") for _ in range(4)] == ["80"] * 4
    for each in site.hooks.called:
        each.hook.function.__globals__["PASS"] = each.hook.function.__globals__["refuse"]()
    assert site.ask("www.example") == "80"
    site.hooks.called[0].hook.changed()
    assert site.ask("www.example") == "5"


def test_reloads(site: _Site) -> None:
    """
    After a reload a hook goes on with what it has decided, unless its file has changed; one that cannot be loaded changes nothing.
    """
    assert site.ask("ads.example") == "3"
    former = site.hooks.called[0]
    site.server.reload(site.settings("personal", "shared"))
    assert [each.name for each in site.hooks.called] == ["shop.py:personal", "shop.py:shared"]
    assert site.hooks.called[1] is former
    assert (site.ask("ads.example"), len(site.asked)) == ("3", 1)
    site.write(_FILE.replace("nxdomain()", "refuse()").replace("return Deferred", "return 1 / Deferred") + "\n1 / 0\n")
    with pytest.raises(BadDescription, match="line 27: ZeroDivisionError"):
        site.server.reload(site.settings("shared"))
    with pytest.raises(BadDescription, match="line 27: ZeroDivisionError"):
        site.server.reload(site.settings("shared", "waiting"))
    assert site.ask("ads.example") == "3"
    site.write(_FILE.replace("nxdomain()", "refuse()"))
    site.server.reload(site.settings("shared"))
    assert site.ask("ads.example") == "5"
    assert site.hooks.called[0] is not former


def test_cannotBeMade(site: _Site) -> None:
    """
    A class that cannot be made is told, and what stands before it is closed again.
    """
    with pytest.raises(BadDescription, match=r"shop.py:Broken cannot be made: OSError: no database"):
        site.server.reload(site.settings("shared", "Broken"))
    assert site.ask("ads.example") == "3"
    # It is still the one that is told.
    site.hooks.called[0].hook.function.__globals__["nxdomain"] = site.hooks.called[0].hook.function.__globals__["refuse"]
    site.hooks.called[0].hook.changed()
    assert site.ask("ads.example") == "5"


def test_reloadWhileOneWaits(site: _Site) -> None:
    """
    A call that waits when the settings change decides in the end.
    """
    site.server.reload(site.settings("waiting"))
    sent: list[bytes] = []
    responder, cache = site.server.frontend.responder, site.server.frontend.packetCache
    responder.take(queryFor("slow.example"), ("10.0.0.1", 4000), "udp", sent.append)
    assert (sent, site.hooks.figures()["hookWaiting shop.py:waiting"]) == ([], 1)
    site.server.reload(site.settings())
    assert "hooks" not in site.server.features.active
    site.network.advance(0.25)
    assert [octets[3] & 15 for octets in sent] == [5]
    assert cache is site.server.frontend.packetCache


def test_watched(site: _Site) -> None:
    """
    Hooks are watched from when they are in force until none is.
    """

    def watchers(expected: int) -> int:
        # A thread that is to end does so in a moment.
        until = time.monotonic() + PATIENCE
        while (found := [each.name for each in threading.enumerate()].count("hooks")) != expected and time.monotonic() < until:
            time.sleep(0.02)
        return found

    assert watchers(1) == 1
    site.server.reload(site.settings("shared", "waiting"))
    assert watchers(1) == 1
    site.server.reload(site.settings())
    assert watchers(0) == 0


def test_figures(site: _Site) -> None:
    """
    Figures have the name of the hook.
    """
    site.server.reload(site.settings("shared", "waiting"))
    for name in ("ads.example", "www.example", "slow.example"):
        site.ask(name)
    site.network.advance(1)
    assert site.hooks.figures() == {
        "hookCalls shop.py:shared": 3,
        "hookWaiting shop.py:shared": 0,
        "hookCalls shop.py:waiting": 2,
        "hookWaiting shop.py:waiting": 0,
        "hookFailures shop.py:waiting late": 1,
    }


def test_shown(site: _Site) -> None:
    """
    The path of a query has the hooks, with what they go by.
    """
    assert [part.says() for part in site.hooks.parts[:-1]] == [
        "hook: shop.py:shared(name, type), within 0.25 s or else pass, kept 30 s",
        "hook: shop.py:personal(name, client) below private.example., within 0.25 s or else pass, kept 30 s",
    ]


def test_observed(site: _Site) -> None:
    """
    The query log and the history have the hook as that which has decided, for queries without a reply as well.
    """
    seen: list[tuple[str, ...]] = []

    # It extends nothing: classes in source cannot extend compiled ones.
    @implementer(IQueryObserver)
    class Observer:
        def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
            result = resultOf(octets, cause, gate)
            seen.append((result.status, result.source, result.server))

        def dropped(self, request: Request, why: str) -> None:
            seen.append((why,))

    site.server.frontend.responder.observer = Observer()
    assert (site.ask("ads.example"), site.ask("drop.example"), site.ask("drop.example", stream=True)) == ("3", "nothing", "5")
    assert seen == [
        ("local", "hook", "hook shop.py:shared"),
        ("blocked hook shop.py:shared",),
        ("blocked", "blocked", "hook shop.py:shared"),
    ]
