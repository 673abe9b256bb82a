"""
Tests of hooks that choose who is asked: an upstream, or a resolver of the application; and of those that look up names themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from tests.server.views import served
from tests.server.views.served import Served, queryFor, tableOf
from tests.typed import observing
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.hooks.inforce import AppliedHooks
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.codes import AA, TC
from twisted_ext.zone import Zone

_FILE = """
from twisted.internet.defer import fail, succeed
from twisted.names import common, dns, error
from twisted.names.authority import FileAuthority
from twisted_ext.hooks import *

@hook(keep=30)
def canary(name, client):
    return upstream("canary") if client == "10.0.0.1" else PASS

@hook(keep=30)
def overTCP(transport):
    return PASS if transport == "tcp" else TRUNCATE

@hook(keep=30)
def denying(name):
    return nxdomain()

@hook(keep=30)
def denyingWithText(name):
    return refuse("all of it")

@hook(keep=30)
def nowhere(name):
    return upstream("none")

@hook(keep=30)
def screened(answer, client):
    if client == "10.0.0.1" and "192.0.2.90" in answer.addresses:
        return refuse("the canary is not for you")
    return nxdomain() if client == "10.0.0.3" else PASS

@hook(keep=30)
def screenedForAll(answer):
    return answer_("A 192.0.2.1") if "192.0.2.80" in answer.addresses else PASS

answer_ = answer

class Own(common.ResolverBase):
    asked = 0

    def _lookup(self, name, cls, type, timeout):
        if name == b"broken.example":
            return fail(error.DNSServerError())
        if name != b"www.example":
            return fail(error.DomainError(name))
        self.asked += 1
        return succeed(([dns.RRHeader(name, dns.A, dns.IN, 60, dns.Record_A("203.0.113.7", 60), auth=True)], [], []))

OWN = Own()

@hook(keep=30)
def own(name):
    return ask(OWN)

class Another(common.ResolverBase):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def _lookup(self, name, cls, type, timeout):
        payload = dns.Record_A(f"203.0.113.{self.number}", 60)
        return succeed(([dns.RRHeader(name, dns.A, dns.IN, 60, payload)], [], []))

@hook(keep=0)
def another(name, client):
    return ask(Another(int(client.rpartition(".")[2])))

@hook(otherwise=refuse())
def noResolver(name):
    return ask("192.0.2.53")

@hook(keep=0)
async def looking(name, client, resolver):
    answers, _, _ = await resolver.lookupAddress("www.example")
    return answer(f"A {answers[0].payload.dottedQuad()}") if name == "other.example" else PASS

@hook(keep=30)
async def clientAlone(client, resolver):
    await resolver.lookupAddress("www.example")
    return PASS
