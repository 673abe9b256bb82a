"""
Zones of views on real sockets: what each client is answered, sent, and may change, over restarts and reloads; and beside named with the
same views.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.agreeing import ReplyContent, unexplained
from tests.live.zones.authorities import QueryCase
from tests.live.zones.variants import CLIENTS, KEYS, Client, drawn, namedWith, serving, settingsOf
from tests.peers import peer
from twisted_ext.wire.names import nameFromText

#: Questions beside named.
_QUESTIONS: Final = int(os.environ.get("TXDNS_VARIANT_QUESTIONS", "1000"))

_TYPES: Final = ("A", "A", "NS", "CNAME", "SOA", "MX", "TXT", "SRV", "AAAA", "DS")

_NAMED: Final = "minimal-responses yes; zero-no-soa-ttl no; check-names primary ignore; rrset-order { order none; };"

_ZONE: Final = "corp.example."


def _zone(who: str, serial: int = 1, more: str = "") -> str:
    return f"$ORIGIN {_ZONE}\n$TTL 300\n@ SOA ns hostmaster {serial} 3600 900 1209600 60\n@ NS ns\nns A 127.0.0.1\nwho TXT {who}\n{more}"


_ZONES: Final = {
    "": {_ZONE: _zone("all", more="onlyAll TXT all\n"), "common.example.": _zone("common").replace("corp.", "common.")},
    "partners": {_ZONE: _zone("partners", more="onlyPartners TXT partners\n")},
    "lab": {_ZONE: _zone("lab", more="onlyLab TXT lab\n")},
}

_OPTIONS: Final = {
    "": ['allow-transfer = ["127.0.0.1"]', 'update = ["address 127.0.0.1 zone ANY"]'],
    "partners": ['allow-transfer = ["key=partner"]', 'update = ["key partner zone ANY"]'],
    "lab": ['allow-transfer = ["127.0.0.3"]', 'update = ["address 127.0.0.3 zone ANY"]', "fallback = true"],
}


def _leaves(reply: dns.message.Message, apexes: Sequence[str]) -> bool:
    """
    Return whether the last alias of a reply leads to another zone.
    """
    aliases = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME]
    if not aliases:
        return False
    names = [str(name).lower() for name in (aliases[-1].name, aliases[-1][0].target)]
    owner, target = [max([each for each in apexes if f".{name}".endswith(f".{each}")], key=len, default="") for name in names]
    return owner != target


def test_answersEqualNamed(tmp_path: Path) -> None:
    """
    Clients of four views, one of which they get into by a key, are answered what named answers them, from zones with the same names and
    from zones below each other.
    """
    dice = Random(int(os.environ.get("TXDNS_VARIANT_SEED", "1")))
    zones, names = drawn(dice.randrange(10**6), 8, tmp_path)
    wrong: list[str] = []
    apart = 0
    with serving(tmp_path, settingsOf(tmp_path, zones)) as ours, namedWith(zones, _NAMED) as named:
        for _ in range(_QUESTIONS):
            client, name, rrType = dice.choice(CLIENTS), dice.choice(names), dice.choice(_TYPES)
            query = dns.message.make_query(name, rrType, use_edns=0, payload=4096, flags=0)
            here, there = [client.exchange(query, port) for port in (ours.port, named.port)]
            apexes = [*{**zones[""], **zones.get(client.view, {})}]
            inside = [each for each in apexes if f".{name}".endswith(f".{each}")]
            if there.rcode() == dns.rcode.SERVFAIL and here.answer and here.answer[-1].rdtype == dns.rdatatype.CNAME:
                # Endless aliases, which named answers so.
                continue
            if not inside:
                found = [] if here.rcode() == there.rcode() == 5 else [f"{here.rcode()} here, {there.rcode()} there"]
            else:
                asked = QueryCase(nameFromText(name), dns.rdatatype.from_text(rrType), False, 4096)
                said, theirs = [ReplyContent(reply.to_wire()) for reply in (here, there)]
                if _leaves(there, apexes):
                    # named does not follow an alias from one of its zones to another.
                    found = [] if theirs.answer <= said.answer else ["answer"]
                else:
                    found = unexplained(asked, "bind", said, theirs, said, nameFromText(max(inside, key=len)).lower())
                apart += inside[-1] in zones.get(client.view, {})
            if found:
                wrong.append(f"{client.address} {client.key} {name} {rrType}: {found}\n{here}\n{there}")
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong[:5])
    assert apart > _QUESTIONS / 20


#: What the client is answered for C{who}, and what it gets of the zone by a transfer.
_SAID: Final = (
    ("127.0.0.1", "", "all", "all all"),
    ("127.0.0.2", "", "partners", "REFUSED"),
    ("127.0.0.3", "", "lab", "lab lab"),
    ("127.0.0.4", "", "all", "REFUSED"),
    ("127.0.0.1", "partner", "partners", "partners partners"),
    ("127.0.0.3", "partner", "partners", "partners partners"),
    ("127.0.0.1", "lab", "lab", "REFUSED"),
    ("127.0.0.2", "lab", "partners", "REFUSED"),
    ("127.0.0.2", "nobody", "partners", "REFUSED"),
    ("127.0.0.3", "nobody", "lab", "lab lab"),
)


def _until(server: Twistd, client: Client, name: str, text: str) -> None:
    wait(lambda: client.text(name, server.port) == text, server)


def _agree(port: int) -> None:
    for address, key, said, transferred in _SAID:
        client = Client(address, "", key)
        assert client.text(f"who.{_ZONE}", port) == said, (address, key)
        assert client.text(f"only{said}.{_ZONE}", port) == said, (address, key)
        assert {text.partition("-")[0] for text in client.transfer(_ZONE, port).split()} == {*transferred.split()}, (address, key)
        assert client.transfer(_ZONE, port, "IXFR", 99) == transferred.split()[0] * (transferred == "REFUSED"), (address, key)
        assert client.text("who.common.example.", port) == "common"
    assert Client("127.0.0.3", "").text(f"onlyall.{_ZONE}", port) == "all"
    assert Client("127.0.0.2", "").text(f"onlyall.{_ZONE}", port) == "NXDOMAIN"
    assert Client("127.0.0.1", "").text(f"onlylab.{_ZONE}", port) == "NXDOMAIN"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_eachViewHasItsZone(workers: str, tmp_path: Path) -> None:
    """
    Each client is answered, and sent, the zone of its view and no other, whatever its address and its key; each changes only what it may of
    the zone of its own view. All of that holds after a kill, and after changes of the settings.
    """
    settings = settingsOf(tmp_path, _ZONES, _OPTIONS)
    port = None
    made: dict[tuple[str, str], str] = {}
    for round in range(3):
        with serving(tmp_path, settings, "--workers", workers, port=port) as server:
            port = server.port
            _agree(port)
            for (address, key), text in made.items():
                assert Client(address, "", key).text(f"new.{_ZONE}", port) == text, (address, key)
            for address, key, view in (("127.0.0.1", "", "all"), ("127.0.0.3", "partner", "partners"), ("127.0.0.3", "", "lab")):
                text = f"{view}-{round}"
                change = f"update delete new.{_ZONE}\nupdate add new.{_ZONE} 300 TXT {text}"
                assert Client(address, "", key).update(_ZONE, change, port, tmp_path) == ""
                made[address, key] = text
            for address, key in (("127.0.0.2", ""), ("127.0.0.1", "lab"), ("127.0.0.4", ""), ("127.0.0.2", "nobody")):
                said = Client(address, "", key).update(_ZONE, f"update add stranger.{_ZONE} 300 TXT x", port, tmp_path)
                assert said == "update failed: REFUSED", (address, key)
            for (address, key), text in made.items():
                client = Client(address, "", key)
                assert client.text(f"new.{_ZONE}", port) == text, (address, key)
                assert client.text(f"stranger.{_ZONE}", port) == "NXDOMAIN"
            assert Client("127.0.0.2", "").text(f"new.{_ZONE}", port) == f"partners-{round}"
            if round:
                os.killpg(server.pid, signal.SIGKILL)
                assert server.process is not None
                server.process.wait()
    folders = [tmp_path / "state", *[tmp_path / "state" / "views" / view for view in ("partners", "lab")]]
    assert all((folder / "journals" / "corp.example.journal").is_file() for folder in folders)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_reloads(workers: str, tmp_path: Path) -> None:
    """
    A reload gives a view its first zone, takes its last one away, moves a zone from one view to another, changes its fallback, and keeps
    what was changed meanwhile; settings with a view that there is not change nothing.
    """

    def settings(**views: str) -> str:
        zones = {"": _ZONES[""]} | {view: _ZONES[which] for view, which in views.items()}
        fallback = {view: ["fallback = true"] for view in views if view == "empty"}
        return settingsOf(tmp_path, zones, {"": _OPTIONS[""], **fallback})

    def said(port: int) -> list[str]:
        names = [f"who.{_ZONE}", f"onlyall.{_ZONE}", f"new.{_ZONE}"]
        return [" ".join([Client(f"127.0.0.{number}", "").text(name, port) for name in names]) for number in (1, 2, 3, 4)]

    none = "NXDOMAIN"
    def untilSaid(count: int, expected: list[str]) -> None:
        # Each reload has such a line.
        wait(lambda: len([line for line in server.text().splitlines() if "settings " in line]) >= count, server)
        wait(lambda: said(port) == expected, server)

    with serving(tmp_path, settings(), "--workers", workers) as server:
        port, count = server.port, 0
        assert said(port) == [f"all all {none}"] * 4
        assert Client("127.0.0.1", "").update(_ZONE, f"update add new.{_ZONE} 300 TXT new", port, tmp_path) == ""
        for views, expected in (
            ({"partners": "partners"}, ["all all new", f"partners {none} {none}", "all all new", "all all new"]),
            ({"lab": "partners"}, ["all all new", "all all new", f"partners {none} {none}", "all all new"]),
            ({"lab": "lab", "empty": "lab"}, ["all all new", "all all new", f"lab {none} {none}", "lab all new"]),
            ({"nowhere": "lab"}, ["all all new", "all all new", f"lab {none} {none}", "lab all new"]),
            ({}, ["all all new"] * 4),
            ({"partners": "lab"}, ["all all new", f"lab {none} {none}", "all all new", "all all new"]),
        ):
            (tmp_path / "settings.toml").write_text(settings(**views))
            os.kill(server.pid, signal.SIGHUP)
            count += 1
            untilSaid(count, expected)
        assert "there is no view nowhere; add [[view]]" in server.text()


def test_notifiedByView(tmp_path: Path) -> None:
    """
    A secondary with the zones of two views, fetched with the keys of these: what tells the primary that its zone has changed is signed with
    the key of the view, and each view fetches its own.
    """
    folders = [tmp_path / name for name in ("primary", "secondary")]
    for folder in folders:
        folder.mkdir()
    plain = settingsOf(folders[1], {})
    with serving(folders[1], plain) as reserved:
        port = reserved.port
    options = {
        view: [f'allow-transfer = ["key={key}"]', f'notify = ["127.0.0.1:{port} key={key}"]', f'update = ["key {key} zone ANY"]']
        for view, key in (("partners", "partner"), ("lab", "lab"))
    }
    zones = {view: _ZONES[view] for view in ("partners", "lab")}
    with serving(folders[0], settingsOf(folders[0], zones, options)) as primary:
        options = {
            view: [f'primaries = ["127.0.0.1:{primary.port} key={key}"]'] for view, key in (("partners", "partner"), ("lab", "lab"))
        }
        settings = settingsOf(folders[1], {view: {_ZONE: ""} for view in zones}, options)
        with serving(folders[1], settings, port=port) as secondary:
            clients = {view: Client("127.0.0.1", "", key) for view, key in (("partners", "partner"), ("lab", "lab"))}
            for view, client in clients.items():
                _until(secondary, client, f"who.{_ZONE}", view)
            for round in range(2):
                for view, client in clients.items():
                    change = f"update delete new.{_ZONE}\nupdate add new.{_ZONE} 300 TXT {view}-{round}"
                    assert client.update(_ZONE, change, primary.port, tmp_path) == ""
                    # The refresh interval is an hour.
                    _until(secondary, client, f"new.{_ZONE}", f"{view}-{round}")
            for stranger in (Client("127.0.0.1", ""), Client("127.0.0.1", "", "nobody")):
                assert stranger.text(f"who.{_ZONE}", port) == "REFUSED"


def test_bothSigned(tmp_path: Path) -> None:
    """
    Zones with the same name in two views are signed with keys of their own, and stay so over updates and a restart.
    """
    options = {view: [f'allow-transfer = ["key={key}"]', f'update = ["key {key} zone ANY"]', 'sign = "default"'] for view, key in _SIGNED}
    settings = settingsOf(tmp_path, {view: _ZONES[view] for view, _ in _SIGNED}, options)
    keys: dict[str, set[str]] = {}
    for round in range(2):
        with serving(tmp_path, settings) as server:
            for view, key in _SIGNED:
                client = Client("127.0.0.1", view, key)
                (rrset,) = client.ask(_ZONE, "DNSKEY", server.port).answer
                found = {str(rdata) for rdata in rrset}
                assert keys.setdefault(view, found) == found
                assert client.update(_ZONE, f"update add new{round}.{_ZONE} 300 TXT x", server.port, tmp_path) == ""
                words = [str(peer("dig")), "-y", f"hmac-sha256:{key}:{KEYS[key]}", "@127.0.0.1", "-p", str(server.port)]
                text = subprocess.run([*words, "+noall", "+answer", "+onesoa", _ZONE, "AXFR"], check=True, capture_output=True, text=True)
                path = tmp_path / "transferred"
                path.write_text("".join([line for line in text.stdout.splitlines(keepends=True) if "TSIG" not in line]))
                assert f"new{round}.{_ZONE}" in path.read_text()
                done = subprocess.run([peer("ldns-verify-zone"), str(path)], capture_output=True, text=True)
                assert done.returncode == 0, (done.stdout, done.stderr)
    assert not keys["partners"] & keys["lab"]


_SIGNED: Final = (("partners", "partner"), ("lab", "lab"))
