"""
Live tests of what other settings would decide: what C{txdns policy replay} says beside what two servers do.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.upstreams import Upstream
from twisted_ext.server.features.queryhistory.recorder.rows import STATUSES
from twisted_ext.server.features.queryhistory.recorder.search import Filter, search
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText

_LINES = (
    "a.example", "||b.example^", "@@||www.b.example^", "||c.example^$important", "0.0.0.0 www.a.example", "||ads.test^$dnstype=AAAA",
    "@@||c.example^", "||y.a.example^$client=kids", "/^x\\.y\\./", "||d.test^",
)  # fmt: skip

_RD = 0x0100

#: All but what is asked to see whether the server runs.
_DECIDED = frozenset([STATUSES.index(each) for each in ("cached", "forwarded", "blocked", "failed")])

_NAMES = [f"{host}{domain}" for host in ("", "www.", "x.y.") for domain in ("a.example", "b.example", "c.example", "ads.test", "d.test")]

#: Aliases, each of what upstreams answer with, and all names that are asked for. No list is about the first ones themselves.
_ALIASES = {
    "one.shop.test": "x.y.b.example", "two.shop.test": "edge.cdn.test", "edge.cdn.test": "a.example", "www.d.test": "www.c.example",
    "three.shop.test": "edge.fair.test",
}  # fmt: skip
_ASKED = [*_NAMES, *_ALIASES]

_CLIENTS = [f"127.0.0.{number}" for number in range(1, 9)]


def _settings(chance: Random, folder: Path, upstream: str, history: str) -> str:
    """
    Return random settings: lists with types, exceptions and expressions, of which one applies at no time of today, for views of clients.
    """
    text = f'role = "forward"\nupstream = ["{upstream}"]\nstate = "{folder}/state"\nquery-history-clients = "{history}"\n'
    text += "query-history = true\n"
    text += f"lists = {json.dumps([each for each in ('one', 'two', 'three during never') if chance.random() < 0.7])}\n"
    text += f"block = {json.dumps(chance.sample(_NAMES, 1))}\n"
    for name in ("one", "two", "three"):
        text += f'[[list]]\nname = "{name}"\nnames = {json.dumps(chance.sample(_LINES, 4))}\n'
    text += '[[schedule]]\nname = "never"\ntimes = ["00:00-00:01"]\n'
    for name in ("kids", "guests"):
        clients = chance.sample(["127.0.0.2", "127.0.0.4/31", "127.0.0.6", "127.0.0.0/29"], 2)
        text += f'[[view]]\nname = "{name}"\nclients = {json.dumps(clients)}\n'
        if chance.random() < 0.7:
            text += f"lists = {json.dumps([each for each in ('one', 'two', 'three') if chance.random() < 0.5])}\n"
            text += f"block-except = {json.dumps(chance.sample(_ASKED, 1))}\n"
    return text


def _ignore(line: str) -> None:
    # A file that is being made.
    pass


class _Asking:
    """
    Asks two servers, from several addresses.
    """

    def __init__(self, *servers: Twistd) -> None:
        self._ports = [server.port for server in servers]
        self._sockets: dict[str, socket.socket] = {}
        for client in _CLIENTS:
            self._sockets[client] = made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((client, 0))
            made.settimeout(20)
        self._count = 0

    def __call__(self, client: str, name: str, rrType: int) -> list[bool]:
        """
        Return of each server whether it blocks a name.
        """
        found: list[bool] = []
        for port in self._ports:
            self._count = (self._count + 1) % 65536
            query = buildMessage(Message(self._count, _RD, (Question(nameFromText(name), rrType),)))
            self._sockets[client].sendto(query, ("127.0.0.1", port))
            found.append(self._sockets[client].recv(4096)[3] & 15 == 3)
        return found

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()


def _replays(tmp_path: Path, seed: int, count: int) -> None:
    chance = Random(seed)
    history = ("full", "network", "hash", "none")[seed % 4]
    with Upstream(otherwise=0) as upstream:
        for alias, target in _ALIASES.items():
            upstream.canned.set(alias, "CNAME", target)
        for name in (*_NAMES, "edge.fair.test"):
            upstream.canned.set(name, "A", "192.0.2.80")
        servers: list[Twistd] = []
        for name in ("old", "new"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "txdns.toml").write_text(_settings(chance, folder, upstream.label, history))
            servers.append(Twistd(folder, "--config", str(folder / "txdns.toml")))
        with servers[0], servers[1]:
            asking = _Asking(*servers)
            wanted: dict[str, Counter[str]] = defaultdict(Counter)
            for _ in range(count):
                client, name, rrType = chance.choice(_CLIENTS), chance.choice(_ASKED), chance.choice((1, 28))
                was, will = asking(client, name, rrType)
                if was != will:
                    wanted["blocked" if will else "allowed"][f"{name}."] += 1
            asking.close()
            kept, asked = str(tmp_path / "old" / "state" / "history"), Filter(statuses=_DECIDED)
            wait(lambda: sum(1 for _ in search(kept, asked, _ignore)) == count, servers[0])
    words = ["policy", "replay", "--config", "new/txdns.toml", "--against", "old/txdns.toml", "--json", "--top", "1000"]
    done = subprocess.run([sys.executable, "-m", "twisted_ext", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    # The server was asked for a local name to see whether it runs.
    assert (said["queries"], said["sampled"] - said["agreed"], said["unexplained"]) == (count, 0, 0)
    for kind in ("blocked", "allowed"):
        top = {each["name"]: each for each in said[kind]["top"]}
        assert {*wanted[kind]} <= {*top}, kind
        for name, each in top.items():
            assert each["least"] <= wanted[kind][name] <= each["most"], (seed, history, kind, name)
    if history == "full":
        # What a name is an alias of that was blocked before it was looked up is not known.
        spans = {kind: sum([each["most"] - each["least"] for each in said[kind]["top"]]) for kind in ("blocked", "allowed")}
        assert spans == {"blocked": 0, "allowed": said["unknown"]}


@pytest.mark.parametrize("seed", range(4))
def test_asTwoServersDo(tmp_path: Path, seed: int) -> None:
    """
    Of 500 queries that two servers have answered with random settings the same change, or as many as is said at most; with clients
    kept in each way.
    """
    _replays(tmp_path, seed, 500)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 44))
def test_asManyServersDo(tmp_path: Path, seed: int) -> None:
    """
    The same of 20,000 queries, with forty more settings.
    """
    _replays(tmp_path, seed, 500)
