"""
Two views that differ in one setting answer as two servers do: for every setting that a view may have.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.server.views.served import Served, meaningOf, queryFor, tableOf
from twisted_ext.resolver.policy.zones.compiler import compileZones, wordFor
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer, Reply
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText

#: For each setting two values, and what else it takes to have an effect.
_VALUES: dict[str, tuple[object, object, dict[str, object]]] = {
    "block": (["ads.example"], ["www.example"], {}),
    "block-except": (["www.ads.example"], [], {"block": ["ads.example"]}),
    "block-list": (["{folder}/ads"], [], {}),
    "block-reply": ("null", "nxdomain", {"block": ["ads.example"]}),
    "deny-answer-addresses": (["192.0.2.80/29"], [], {}),
    "deny-answer-aliases": (["aside.test"], [], {}),
    "deny-answer-except": (["www.example"], [], {"deny-answer-addresses": ["192.0.2.0/24"]}),
    "dns64": (["64:ff9b::/96"], ["2001:db8:1::/96"], {}),
    "dns64-exclude": (["2001:db8::/32"], [], {"dns64": ["64:ff9b::/96"]}),
    "dns64-failing": (True, False, {"dns64": ["64:ff9b::/96"]}),
    "dns64-ignore-aaaa": (["example"], [], {"dns64": ["64:ff9b::/96"]}),
    "domain-needed": (True, False, {}),
    "expand-hosts": ("lan", "", {"hosts-file": ["{folder}/hosts"]}),
    "filter-a": (True, False, {}),
    "filter-aaaa": (True, False, {}),
    "forward-other-types": (True, False, {"local": ["www.example A 192.0.2.7"]}),
    "hook": (["{folder}/hooks.py:decide"], [], {}),
    "hosts-file": (["{folder}/hosts"], [], {}),
    "lists": (["ads"], [], {}),
    "local": (["www.example A 192.0.2.7"], ["www.example A 192.0.2.8"], {}),
    "local-domain": (["example"], [], {}),
    "local-file": (["{folder}/records"], [], {}),
    "local-reverse": (False, True, {"local": ["www.example A 192.0.2.80"]}),
    "local-ttl": (7, 70, {"local": ["www.example A 192.0.2.7"]}),
    "max-negative-ttl": (5, 50, {}),
    "max-ttl": (5, 50, {}),
    "min-ttl": (500, 400, {}),
    "policy-zones": (["feed"], [], {"policy-zone": ["feed={folder}/feed"]}),
    "rebinding-allow": (["near.example"], [], {"stop-rebinding": True}),
    "rebinding-routes": (True, False, {"stop-rebinding": True, "route": ["near.example=192.0.2.53"]}),
    "recursive": (True, False, {}),
    "route": (["ads.example=192.0.2.54"], ["www.example=192.0.2.54"], {}),
    "safe-search": (["bing"], [], {}),
    "stop-rebinding": (True, False, {}),
    "upstream": (["192.0.2.53"], ["192.0.2.54"], {}),
}

_QUESTIONS = [
    *[(name, rrType) for name in ("www.example", "www.ads.example", "near.example", "none.example") for rrType in ("A", "AAAA", "TXT")],
    ("nas", "A"),
    ("alias.example", "CNAME"),
    ("nas.lan", "A"),
    ("www.bing.com", "A"),
    ("80.2.0.192.in-addr.arpa", "PTR"),
]


#: By which TTLs may differ, as the servers are asked one after the other.
_SECONDS: Final = 4
_AFTER_FAILURES: Final = 30


def _changed(name: str) -> str:
    return re.sub("-(.)", lambda found: found[1].upper(), name)


def _filled(value: object, folder: Path) -> object:
    if not isinstance(value, list):
        return value
    return [each.replace("{folder}", str(folder)) if isinstance(each, str) else each for each in value]


class _Said(NamedTuple):
    """
    What a reply says, and its TTLs.
    """

    meaning: object
    ttls: list[int]

    def isLike(self, other: _Said, seconds: int = _SECONDS) -> bool:
        """
        Return whether this is the same as another one that was asked for a moment later, or fetched a few seconds later.
        """
        pairs = zip(self.ttls, other.ttls, strict=True)
        return self.meaning == other.meaning and all(abs(mine - its) <= seconds for mine, its in pairs)


def _said(message: Message | None) -> _Said:
    assert message is not None
    return _Said(meaningOf(message), [rrset.ttl for section in (message.answer, message.authority) for rrset in section])


def test_everySettingIsTried() -> None:
    """
    Settings that a view may have, and no others, are in the table, but for what is not about answers: which queries are recorded.
    """
    assert [*_VALUES] == sorted([each.name for each in DECLARED.all if each.inView and each.name != "query-history"])


@pytest.mark.parametrize("setting", _VALUES)
def test_viewsAnswerAsServers(setting: str, tmp_path: Path) -> None:
    """
    Clients of two views that differ in a setting get what two servers with its values give, over UDP and TCP, at first and from caches;
    and what these give differs.
    """
    (tmp_path / "ads").write_text("ads.example\n")
    (tmp_path / "hosts").write_text("192.0.2.9 nas\n")
    (tmp_path / "feed").write_text("$TTL 60\nads.example CNAME .\nwww.ads.example CNAME *.\n24.0.2.0.192.rpz-ip A 192.0.2.1\n")
    (tmp_path / "records").write_text("www.example A 192.0.2.7\n")
    (tmp_path / "hooks.py").write_text("from twisted_ext.hooks import *\ndef decide(name):\n    return nxdomain()\n")
    (tmp_path / "hooks.py").chmod(0o600)
    network = MemoryNetwork(seed=1)
    for number in (3, 4):
        records: dict[tuple[str, str], Reply] = {
            ("www.example", "A"): f"192.0.2.8{number}",
            ("www.example", "AAAA"): f"2001:db8::{number}",
            ("www.ads.example", "A"): f"192.0.2.9{number}",
            ("www.bing.com", "A"): "192.0.2.101",
            ("strict.bing.com", "A"): "192.0.2.102",
            ("nas", "A"): f"192.0.2.11{number}",
            ("near.example", "A"): f"192.168.0.{number}",
            ("alias.example", "CNAME"): "www.aside.test.",
        }
        if setting == "dns64-failing":
            records["www.ads.example", "AAAA"] = 2
        CannedServer(records).listen(network.reactor(f"192.0.2.5{number}"))
    one, other, more = _VALUES[setting]
    # After failures, the servers are asked again at other times.
    seconds = _AFTER_FAILURES if setting == "dns64-failing" else _SECONDS
    both = {"list": [{"name": "ads", "file": str(tmp_path / "ads")}], "upstream": ["192.0.2.53"], "hosts-file": [], **more}
    common = {_changed(name): _filled(value, tmp_path) for name, value in both.items()}
    key = _changed(setting)
    views = [
        {"name": f"view{number}", "clients": [f"10.0.{number}.0/24"], setting: _filled(value, tmp_path)}
        for number, value in enumerate((one, other))
    ]
    table = tableOf(tmp_path / "rules", [f"block:ads={tmp_path / 'ads'}", f"block:{tmp_path / 'ads'}"])
    zones, word = str(tmp_path / "zones"), wordFor("feed", nameFromText("feed"), str(tmp_path / "feed"))
    compileZones(zones, "", [word])
    server = Served(network, "192.0.2.7", Settings.of(**common, view=views), table, zones=zones)
    alone = [
        Served(network, f"192.0.2.{20 + number}", Settings.of(**{**common, key: _filled(value, tmp_path)}), table, zones=zones)
        for number, value in enumerate((one, other))
    ]
    try:
        told: list[list[_Said]] = [[], []]
        for turn in range(4):
            for number, (name, rrType) in enumerate(_QUESTIONS * 2):
                packet = queryFor(name, rrType, turn * 100 + number + 1)
                for view in (0, 1):
                    got, wanted = [
                        _said(each.ask(packet, f"10.0.{view}.5", stream=turn % 2 == 1)) for each in (server, alone[view])
                    ]
                    assert got.isLike(wanted, seconds), (name, rrType, view, got, wanted)
                    told[view].append(wanted)
            network.advance(1)
        assert not all(each.isLike(its) for each, its in zip(*told, strict=True))
    finally:
        for each in (server, *alone):
            each.close()
        network.advance(10)
