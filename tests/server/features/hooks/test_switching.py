"""
Tests of what an operator sees of hooks, and of switching them off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.views.served import Served, queryFor
from twisted_ext.apps.cli.server.report import hookLines
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.hooks.feature import HooksFeature
from twisted_ext.server.features.hooks.figures import joined
from twisted_ext.server.features.hooks.keeper import HookSwitches
from twisted_ext.server.features.order import declaredVerbs
from twisted_ext.server.operations.table import verbAt
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

_FILE = """
from twisted.internet.defer import Deferred
from twisted_ext.hooks import *

@hook(keep=30)
def shared(name, type):
    if name == "bad.example":
        raise OSError
    return nxdomain() if name == "ads.example" else PASS

@hook(keep=30)
def who(client):
    return refuse("no") if client == "10.0.0.9" else PASS

@hook(below=["below.example"])
def below(name):
    return PASS

@hook(keep=30)
async def waits(name):
    await Deferred()

"""


class _Site:
    def __init__(self, folder: Path) -> None:
        folder.chmod(0o700)
        self.file = folder / "shop.py"
        self.file.write_text(_FILE)
        self.file.chmod(0o600)
        self.network = MemoryNetwork(seed=1)
        CannedServer({(f"{name}.example", "A"): "192.0.2.80" for name in ("ads", "www", "bad")}).listen(self.network.reactor("192.0.2.53"))
        self.server = Served(self.network, "192.0.2.7", self.settings("shared", "who"))

    def settings(self, *names: str) -> Settings:
        view = {"name": "kids", "clients": ["10.1.0.0/16"], "hook": [f"{self.file}:waits"]}
        words = [f"{self.file}:{each}" for each in names]
        return Settings.of(hostsFile="", upstream=["192.0.2.53"], prefetch=False, hook=words, view=[view])

    def ask(self, name: str, client: str = "10.0.0.1") -> int:
        got = self.server.ask(queryFor(name), client)
        return -1 if got is None else got.rcode

    def take(self, *off: str) -> None:
        self.server.features.take("hooks", [*off] or None)

    def shown(self) -> dict[str, JSON]:
        verb = next(each for each in HooksFeature.verbs if each.path == "hooks")
        told = self.server.features.run("hooks", verb, {})
        assert isinstance(told, dict)
        return told

    def why(self, name: str, client: str = "10.0.0.1", **more: str) -> dict[str, JSON]:
        _, verb = verbAt("why")
        told = self.server.features.run("blocking", verb, {"name": name, "client": client, **more})
        assert isinstance(told, dict)
        return told


@pytest.fixture
def site(tmp_path: Path) -> Iterator[_Site]:
    made = _Site(tmp_path)
    yield made
    made.server.close()
    made.network.advance(10)


def test_shown(site: _Site) -> None:
    """
    The hooks of all views are shown, with what they have done.
    """
    for name, client in (("ads", "10.0.0.1"), ("ads", "10.0.0.2"), ("bad", "10.0.0.1"), ("www", "10.1.0.1")):
        site.ask(f"{name}.example", client)
    lines = list(hookLines(site.shown()))
    shown = ["shop.py:shared(name, type)", "shop.py:who(client)", "shop.py:waits(name), view kids"]
    assert [line for line in lines if not line.startswith(" ")] == shown
    assert lines[1].startswith("    calls 2, waiting 0, kept 1; ") and lines[1].endswith(", raised 1")
    assert lines[3].startswith("    calls 1, waiting 0, kept 1; ")
    assert lines[5].startswith("    calls 1, waiting 1, kept 0; 0.000 ms")
    site.network.advance(0.3)
    assert "kept 1; " in list(hookLines(site.shown()))[1]
    assert list(hookLines(site.shown()))[5].startswith("    calls 1, waiting 0, kept 0; 250.000 ms, p99 250.000 ms, late 1")
    site.network.advance(30)
    assert "kept 0; " in list(hookLines(site.shown()))[1]
    assert list(hookLines({"hooks": []})) == ["no hook has been loaded"]


def test_off(site: _Site) -> None:
    """
    What passes a hook that is off is answered as without it at once, also what the packet cache has; a reload keeps it off.
    """
    assert [site.ask("ads.example") for _ in range(3)] == [3, 3, 3]
    assert [site.ask("www.example", "10.0.0.9") for _ in range(3)] == [5, 5, 5]
    site.take("shop.py:shared")
    assert [site.ask("ads.example") for _ in range(3)] == [0, 0, 0]
    assert site.ask("www.example", "10.0.0.9") == 5
    hits = site.server.frontend.responder.counters.hits
    site.take("shop.py:shared", "shop.py:who")
    assert [site.ask("www.example", "10.0.0.9") for _ in range(3)] == [0, 0, 0]
    # Nothing is decided of clients any more, so that the packet cache has their replies again.
    assert [site.ask("www.example", f"10.0.0.{number}") for number in range(1, 9)] == [0] * 8
    assert site.server.frontend.responder.counters.hits >= hits + 8
    shown = [line for line in hookLines(site.shown()) if line.endswith("  off")]
    assert shown == ["shop.py:shared(name, type)  off", "shop.py:who(client)  off"]
    site.server.reload(site.settings("shared"))
    assert site.ask("ads.example") == 0
    site.take()
    assert [site.ask("ads.example") for _ in range(3)] == [3, 3, 3]
    site.server.reload(site.settings("shared", "who"))
    assert [site.ask("www.example", "10.0.0.9") for _ in range(3)] == [5, 5, 5]


def test_why(site: _Site) -> None:
    """
    C{why} says what is decided, or who would be asked.
    """
    told = site.why("ads.example")
    assert (told["rule"], told["blocked"], told["said"]) == (
        None, False, ["10.0.0.1 is in no view", "hook shop.py:shared would be asked", "hook shop.py:who would be asked"]
    )
    site.ask("ads.example")
    told = site.why("ads.example")
    assert (told["rule"], told["rewritten"]) == ("hook shop.py:shared", True)
    site.ask("www.example", "10.0.0.9")
    told = site.why("www.example", "10.0.0.9")
    assert (told["rule"], told["blocked"]) == ("hook shop.py:who", True)
    assert told["said"] == ["10.0.0.9 is in no view", "hook shop.py:shared has decided: pass", "hook shop.py:who has decided: refuse"]
    assert site.why("ads.example", "10.1.0.1")["said"] == ["10.1.0.1 is in view kids", "hook shop.py:waits would be asked"]
    site.take("shop.py:shared")
    assert site.why("ads.example")["said"] == ["10.0.0.1 is in no view", "hook shop.py:who would be asked"]
    site.take()
    site.ask("ads.example")
    site.network.advance(31)
    assert site.why("ads.example")["rule"] is None
    site.server.reload(site.settings("shared", "below"))
    said = [f"hook shop.py:{name} would be asked" for name in ("shared", "below")]
    assert [site.why(name)["said"] for name in ("x.below.example", "ads.example")] == [
        ["10.0.0.1 is in no view", *said], ["10.0.0.1 is in no view", said[0]]
    ]
    for arguments in ({"name": "a..b"}, {"name": "www.example", "type": "NONSENSE"}):
        with pytest.raises(CallerFault, match=r"is not a (name|type)"):
            site.why(**arguments)


def test_switches(site: _Site) -> None:
    """
    The parent publishes what is off, says what it does not know, and forgets hooks that the settings no longer have.
    """
    switches = HookSwitches(site.settings("shared", "who"))
    published: list[JSON] = []
    switches.begin(published.append)
    assert switches.facts() == {}
    assert switches.switch("shop.py:shared", True)["said"] == [
        "hook shop.py:shared is off: queries pass it until it is switched on, or the server is started again"
    ]
    assert switches.switch("shop.py:shared", True)["said"] == ["hook shop.py:shared is off already"]
    switches.switch("shop.py:waits", True)
    assert switches.facts()["hooks"] == {
        "off": ["shop.py:shared", "shop.py:waits"], "said": ["hooks switched off: shop.py:shared, shop.py:waits"]
    }
    with pytest.raises(CallerFault, match="there is no hook shop.py:none; there are shop.py:shared, shop.py:waits, shop.py:who"):
        switches.switch("shop.py:none", True)
    switches.apply(site.settings("who"))
    assert switches.switch("shop.py:waits", False)["said"] == ["hook shop.py:waits is on"]
    assert published == [["shop.py:shared"], ["shop.py:shared", "shop.py:waits"], ["shop.py:waits"], None]
    with pytest.raises(CallerFault, match="the settings have none"):
        HookSwitches(Settings.of(hostsFile="")).switch("shop.py:who", False)


def test_joined() -> None:
    """
    What workers say of one hook is added up.
    """
    one: dict[str, JSON] = {
        "hook": "a.py:b", "view": None, "takes": ["name"], "state": "asked", "calls": 3, "kept": 1, "waiting": 1, "mean": 2.0, "p99": 5.0,
        "failures": {"late": 1},
    }
    other: dict[str, JSON] = {**one, "calls": 1, "mean": 6.0, "p99": 7.0, "state": "resting", "failures": {"late": 2, "raised": 1}}
    found = joined([{"hooks": [one]}, {"hooks": [other]}, {"hooks": [{**one, "view": "kids"}]}, None])["hooks"]
    assert isinstance(found, list)
    assert found == [
        {**one, "calls": 4, "kept": 2, "waiting": 2, "mean": 3.0, "p99": 7.0, "state": "resting", "failures": {"late": 3, "raised": 1}},
        {**one, "view": "kids"},
    ]


def test_verbs() -> None:
    assert {"hooks", "hook/off", "hook/on"} <= {each.path for each in declaredVerbs()}
