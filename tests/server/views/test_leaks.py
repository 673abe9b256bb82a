"""
No view's reply reaches the clients of another one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest

from tests.server.views.served import Served, meaningOf, queryFor, tableOf
from twisted_ext.packetcache.clients import View
from twisted_ext.resolver.policy.zones.compiler import compileZones, wordFor
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Feature
from twisted_ext.server.features.built import Features
from twisted_ext.server.features.policyzones.feature import PolicyZonesFeature
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.reply.packetcaches import Admit, ClientGroups
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.names import nameFromText

#: Names that lists and settings block, and such that lead to them.
_NAMES = [f"{host}{domain}.example" for domain in ("ads", "games", "news", "shop") for host in ("", "www.", "x.y.")]
_RECORDS = {
    **{(name, "A"): f"192.0.2.{number}" for number, name in enumerate(_NAMES, 1)},
    ("alias.example", "CNAME"): "www.ads.example.",
    ("far.alias.example", "CNAME"): "alias.example.",
    ("ads.example", "AAAA"): "2001:db8::1",
    ("games.example", "TXT"): "hello",
    ("www.bing.com", "A"): "192.0.2.101",
    ("strict.bing.com", "A"): "192.0.2.102",
    ("strict.bing.com", "AAAA"): "2001:db8::102",
}

_LISTS = {
    "ads": "0.0.0.0 ads.example\n||www.ads.example^\n",
    "games": "games.example\n",
    "news": "||news.example^\n@@||x.y.news.example^\n||shop.example^$important\n",
    "good": "www.games.example\nshop.example\n",
    "home": "||x.y.news.example^$dnsrewrite=192.0.2.251\n|ads.example^$dnsrewrite=shop.example\n"
    "||bing.com^$dnsrewrite=refused,dnstype=TXT\n",
}

#: Those that are no lists of blocked names.
_KINDS = {"good": "except", "home": "rewrite"}
_KEYS = {"good": "allow", "home": "rewrite"}

#: Policy zones. Some rules are about clients, which must not share replies with others of their view.
_ZONES = {
    "feed": "www.ads.example CNAME .\n*.games.example CNAME shop.example.\n32.7.2.0.192.rpz-ip CNAME *.\n"
    "32.1.0.0.10.rpz-client-ip CNAME .\n32.2.1.0.10.rpz-client-ip CNAME rpz-passthru.\nnews.example CNAME rpz-tcp-only.\n",
    "own": "www.games.example CNAME rpz-passthru.\nalias.example CNAME rpz-passthru.\nwww.bing.com A 192.0.2.252\n"
    "24.0.1.0.10.rpz-client-ip A 192.0.2.253\n31.76.3.0.10.rpz-client-ip CNAME rpz-drop.\n28.0.2.0.192.rpz-ip A 192.0.2.254\n",
}

_OFTEN = ["ads.example", "www.bing.com", "www.games.example", "x.y.news.example", "alias.example"]

_DOMAINS = ["ads.example", "bing.com", "games.example", "shop.example", "*.example", "alias.example", "none.example"]

#: For each view its clients.
_CLIENTS = [[f"10.0.{number}.{host}" for host in (1, 2, 77)] for number in range(4)]


def _randomly(dice: random.Random) -> dict[str, object]:
    """
    Return random settings of a view.
    """
    return {
        "lists": dice.sample(sorted(_LISTS), dice.randrange(4)),
        "block": dice.sample(_DOMAINS, dice.choice((0, 0, 1, 2))),
        "block-except": dice.sample(_DOMAINS, dice.choice((0, 0, 1))),
        "safe-search": dice.choice([[], ["bing"], ["google", "bing"]]),
        "block-reply": dice.choice(["nxdomain", "null", "192.0.2.250"]),
        "policy-zones": dice.sample(sorted(_ZONES), dice.randrange(3)),
    }


class _Differential:
    """
    A server with views, and for each view one that has only its settings.
    """

    def __init__(self, folder: Path, seed: int, afresh: bool) -> None:
        self.dice = random.Random(seed)
        self.afresh = afresh
        self.folder = folder
        for name, text in _LISTS.items():
            (folder / name).write_text(text)
        for name, text in _ZONES.items():
            (folder / f"{name}.zone").write_text(f"$TTL 60\n{text}")
        self.network = MemoryNetwork(seed=1)
        self.network.recording = False
        CannedServer(_RECORDS).listen(self.network.reactor("192.0.2.53"))
        self.common: dict[str, object] = {
            "hostsFile": "",
            "upstream": ["192.0.2.53"],
            "prefetch": False,
            "list": [
                {"name": name, "file": str(folder / name), **({_KEYS[name]: True} if name in _KEYS else {})} for name in _LISTS
            ],
            "policyZone": [{"name": name, "file": str(folder / f"{name}.zone")} for name in _ZONES],
        }
        self.tables = 0
        self.table, self.zones = self.newTable(), self.newZones()
        settings = self.settings()
        self.server = Served(self.network, "192.0.2.7", settings, self.table, zones=self.zones)
        self.alone = [
            Served(self.network, f"192.0.2.{100 + number}", each, self.table, zones=self.zones)
            for number, each in enumerate(self.single(settings))
        ]

    def newTable(self) -> str:
        """
        Write a table of all lists, in random order.
        """
        self.tables += 1
        words = [f"{_KINDS.get(name, 'block')}:{name}={self.folder / name}" for name in _LISTS]
        return tableOf(self.folder / f"{self.tables}.rules", self.dice.sample(words, len(words)))

    def newZones(self) -> str:
        """
        Write a table of all policy zones, in random order.
        """
        words = [wordFor(name, nameFromText(name), str(self.folder / f"{name}.zone")) for name in _ZONES]
        path = str(self.folder / f"{self.tables}.zones")
        compileZones(path, "", self.dice.sample(words, len(words)))
        return path

    def settings(self) -> Settings:
        """
        Return settings with random views for the clients that are not those of all.
        """
        own = {re.sub("-(.)", lambda found: found[1].upper(), key): value for key, value in _randomly(self.dice).items()}
        tables: list[dict[str, object]] = []
        for number, clients in enumerate(_CLIENTS[1:]):
            given = _randomly(self.dice)
            kept = {key: value for key, value in given.items() if self.dice.random() < 0.7}
            tables.append({"name": f"view{number}", "clients": [f"{clients[0][:-1]}0/26", clients[2]], **kept})
        return Settings.of(**self.common, **own, view=tables)

    @staticmethod
    def single(settings: Settings) -> list[Settings]:
        """
        Return the settings of servers that have those of all, and those of each view, for everybody.
        """
        return [Settings({**each.given, "view": ()}) for each in (settings, *[view.settings for view in viewsOf(settings)])]

    def change(self) -> None:
        """
        Change something.
        """
        what = self.dice.randrange(3)
        if what == 0:
            settings = self.settings()
            self.server.reload(settings)
            for server, each in zip(self.alone, self.single(settings), strict=True):
                server.reload(each)
        elif what == 1:
            self.table, self.zones = self.newTable(), self.newZones()
            for server in (self.server, *self.alone):
                server.take(self.table, self.zones)
        else:
            for server in (self.server, *self.alone):
                assert server.stack.caching is not None
                server.stack.flush()

    def leaks(self, questions: int) -> list[str]:
        """
        Ask random questions, and return those to which a client of a view got another reply than it would alone.
        """
        dice, found = self.dice, []
        names = [*_NAMES, "alias.example", "far.alias.example", "none.example", "www.bing.com", "strict.bing.com"]
        for number in range(questions):
            if dice.randrange(250) == 0:
                self.change()
            if dice.randrange(100) == 0:
                self.network.advance(dice.choice((0.5, 1.0, 30.0)))
            # A few are asked for often, so that most replies are from the packet cache.
            name = dice.choice(names if dice.randrange(4) == 0 else _OFTEN)
            if dice.randrange(3) == 0:
                name = "".join([each.upper() if dice.randrange(2) else each for each in name])
            packet = queryFor(name, dice.choice(("A",) * 9 + ("AAAA", "TXT", "HTTPS")), number % 65536)
            view = dice.randrange(len(_CLIENTS))
            client, stream = dice.choice(_CLIENTS[view]), dice.randrange(4) == 0
            servers = (self.server, self.alone[view])
            got, alone = [meaningOf(server.ask(packet, client, stream=stream, afresh=self.afresh)) for server in servers]
            if got != alone:
                found.append(f"{name} from {client}: {got}, alone {alone}")
        return found

    def close(self) -> None:
        for server in (self.server, *self.alone):
            server.close()
        self.network.advance(10)


@contextmanager
def _differential(folder: Path, seed: int, afresh: bool = False) -> Iterator[_Differential]:
    made = _Differential(folder, seed, afresh)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("seed", range(5))
def test_eachViewIsAnsweredAsAlone(tmp_path: Path, seed: int) -> None:
    """
    Twenty thousand random questions of clients of four views get the replies that a server with the settings of their view alone gives,
    while settings and lists change and the cache is flushed. Five thousand more pass the packet cache by.
    """
    with _differential(tmp_path, seed, seed == 4) as made:
        assert made.leaks(5000) == []
        assert (made.server.frontend.responder.counters.hits > 700) is (seed < 4)


@pytest.mark.long
def test_millionQuestionsFindNoLeak(tmp_path: Path) -> None:
    """
    The same holds for a million questions, and for a quarter of a million that pass the packet cache by.
    """
    for seed in range(100, 125):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with _differential(folder, seed, seed >= 120) as made:
            assert made.leaks(50_000) == []


def test_sharedTablesLeak(tmp_path: Path) -> None:
    """
    Were the packet tables of views shared, a client would get the reply of another view: the questions would find that.
    """
    wanted = ClientGroups.configure

    def configure(self: ClientGroups, admitting: list[Admit], views: list[View], *, requires: bool, **more: object) -> None:
        wanted(self, admitting, views, requires=requires, **cast(Any, more))
        common = next(group for group in self.all if group.name == "allowed")
        for group in self.all:
            if group.view is not None:
                group.datagrams, group.messages = common.datagrams, common.messages

    with patch.object(ClientGroups, "configure", configure), _differential(tmp_path, 1) as made:
        assert len(made.leaks(2000)) > 10


def test_sharedGroupsLeak(tmp_path: Path) -> None:
    """
    Were the clients that a rule is about in one group with others of their view, they would get the replies of these, and these theirs.
    """
    with patch.object(Features, "isPersonal", lambda self, client, view: False), _differential(tmp_path, 1) as made:
        assert len(made.leaks(2000)) > 10


def test_sharedMarksLeak(tmp_path: Path) -> None:
    """
    Had views the policy zones of all in common, what no rule of one of them is about would pass for passed by the lists of another one.
    """
    with patch.object(PolicyZonesFeature, "differs", Feature.differs), _differential(tmp_path, 1, True) as made:
        assert made.leaks(5000)
