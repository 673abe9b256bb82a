"""
Tests of L{ViewSettings}, and of views in a whole server on a memory network.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.server.settings.faults import assertFaults
from tests.server.test_service import ServiceCase
from tests.server.views.served import Served, meaningOf, queryFor, tableOf
from tests.typed import observing
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.dryrun import pathOf
from twisted_ext.server.features.blocking.names import BlockedNames
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import ViewSettings, viewsOf
from twisted_ext.server.settings.startup import wantSomething
from twisted_ext.server.settings.tomlfile import readSettings, valuesFromTOML
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

_CHILDREN = {"name": "children", "clients": ["192.168.0.8/29"], "block": ["games.example"], "block-reply": "null"}


def test_tables(tmp_path: Path) -> None:
    """
    A view has the settings of its table, and of all for the others.
    """
    path = tmp_path / "txdns.toml"
    path.write_text(
        'lists = ["ads"]\nblock = ["casino.example"]\n[[list]]\nname = "ads"\nfile = "ads.txt"\n'
        '[[view]]\nname = "children"\nclients = ["192.168.1.40", "any"]\nlists = ["ads"]\nblock-list = ["more.txt"]\n'
        '[[view]]\nname = "guests"\nclients = ["2001:db8::/32"]\nlists = []\n'
    )
    children, guests = viewsOf(Settings(readSettings(str(path))))
    assert (children.name, children.clients, guests.clients) == ("children", ("192.168.1.40/32", "any"), ("2001:db8::/32",))
    ofChildren, ofGuests = children.settings[BlockingSettings], guests.settings[BlockingSettings]
    assert (ofChildren.lists, ofChildren.block, ofChildren.blockList) == (("ads",), ("casino.example.",), (str(tmp_path / "more.txt"),))
    assert (ofGuests.lists, ofGuests.block, ofGuests.blockList) == ((), ("casino.example.",), ())


@pytest.mark.parametrize("given", ["children=192.168.1.40,2001:db8::1", _CHILDREN])
def test_everyFormReadsBack(given: object) -> None:
    """
    What C{--show-config} prints, and what workers get, is the same view.
    """
    settings = Settings.of(view=[given])
    again = [Settings(valuesFromTOML(settings.toTOML(), "txdns.toml")), Settings.fromJSON(settings.toJSON())]
    (view,), *others = [viewsOf(each) for each in (settings, *again)]
    for (other,) in others:
        assert (other.name, other.clients, other.settings.toTOML()) == (view.name, view.clients, view.settings.toTOML())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[view]]\nclients = ["any"]', ['txdns.toml:1: a view has no name; write name = "children"']),
        ('\n[[view]]\nname = "a"', ['txdns.toml:2: view a has no clients; write clients = ["192.168.1.40"]']),
        ('[[view]]\nname = "a"\nclients = ["any"]\nport = 5', ["txdns.toml:1: view a: port cannot differ between views"]),
        (
            '[[view]]\nname = "a"\nclients = ["any"]\nlsits = []\nblock = ["a..b"]',
            ["view a: lsits: there is no such key; did you mean lists?", "view a: block takes a domain name"],
        ),
        ('[[view]]\nname = "a"\nclients = ["192.168.1.1/24"]', ["view a: clients takes an address with or without the length of a prefix"]),
        ('[[view]]\nname = "a\\u001b"\nclients = ["any"]', ["name takes a name of up to 63 letters"]),
        ('[[views]]\nname = "a"', ["views: there is no such setting; did you mean view?"]),
        ('view = ["a"]', ["view 'a' is not a valid view: write its name, an equals sign, and the addresses of its clients"]),
    ],
)
def test_badTables(text: str, said: Sequence[str]) -> None:
    """
    Each error is reported with its line and what would be right.
    """
    assertFaults(text, said)


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (["a=any", "a=192.0.2.1"], "view a is given twice"),
        ([{"name": "a", "clients": "any", "lists": "game"}], "view a: lists: there is no list game; did you mean games?"),
    ],
)
def test_viewsThatCannotBe(views: object, said: str) -> None:
    """
    A server with views that contradict each other or the lists does not start.
    """
    settings = Settings.of(view=views, list="games=/lists/games", upstream="192.0.2.53", hostsFile="")
    with pytest.raises(BadDescription) as caught:
        pathOf(cast(IReactorTime, Clock()), settings)
    assert str(caught.value) == said


@pytest.mark.parametrize("text", ["a", "=any", "a=", "a= ", "{", "[]", '{"name": "a"}'])
def test_badTexts(text: str) -> None:
    """
    What is neither a name and clients nor a table is refused.
    """
    with pytest.raises(BadDescription):
        ViewSettings.fromText(text)


def test_path() -> None:
    """
    C{--show-path} has a line for each view: its clients, and what is different for them.
    """
    settings = Settings.of(view=[_CHILDREN, "guests=192.168.9.0/24"], upstream="192.0.2.53", hostsFile="", block="ads.example")
    assert pathOf(cast(IReactorTime, Clock()), settings)[-2:] == [
        "view children, 192.168.0.8/29: block: 1 given, answered with null",
        "view guests, 192.168.9.0/24: as for all",
    ]


def _warned(**values: object) -> list[str]:
    """
    Return what is logged at a start with these settings.
    """
    said: list[LogEvent] = []
    observer = observing(said.append)
    globalLogPublisher.addObserver(observer)
    try:
        wantSomething(Settings.of(**values), None)
    finally:
        globalLogPublisher.removeObserver(observer)
    return [formatEvent(each) for each in said]


def test_hiddenViews() -> None:
    """
    A view that gets no clients because others before it have them all is logged at the start.
    """
    said = _warned(interface="192.168.0.1", view=["house=192.168.0.0/16", "guests=192.168.1.0/24", "others=any"])
    assert said == ["view guests gets no clients: 192.168.1.0/24 is all in views before it, such as house"]


def test_viewsWithoutIPv6() -> None:
    """
    Views whose clients are given by IPv4 addresses only are logged at the start of a server that is reached over IPv6 as well.
    """
    text = "no client is given by an IPv6 prefix, so a device that queries over IPv6 is not in"
    assert _warned(view=["house=192.168.0.0/16", "others=any"]) == [f"view house: {text} it; add its prefix"]
    views = ["a=192.168.0.1", "b=192.168.0.2"]
    for interface in (["127.0.0.1", "::1"], ["eth7"]):
        assert _warned(interface=interface, view=views) == [f"views a, b: {text} them; add its prefix"]
    assert _warned(interface=["127.0.0.1", "192.168.0.1"], view=views) == []
    assert _warned(view=[{"name": "a", "clients": ["192.168.0.1", "fd00::1"]}]) == []


def test_shortPaths() -> None:
    """
    A path of a view that can be guessed is logged at the start.
    """
    views = [{"name": "a", "clients": ["https-path=/kids"]}, {"name": "b", "clients": ["https-path=/dns-query/0123456789"]}]
    assert _warned(interface="192.168.0.1", view=views) == [
        "view a: clients https-path=/kids: the path can be guessed; one of 16 characters or more cannot"
    ]


def test_mappedAddresses() -> None:
    """
    A client that is given by an IPv4 address as IPv6 writes it is the one with that IPv4 address.
    """
    view = {"name": "a", "clients": ["::ffff:127.0.0.4", "::ffff:192.0.2.0/120", "::fffe:0:0/95"]}
    assert viewsOf(Settings.of(view=[view]))[0].clients == ("127.0.0.4/32", "192.0.2.0/24", "::fffe:0:0/95")


class ViewsTests(ServiceCase):
    """
    Tests of views of a L{ServerService}; its client is at 192.168.0.9.
    """

    def reload(self, **values: object) -> None:
        self.wanted = self.settings(**values)
        reloaded = self.service.reload()
        self.network.advance(0.1)
        self.successResultOf(reloaded)

    def test_clientsOfView(self) -> None:
        """
        The first view that has a client decides what it is answered; a reload moves it at once.
        """
        self.upstream.set("www.games.example", "A", "192.0.2.81")
        guests = {"name": "guests", "clients": ["192.168.0.0/16"], "block": ["other.example"]}
        self.service = self.run_(view=[_CHILDREN, guests])
        name = "www.games.example"
        self.assertEqual([self.addressOf(name) for _ in range(4)], ["0.0.0.0"] * 4)
        self.assertGreater(self.service.counters.hits, 1)
        self.reload(view=[guests, _CHILDREN])
        self.assertEqual([self.addressOf(name) for _ in range(4)], ["192.0.2.81"] * 4)
        self.reload(view=[_CHILDREN])
        self.assertEqual(self.addressOf(name), "0.0.0.0")
        self.reload(block="games.example", view=[{**_CHILDREN, "block": []}])
        self.assertEqual(self.addressOf(name), "192.0.2.81")
        self.reload(block="games.example")
        self.assertEqual(cast("int", getattr(self.asked(name), "rcode", None)), 3)

    def test_countedRepliesStayCounted(self) -> None:
        """
        The number of replies for blocked names does not go down when views change.
        """
        self.service = self.run_(view=[_CHILDREN])
        for _ in range(6):
            self.assertEqual(self.addressOf("www.games.example"), "0.0.0.0")
        self.assertGreater(self.service.counters.hits, 2)
        self.assertEqual(self.successResultOf(self.service.status.figures()).numbers["blocked"], 6)
        self.reload()
        self.assertEqual(self.successResultOf(self.service.status.figures()).numbers["blocked"], 6)

    def test_refusedClientsAreInNoView(self) -> None:
        """
        To be in a view allows nothing.
        """
        self.service = self.run_(view=[_CHILDREN], allow=["192.0.2.0/24"])
        reply = self.asked()
        assert reply is not None
        self.assertEqual(reply.rcode, 5)

    def test_reloadWithAViewWithoutClients(self) -> None:
        """
        A reload with a view that no client can get to is refused, and the settings stay.
        """
        self.service = self.run_(view=[_CHILDREN])
        before = self.service.settings
        with self.assertRaisesRegex(BadDescription, "this server does not listen at 192.0.2.99"):
            self.service.goOverTo(self.settings(view=[{**_CHILDREN, "clients": ["interface=192.0.2.99"]}]))
        self.assertIs(self.service.settings, before)
        self.assertEqual(self.addressOf("www.games.example"), "0.0.0.0")

    def test_explainedForClient(self) -> None:
        """
        A look-up can be explained as for any client, by the rules of its view.
        """
        self.service = self.run_(view=[_CHILDREN])
        self.upstream.set("www.games.example", "A", "192.0.2.81")

        def outcome(client: str) -> object:
            explained = self.service.status.do("explain", {"name": "www.games.example", "client": client})
            self.network.advance(0.1)
            found = self.successResultOf(explained)
            return [step["event"] for step in cast("list[dict[str, object]]", found["steps"]) if step["source"] == "block"]

        self.assertEqual([outcome(client) for client in ("192.168.0.9", "192.168.0.99", "")], [["blocked"], [], []])
        self.failureResultOf(self.service.status.do("explain", {"name": "a.example", "client": "192.168.0.999"}), CallerFault)

    def test_viewsHaveTheCacheInCommon(self) -> None:
        """
        What one view has fetched, others need not fetch again.
        """
        self.service = self.run_(view=["mine=192.168.0.9"])
        self.assertEqual(self.addressOf(), "192.0.2.80")
        self.reload(view=["others=192.168.7.7"])
        self.assertEqual(self.addressOf(), "192.0.2.80")
        self.assertEqual(len(self.upstream.asked), 1)

    def test_loggedQueriesOfViews(self) -> None:
        """
        The query log names view and rule, and the view of what the packet cache answers.
        """
        view = {"name": "mine", "clients": "192.168.0.9", "block": "ads.example"}
        self.service = self.run_(view=[view], queryLog=True)
        for _ in range(5):
            self.assertEqual(self.addressOf(), "192.0.2.80")
        self.assertEqual(self.service.counters.hits, 2)
        self.assertTrue(formatEvent(self.said[-1]).endswith("0.0 ms, packet-cache, view mine"), formatEvent(self.said[-1]))
        self.asked("www.ads.example")
        last = self.said[-1]
        self.assertTrue(formatEvent(last).endswith("0.0 ms, blocked block, view mine, EDE 15"), formatEvent(last))
        fields = last["fields"]
        self.assertEqual([fields[key] for key in ("source", "server", "rule", "view")], ["blocked", "", "block", "mine"])


def _served(network: MemoryNetwork, **values: object) -> Served:
    return Served(network, "192.0.2.7", Settings.of(hostsFile="", upstream="192.0.2.53", **values))


def test_oneTableForAllViews(tmp_path: Path) -> None:
    """
    All views use the same table, whether they were there when it came or not, until there is another one.
    """
    (tmp_path / "ads").write_text("ads.example\n")
    word = f"block:ads={tmp_path}/ads"
    given = {"list": f"ads={tmp_path}/ads", "lists": "ads"}
    views = [{"name": f"view{number}", "clients": f"10.0.0.{number}", "block": f"x{number}.example"} for number in range(3)]
    network = MemoryNetwork(seed=1)
    CannedServer({("www.ads.example", "A"): "192.0.2.80"}).listen(network.reactor("192.0.2.53"))
    served = _served(network, **given, view=views[:2])
    try:
        served.take(tableOf(tmp_path / "1", [word]))
        served.reload(Settings.of(hostsFile="", upstream="192.0.2.53", **given, view=views))
        policies = [cast(BlockedNames, each.active["blocking"]).policy for each in (served.features, *served.features.views.values())]
        assert len(policies) == len({*policies}) == 4
        assert len({each.table for each in policies}) == 1
        former = policies[0].table
        served.take(tableOf(tmp_path / "2", [word]))
        assert {each.table for each in policies} != {former}
        assert len({each.table for each in policies}) == 1
    finally:
        served.close()


def test_emptyViewsAreSmall() -> None:
    """
    A view without settings of its own takes less than 20 kB, and a thousand views find a client as one does.
    """
    network = MemoryNetwork(seed=1)
    views = [f"view{number}=10.{number >> 8}.{number & 255}.0/24" for number in range(1000)]
    served = _served(network)
    try:
        tracemalloc.start()
        try:
            served.reload(Settings.of(hostsFile="", upstream="192.0.2.53", view=views))
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert taken < 20_000 * len(views)
        clients = served.frontend.packetCache.clients
        assert [clients.find(each, 1.0).group.name for each in ("10.3.231.9", "10.0.1.7", "10.9.0.1")] == ["view999", "view1", "allowed"]
    finally:
        served.close()


def test_privateRepliesOverStreams() -> None:
    """
    Over TCP clients of a view get its replies as well, whatever was stored for others.
    """
    network = MemoryNetwork(seed=1)
    CannedServer({("www.games.example", "A"): "192.0.2.81"}).listen(network.reactor("192.0.2.53"))
    served = _served(network, view=[_CHILDREN])
    try:
        packet = queryFor("www.games.example")
        clients = ("10.0.0.1", "192.168.0.9") * 4
        found = [[meaningOf(served.ask(packet, client, stream=stream)) for client in clients] for stream in (False, True)]
        assert found[0] == found[1]
        assert [found[0][at] == found[0][0] for at in range(8)] == [True, False] * 4
    finally:
        served.close()