"""


class _Site:
    def __init__(self, folder: Path) -> None:
        folder.chmod(0o700)
        self.file = folder / "shop.py"
        self.file.write_text(_FILE)
        self.file.chmod(0o600)
        self.network = MemoryNetwork(seed=1)
        names = ("www", "ads", "other", "broken")
        self.first = CannedServer({(f"{name}.example", "A"): "192.0.2.80" for name in names})
        self.second = CannedServer({(f"{name}.example", "A"): "192.0.2.90" for name in names})
        self.first.listen(self.network.reactor("192.0.2.53"))
        self.second.listen(self.network.reactor("192.0.2.54"))
        self.settings = {
            "hostsFile": "", "upstream": ["192.0.2.53"], "prefetch": False, "local": ["alias.lan CNAME www.example.", "far.lan A 192.0.2.1"]
        }
        self.canary = {"name": "canary", "clients": [], "upstream": ["192.0.2.54"]}
        self.server: Served | None = None
        self.told: list[str] = []

    def serve(self, *names: str, table: str = "", **more: object) -> Served:
        settings = {**self.settings, "view": [self.canary], "hook": [f"{self.file}:{each}" for each in names], **more}
        self.server = Served(self.network, "192.0.2.7", Settings.of(**settings), table)
        return self.server

    def ask(self, name: str, client: str = "10.0.0.2", rrType: str = "A") -> str:
        assert self.server is not None
        got = self.server.ask(queryFor(name, rrType), client)
        assert got is not None
        return str(got.answer[-1].rdatas[0][-1]) if got.answer else str(got.flags & 15)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[_Site]:
    made = _Site(tmp_path)
    observer = observing(lambda event: made.told.append(formatEvent(event)))
    globalLogPublisher.addObserver(observer)
    yield made
    globalLogPublisher.removeObserver(observer)
    if made.server is not None:
        made.server.close()
    made.network.advance(10)


def test_upstream(site: _Site) -> None:
    """
    Each client gets what its upstream has, time and again, and each upstream is asked once: its answers are cached by themselves.
    """
    server = site.serve("canary")
    clients = ["10.0.0.1", "10.0.0.2"] * 3
    assert [site.ask("www.example", each) for each in clients] == ["90", "80"] * 3
    assert [site.ask("alias.lan", each) for each in clients] == ["90", "80"] * 3
    assert [site.ask("far.lan", each) for each in clients] == ["1"] * 6
    assert (len(site.first.asked), len(site.second.asked)) == (1, 1)
    assert server.frontend.responder.counters.hits > 0


def test_firstHookDecides(site: _Site) -> None:
    """
    The hooks behind one that has chosen an upstream are not asked.
    """
    site.serve("canary", "denying")
    assert (site.ask("www.example", "10.0.0.1"), site.ask("www.example", "10.0.0.2")) == ("90", "3")


def test_listsHold(site: _Site, tmp_path: Path) -> None:
    """
    What a list blocks is blocked whichever upstream is asked.
    """
    (tmp_path / "list.txt").write_text("ads.example\n")
    settings = {"blockList": [str(tmp_path / "list.txt")]}
    site.serve("canary", table=tableOf(tmp_path / "table", [f"block:{tmp_path / 'list.txt'}"]), **settings)
    assert site.ask("www.example", "10.0.0.1") == "90"
    assert [site.ask("ads.example", each) for each in ("10.0.0.1", "10.0.0.2")] == ["3", "3"]
    assert len(site.first.asked) + len(site.second.asked) == 1


def test_noSuchUpstream(site: _Site) -> None:
    """
    An upstream that the settings do not have fails the query, and the log says so.
    """
    site.serve("nowhere")
    assert [site.ask("www.example") for _ in range(3)] == ["2"] * 3
    assert [each for each in site.told if "hook shop.py:nowhere returned upstream('none'), but the settings have no such view" in each]


def test_removedUpstream(site: _Site) -> None:
    """
    A reload may remove an upstream that is asked.
    """
    server = site.serve("canary")
    assert site.ask("www.example", "10.0.0.1") == "90"
    server.reload(Settings.of(**site.settings, hook=[f"{site.file}:canary"]))
    assert site.ask("www.example", "10.0.0.1") == "2"


def test_ownResolver(site: _Site) -> None:
    """
    A resolver of twisted.names answers each query, and the upstream where it has no information.
    """
    server = site.serve("own")
    got = server.ask(queryFor("www.example"), "10.0.0.2")
    assert got is not None
    assert (got.answer[0].rdatas[0][-1], got.flags & AA) == (7, 0)
    assert [site.ask("www.example") for _ in range(3)] == ["7"] * 3
    hooks = server.features.active["hooks"]
    assert isinstance(hooks, AppliedHooks)
    assert (hooks.called[0].calls, hooks.called[0].hook.function.__globals__["OWN"].asked) == (1, 4)
    assert [site.ask(name) for name in ("other.example", "none.example", "broken.example")] == ["80", "3", "2"]


def test_noResolver(site: _Site) -> None:
    """
    What is not a resolver is a mistake.
    """
    server = site.serve("noResolver")
    assert site.ask("www.example") == "5"
    hooks = server.features.active["hooks"]
    assert isinstance(hooks, AppliedHooks)
    assert hooks.called[0].failures == {"wrong": 1}
    assert [each for each in site.told if "returned ask(): '192.0.2.53' is not a resolver" in each]


def test_manyResolvers(site: _Site) -> None:
    """
    Each of many resolvers that a hook makes is asked itself, and few are kept.
    """
    server = site.serve("another")
    assert [site.ask("www.example", f"10.0.1.{number}") for number in range(200)] == [str(number) for number in range(200)]
    hooks = server.features.active["hooks"]
    assert isinstance(hooks, AppliedHooks)
    assert len(hooks.called[0].telling._sources) <= 64


def test_lookingUp(site: _Site) -> None:
    """
    A hook may look up names by what stands behind it, and meets no hook by that.
    """
    server = site.serve("looking")
    assert [site.ask("other.example"), site.ask("www.example"), site.ask("other.example")] == ["80"] * 3
    assert [each.question.name for each in site.first.asked].count(b"\x03www\x07example\x00") == 1
    site.first.set("www.example", "A", "192.0.2.81")
    site.network.advance(4000)
    assert site.ask("other.example") == "81"
    # After a reload, what stands behind it is something else.
    server.reload(Settings.of(**{**site.settings, "upstream": ["192.0.2.54"]}, view=[site.canary], hook=[f"{site.file}:looking"]))
    assert site.ask("other.example") == "90"


def test_resolverIsNoDependence(site: _Site) -> None:
    """
    One that takes the client and a resolver still decides about the client.
    """
    server = site.serve("clientAlone")
    assert [site.ask("other.example") for _ in range(4)] == ["80"] * 4
    hooks = server.features.active["hooks"]
    assert isinstance(hooks, AppliedHooks)
    assert (hooks.called[0].calls, hooks.called[0].hook.isOfClient) == (1, True)
    # It is forgotten with the hook, so that the next stack is not asked through the former one.
    server.reload(server.settings)
    site.network.advance(31)
    assert site.ask("www.example") == "80"


def test_answersOfEachClient(site: _Site) -> None:
    """
    A hook that takes the answer and the client decides for each client, whatever is in the packet cache; also behind an upstream that
    another hook has chosen.
    """
    site.serve("screened", "canary")
    clients = ["10.0.0.1", "10.0.0.2", "10.0.0.3"] * 3
    assert [site.ask("www.example", each) for each in clients] == ["5", "80", "3"] * 3
    assert [site.ask("none.example", each) for each in clients] == ["3"] * 9


def test_answerOfAnUpstream(site: _Site) -> None:
    """
    The answer of an upstream that the hook before it has chosen meets one that takes the answer.
    """
    site.serve("canary", "screened")
    clients = ["10.0.0.1", "10.0.0.2", "10.0.0.3"] * 3
    assert [site.ask("www.example", each) for each in clients] == ["5", "80", "3"] * 3


def test_answersOfAll(site: _Site) -> None:
    """
    One that takes the answer alone is asked once, and the packet cache repeats what it has decided for as long as that is kept.
    """
    server = site.serve("screenedForAll")
    assert [site.ask("www.example", f"10.0.0.{number}") for number in range(1, 9)] == ["1"] * 8
    hooks = server.features.active["hooks"]
    assert isinstance(hooks, AppliedHooks)
    assert hooks.called[0].calls == 1
    assert server.frontend.responder.counters.hits > 0
    site.first.set("www.example", "A", "192.0.2.66")
    site.network.advance(4000)
    assert site.ask("www.example") == "66"


def test_transports(site: _Site) -> None:
    """
    One that goes by the transport tells each client of UDP to come over TCP, time and again.
    """
    server = site.serve("overTCP")
    for _ in range(3):
        got, other = [server.ask(queryFor("www.example"), "10.0.0.1", stream=stream) for stream in (False, True)]
        assert got is not None and other is not None
        assert (bool(got.flags & TC), bool(other.flags & TC), len(other.answer)) == (True, False, 1)


_ZONE = "@ 60 SOA ns admin 1 3600 900 604800 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n*.w 60 A 192.0.2.2\ngeo 60 NS ns\n"


def test_zonesComeFirst(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No hook is asked about names of a zone that is served here, whether it has them or not. Names that it delegates are other zones'.
    """
    zones = Zones()
    zones.put(Zone.fromText(_ZONE, "example"))
    monkeypatch.setattr(served, "Zones", lambda: zones)
    server = site.serve("denyingWithText")
    for name, found in (("ns.example", "1"), ("x.w.example", "2"), ("none.example", "3"), ("a.none.example", "3"), ("example", "0")):
        assert site.ask(name) == found
    hooks = server.features.active["hooks"]
    assert isinstance(hooks, AppliedHooks)
    assert hooks.called[0].calls == 0
    assert (site.ask("a.geo.example"), hooks.called[0].calls) == ("5", 1)
