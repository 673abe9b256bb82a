"""
Tests of L{twisted_ext.apps.cli.convert.pihole}.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.apps.cli.convert.pihole.houses import SETTINGS, gravity
from twisted_ext.apps.cli.convert.command import convertFile, tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, ExitError
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.settings.tomlfile import valuesFromTOML

_REPLY = '[dns.reply.blocking]\nforce4 = true\nIPv4 = "192.0.2.1"\n'

_LIST = "https://raw.githubusercontent.com/StevenBlack/hosts/master/hosts"


def converted(folder: Path, settings: str = SETTINGS) -> Converted:
    (folder / "pihole.toml").write_text(settings)
    return convertFile(str(folder / "pihole.toml"))


def said(found: Converted, severity: Severity) -> list[tuple[int, str, str]]:
    """
    Return the line, the directive and the reason of each finding of a severity.
    """
    return [(each.place.line, each.place.directive, each.reason) for each in found.sortedFindings() if each.severity is severity]


def test_resolving(tmp_path: Path) -> None:
    """
    What Pi-hole tells dnsmasq becomes settings, each with the line that it comes from.
    """
    gravity(tmp_path / "gravity.db")
    found = converted(tmp_path)
    values = found.values
    assert values["upstream"] == ["validate:(udp:9.9.9.9)", "validate:(udp:127.0.0.1:5335)"]
    assert [place.line for place in found.places["upstream"]] == [6, 7]
    assert set(found.texts("local")) >= {"nas. A 192.168.1.10", "nas.home.example. A 192.168.1.10", "nas. AAAA 2001:db8::10"}
    assert any(each.startswith("files.home.example. ") and "nas.home.example" in each for each in found.texts("local"))
    assert any("printer.home.example" in each and "192.168.1.20" in each for each in found.texts("local"))
    assert {each.partition("=")[0].removesuffix(".") for each in found.texts("route")} == {"lab.example", "7.168.192.in-addr.arpa"}
    assert {"home.example", "use-application-dns.net"} <= {each.removesuffix(".") for each in found.texts("local-domain")}
    assert "mask.icloud.com" not in found.texts("local-domain")
    assert (values["port"], values["domain-needed"], values["query-log"], values["block-reply"]) == (5301, True, True, "null")
    assert str(values["expand-hosts"]).removesuffix(".") == "home.example"
    assert "interface" not in values
    missing = said(found, Severity.MISSING)
    assert [(line, name) for line, name, _ in missing] == [(40, "dhcp.active"), (46, "later.unheard")]
    needless = {name for _, name, _ in said(found, Severity.NEEDLESS)}
    assert {"dns.blockTTL", "dns.cache.size", "dns.rateLimit.count", "webserver.port"} <= needless
    assert "dns.CNAMEdeepInspect" not in needless


def test_listsGroupsAndClients(tmp_path: Path) -> None:
    """
    Lists and domains become lists, and each set of groups that clients are in becomes a view.
    """
    gravity(
        tmp_path / "gravity.db",
        ["Children", "Guests & friends", "-Off"],
        adlist=[
            (_LIST, 0, (0, 1)),
            ("https://lists.example/games.txt", 0, (1,)),
            ("https://lists.example/good.txt", 1, (0,)),
            ("http://lists.example/clear.txt", 0, (0,)),
            ("file:///etc/pihole/own.list", 0, (2,)),
            ("https://lists.example/off.txt", 0, (3,)),
            ("https://lists.example/games.txt", 0, (1,)),
        ],
        domainlist=[
            (0, "shop.example", (0, 1)),
            (1, "chat.example", (1,)),
            (3, r"(\.|^)ads\.example$", (0,)),
            (3, r"^ad[0-9]+\.", (0,)),
            (3, r"^track;querytype=A", (0,)),
            (3, r"^bad(", (0, 1)),
            (2, r"(^|\.)good\.example$", (1,)),
            (1, "off.example", (3,)),
        ],
        client=[
            ("192.168.1.40", (1,)),
            ("192.168.9.0/24", (2,)),
            ("192.168.1.41", (0, 1)),
            ("192.168.1.50", (0,)),
            ("192.168.1.60", ()),
            ("aa:bb:cc:dd:ee:ff", (1,)),
            ("tablet.lan", (1,)),
            ("192.168.1.42", (1,)),
        ],
    )
    found = converted(tmp_path)
    lists = found.values["list"]
    assert lists == [
        {"name": "stevenblack-hosts", "url": _LIST},
        {"name": "lists-example-games", "url": "https://lists.example/games.txt"},
        {"name": "lists-example-good", "url": "https://lists.example/good.txt", "allow": True},
        {"name": "own", "file": "/etc/pihole/own.list"},
        {"name": "lists-example-games-2", "url": "https://lists.example/games.txt"},
        {"name": "default-allowed", "names": ["|shop.example^"], "allow": True},
        {"name": "default-denied", "names": ["||ads.example^", r"/^ad[0-9]+\./"]},
        {"name": "children-allowed", "names": ["|shop.example^", "||good.example^"], "allow": True},
        {"name": "children-denied", "names": ["|chat.example^"]},
    ]
    ofAll = ["stevenblack-hosts", "lists-example-good", "default-allowed", "default-denied"]
    ofChildren = ["stevenblack-hosts", "lists-example-games", "lists-example-games-2", "children-allowed", "children-denied"]
    assert found.values["lists"] == ofAll
    assert found.values["view"] == [
        {"name": "children", "clients": ["192.168.1.40/32", "192.168.1.42/32"], "lists": ofChildren},
        {"name": "default-children", "clients": ["192.168.1.41/32"], "lists": [*ofAll, *ofChildren[1:]]},
        {"name": "unblocked", "clients": ["192.168.1.60/32"], "lists": []},
        {"name": "guests-friends", "clients": ["192.168.9.0/24"], "lists": ["own"]},
    ]
    assert [name for _, name, _ in said(found, Severity.MISSING)][:5] == [
        "dhcp.active", "later.unheard", "http://lists.example/clear.txt", "^track;querytype=A", "^bad(",
    ]  # fmt: skip
    assert {"aa:bb:cc:dd:ee:ff", "tablet.lan"} <= {name for _, name, _ in said(found, Severity.MISSING)}
    settings = Settings(valuesFromTOML(tomlOf(found), "txdns.toml"))
    assert [view.name for view in viewsOf(settings)] == ["children", "default-children", "unblocked", "guests-friends"]


def test_groupsOfLikeNames(tmp_path: Path) -> None:
    """
    Groups whose names differ in what names of views cannot have become different views, in a valid settings file.
    """
    gravity(
        tmp_path / "gravity.db",
        ["Kids!", "Kids?", "x" * 90],
        domainlist=[(1, "a.example", (1,)), (1, "b.example", (2,))],
        client=[("192.168.1.1", (1,)), ("192.168.1.2", (2,)), ("192.168.1.3", (1, 2, 3)), ("192.168.1.4", (3,))],
    )
    settings = Settings(valuesFromTOML(tomlOf(converted(tmp_path)), "txdns.toml"))
    names = [view.name for view in viewsOf(settings)]
    assert sorted(names)[:2] == ["kids", "kids-2"]
    assert len({*names}) == 4


def test_dropIns(tmp_path: Path) -> None:
    """
    Files of dnsmasq that Pi-hole would read are said to be missing.
    """
    gravity(tmp_path / "gravity.db")
    found = converted(tmp_path, '[dns]\nupstreams = ["192.0.2.53"]\n[misc]\netc_dnsmasq_d = true ### CHANGED, default = false\n')
    assert [(name, reason) for _, name, reason in said(found, Severity.MISSING)] == [
        ("misc.etc_dnsmasq_d", "the files in /etc/dnsmasq.d are not read")
    ]


def test_databaseIsNotChanged(tmp_path: Path) -> None:
    """
    The database is only read, also in a folder that cannot be written to; an old one has no lists of exceptions.
    """
    gravity(tmp_path / "gravity.db", old=True, adlist=[(_LIST, 0, (0,))])
    before = (tmp_path / "gravity.db").read_bytes()
    found = converted(tmp_path)
    assert found.values["list"] == [{"name": "stevenblack-hosts", "url": _LIST}]
    assert (tmp_path / "gravity.db").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["gravity.db", "pihole.toml"]


def test_withoutDatabase(tmp_path: Path) -> None:
    """
    Without the database the rest is converted; one that is none is an error.
    """
    found = converted(tmp_path)
    assert found.values["upstream"]
    assert said(found, Severity.WRONG) == [(0, "", "there is no such file; it has the lists, groups and clients")]
    for octets in (b"", b"not a database" * 100, b"SQLite format 3\0" + bytes(2000)):
        (tmp_path / "gravity.db").write_bytes(octets)
        with pytest.raises(ExitError, match="gravity.db: "):
            converted(tmp_path)


@pytest.mark.parametrize(
    ("blocking", "reply", "severities"),
    [
        ('mode = "NX"', "nxdomain", []),
        ('mode = "NXDOMAIN"', "nxdomain", []),
        ('mode = "NODATA"', None, [Severity.DIFFERS]),
        ('mode = "IP"', None, [Severity.MISSING]),
        (f'mode = "IP"\n{_REPLY}force6 = true\nIPv6 = "2001:db8::1"', "192.0.2.1,2001:db8::1", []),
        (f'mode = "IP_NODATA_AAAA"\n{_REPLY}', "192.0.2.1", []),
        ("active = false", None, [Severity.NOTE]),
    ],
)
def test_replies(tmp_path: Path, blocking: str, reply: str | None, severities: list[Severity]) -> None:
    """
    How blocked names are answered is a setting, or is said to differ. Lists are left out if blocking is off.
    """
    gravity(tmp_path / "gravity.db", adlist=[(_LIST, 0, (0,))])
    found = converted(tmp_path, f'[dns]\nupstreams = ["192.0.2.53"]\n[dns.blocking]\n{blocking}\n')
    assert found.values.get("block-reply") == reply
    assert [each.severity for each in found.findings if each.place.directive.startswith("dns.blocking")] == severities
    assert ("list" in found.values) == ("active" not in blocking)


def test_rootedPaths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The files may be those of a container, whose links do not lead out of it.
    """
    folder = tmp_path / "etc" / "pihole"
    folder.mkdir(parents=True)
    (folder / "pihole.toml").write_text('[dns]\nupstreams = ["192.0.2.53"]\n')
    gravity(folder / "gravity.db", adlist=[(_LIST, 0, (0,))])
    assert main(["convert", "--root", str(tmp_path), "/etc/pihole/pihole.toml"]) == OK
    assert _LIST in capsys.readouterr().out
    gravity(tmp_path.parent / f"{tmp_path.name}.db")
    (folder / "gravity.db").unlink()
    (folder / "gravity.db").symlink_to(tmp_path.parent / f"{tmp_path.name}.db")
    assert main(["convert", "--root", str(tmp_path), "/etc/pihole/pihole.toml"]) == BATCH
    assert "it is a link out of" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["[dns", "dns = 3", "[dns]\nupstreams = 3", '[dns]\nhosts = ["", "x"]', '[dns]\nrevServers = ["true"]', "[dns]\ncnameRecords = [3]"],
)
def test_hostileSettings(tmp_path: Path, text: str) -> None:
    """
    Whatever is in the file, it is converted, or is an error in one line.
    """
    gravity(tmp_path / "gravity.db")
    try:
        converted(tmp_path, text)
    except ExitError as error:
        assert len(error.line.splitlines()) == 1
