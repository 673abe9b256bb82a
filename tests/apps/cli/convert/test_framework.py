"""
Tests of what all formats of C{txdns convert} share.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from tests.apps.cli.convert.folders import MemoryDisk, converted, linesOf
from twisted_ext.apps.cli.convert.command import convertFile, detected, formatNamed, jsonOf, tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.errors import BadDescription
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__: list[str] = []

PLACE = Place("/etc/toy.conf", 3, "toy yes")


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("/etc/dnsmasq.conf", "", "dnsmasq"),
        ("/tmp/dnsmasq-home", "", "dnsmasq"),
        ("/etc/systemd/resolved.conf", "", "resolved"),
        ("a.txt", "# x\n[Resolve]\nDNS=192.0.2.1\n", "resolved"),
        ("a.txt", "# x\nno-resolv\nserver=192.0.2.1 # ours\n", "dnsmasq"),
        ("a.txt", "address=/lan/192.0.2.1\n", "dnsmasq"),
        ("a.txt", "what is this?\n", ""),
        ("/etc/nsd/nsd.conf", "", "nsd"),
        ("a.conf", "server:\n  ip-address: 192.0.2.1\nzone:\n  name: example.org\n  zonefile: a.zone\n", "nsd"),
        ("/etc/knot/knot.conf", "", "knot"),
        ("a.conf", "server:\n    listen: 127.0.0.1@53\nzone:\n  - domain: example.org\n", "knot"),
        ("a.conf", "server:\n  port: 53\nauth-zone:\n  name: example.org\n  zonefile: a.zone\n", "unbound"),
    ],
)
def test_formatIsDetected(path: str, text: str, found: str) -> None:
    """
    The format of a file is known from its name, or else from its text.
    """
    kind = detected(path, text)
    assert (kind.word if kind else "") == found


@pytest.mark.parametrize(("name", "title"), [("nsd.conf", "NSD's nsd.conf"), ("knot.conf", "Knot DNS's knot.conf")])
def test_authoritativeServersAreNotTakenForUnbound(tmp_path: Path, name: str, title: str) -> None:
    """
    The configuration of a program without a converter is refused, and the error names the program: as that of Unbound, it would make a
    resolver of an authoritative server.
    """
    path = tmp_path / name
    path.write_text("server:\n  port: 53\n")
    with pytest.raises(ExitError) as raised:
        convertFile(str(path))
    assert (raised.value.code, str(raised.value)) == (
        USAGE, f"{path}: this is {title}, which is not converted; serve its zone files with [[zone]]"
    )  # fmt: skip
    assert convertFile(str(path), formatNamed("unbound")).kind == "unbound"


@pytest.mark.parametrize(
    ("kind", "text", "ttl"),
    [
        ("unbound", "server:\n cache-min-ttl: 80\n cache-max-ttl: 20\n", 20),
        ("named", "options { min-cache-ttl 80; max-cache-ttl 20; };", 80),
        ("dnsmasq", "min-cache-ttl=80\nmax-cache-ttl=20\n", 80),
        ("dnsmasq", "min-cache-ttl=80\nmax-ttl=20\n", 20),
        ("coredns", ". {\n forward . 192.0.2.1\n cache {\n  success 100 20 80\n }\n}\n", 20),
        ("adguard", "dns:\n  cache_ttl_min: 80\n  cache_ttl_max: 20\n", 20),
    ],
)
def test_aLowestTTLAboveTheHighest(kind: str, text: str, ttl: int) -> None:
    """
    The settings have one TTL, that which the program gives to all answers, and a line says so: a server does not start with others.
    """
    result = converted(kind, text)
    assert (result.values["min-ttl"], result.values["max-ttl"]) == (ttl, ttl)
    assert any("the lowest TTL, 80, is above the highest, 20" in line for line in linesOf(result))


def test_nameOfTheProgramOrItsMaker() -> None:
    """
    The configuration of named may be called that of BIND.
    """
    assert formatNamed("bind") is formatNamed("named") is not None


def test_settingsKeepTheirPlaces() -> None:
    """
    The TOML has a comment for each value that names its line, is grouped like C{--show-config}, and is valid whatever a directive holds.
    """
    result = Converted("toy", "/etc/toy.conf")
    assert result.set("cache", False, PLACE)
    assert result.add("upstream", "192.0.2.1", PLACE)
    assert result.add("upstream", "192.0.2.1", Place("/etc/toy.conf", 9, "again"))
    assert result.add("upstream", "udp:192.0.2.2:5353", Place("/etc/more.conf", 1, 'more "\n\x1b\x7f'))
    assert result.add("local", 'a.lan TXT "a\\"\\\\b"', PLACE)
    assert result.zone({"name": "example.org", "file": "/zones/a b"}, PLACE)
    text = tomlOf(result)
    assert text.splitlines()[:9] == [
        "# Converted from /etc/toy.conf by txdns convert.",
        "",
        "# -- Upstreams",
        "upstream = [",
        '    "192.0.2.1", # /etc/toy.conf:3: toy yes',
        '    "udp:192.0.2.2:5353", # /etc/more.conf:1: more " \\x1b\\x7f',
        "]",
        "",
        "# -- Local records",
    ]
    assert text.endswith('\n# /etc/toy.conf:3: toy yes\n[[zone]]\nname = "example.org"\nfile = "/zones/a b"\n')
    assert tomllib.loads(text)["local"] == ['a.lan TXT "a\\"\\\\b"']
    assert valuesFromTOML(text, "/etc/x.toml")["cache"] is False


def test_valuesAreChecked() -> None:
    """
    A value that the server would not take is left out, and becomes a finding with its place and what would be right.
    """
    result = Converted("toy", "/etc/toy.conf")
    assert not result.set("port", 70000, PLACE)
    assert not result.add("upstream", "1.2.3.4.5.6:x:y", PLACE)
    assert not result.zone({"name": "example.org", "fil": "x"}, PLACE)
    assert result.values == {} and not result.complete
    assert [str(each) for each in result.findings][0] == (
        "/etc/toy.conf:3: toy yes: not valid: as port it takes a number from 0 to 65535, not 70000"
    )
    assert "zone example.org: fil: there is no such key; did you mean file?" in str(result.findings[2])


def test_completeness() -> None:
    """
    A conversion is complete if every directive has a counterpart; notes and needless directives do not matter.
    """
    result = Converted("toy", "/etc/toy.conf")
    result.note(PLACE, "look")
    result.needless(PLACE, "so it is")
    complete = [result.complete]
    result.differs(PLACE, "almost", "do this")
    assert [*complete, result.complete] == [True, False]
    assert str(result.findings[-1]) == "/etc/toy.conf:3: toy yes: differs: almost; do this"


def test_listsCanBeEmptied() -> None:
    """
    What was removed from a setting may be added again.
    """
    result = Converted("toy", "/etc/toy.conf")
    assert result.add("upstream", "192.0.2.1", PLACE) and result.texts("upstream") == ["192.0.2.1"]
    result.remove("upstream")
    assert result.texts("upstream") == []
    assert result.add("upstream", "192.0.2.1", PLACE) and result.texts("upstream") == ["192.0.2.1"]


def test_json() -> None:
    """
    The JSON has settings, their places and the findings.
    """
    result = Converted("toy", "/etc/toy.conf")
    result.set("port", 5353, PLACE)
    result.missing(PLACE, "not here", "do without")
    place = {"file": "/etc/toy.conf", "line": 3, "directive": "toy yes"}
    assert json.loads(jsonOf(result)) == {
        "format": "toy",
        "file": "/etc/toy.conf",
        "complete": False,
        "settings": {"port": 5353},
        "places": {"port": [place]},
        "findings": [{**place, "severity": "no counterpart", "reason": "not here", "instead": "do without"}],
    }


def test_includesAreBounded() -> None:
    """
    A loop, a chain that is too deep, too many files and too many octets each end the conversion with one line.
    """
    disk = MemoryDisk({f"/etc/{number}": "x" * 10 for number in range(9)})
    includes = Includes("/etc", disk, mostFiles=4, mostOctets=35, deepest=2)
    with includes.including("0"):
        with pytest.raises(BadDescription, match="/etc/0 includes itself"), includes.including("/etc/./0"):
            pass
        with includes.including("1"):
            with pytest.raises(BadDescription, match="/etc/2 is included through 2 files"), includes.including("2"):
                pass
        # The same file twice, one after the other, is not a loop.
        with includes.including("1"):
            pass
    with pytest.raises(BadDescription, match="/etc/5: the configuration has more than 35 octets"):
        includes.text("5")
    with pytest.raises(BadDescription, match="the configuration has more than 4 files"):
        includes.text("6")
    with pytest.raises(BadDescription, match="more than 4 files match"):
        includes.matching("*")
    with pytest.raises(BadDescription, match="/etc/none: No such file"):
        Includes("/etc", disk).text("none")
    with pytest.raises(BadDescription, match="cannot be a path"):
        Includes("/etc", disk).text("a\0b")


def test_hostileFiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A named pipe or a folder in place of a file is an error at once, and octets that are not UTF-8 do no harm.
    """
    os.mkfifo(tmp_path / "dnsmasq.conf")
    assert main(["convert", str(tmp_path / "dnsmasq.conf")]) == 8
    assert main(["convert", str(tmp_path)]) == 8
    assert capsys.readouterr().err.count("\n") == 2
    path = tmp_path / "resolved.conf"
    path.write_bytes(b"\xef\xbb\xbf[Resolve]\r\n# \xff\r\nDNS=192.0.2.1\r\n")
    assert main(["convert", str(path)]) == 0
    assert tomllib.loads(capsys.readouterr().out)["upstream"] == ["192.0.2.1"]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Settings go to the standard output or a new file, findings to the standard error; the exit code says whether there are any that matter.
    """
    path = tmp_path / "resolved.conf"
    path.write_text("[Resolve]\nDNS=192.0.2.1\nCache=yes\nLLMNR=yes\n")
    assert main(["convert", str(path)]) == 2
    out, err = capsys.readouterr()
    assert tomllib.loads(out) == {"interface": ["127.0.0.53"], "upstream": ["192.0.2.1"], "domain-needed": True}
    assert err.endswith(
        f"\n{path}:4: LLMNR=yes: no counterpart: this server asks by unicast only; "
        "keep systemd-resolved or Avahi for names of the local link\n"
    )
    wanted = tmp_path / "txdns.toml"
    assert main(["convert", "--all", str(path), "-o", str(wanted)]) == 2
    out, err = capsys.readouterr()
    assert (out, wanted.read_text("utf-8")) != ("", "") and f"{path}:3: Cache=yes: not needed: " in err
    assert main(["convert", str(path), "-o", str(wanted)]) == 8
    assert capsys.readouterr().err == f"txdns convert: {wanted}: File exists\n"
    assert main(["convert", "--json", str(path)]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["settings"]["upstream"] == ["192.0.2.1"] and err == ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "a file is missing; write: txdns convert"),
        (["a", "b"], "one file at a time; write: txdns convert"),
        (["--from", "dnsmask", "a"], "--from: 'dnsmask' is not a known format; did you mean dnsmasq?"),
    ],
)
def test_mistakes(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A wrong argument is one line that says what is right.
    """
    assert main(["convert", *words]) == 1
    assert capsys.readouterr().err.startswith(f"txdns convert: {line}")


def test_unknownFormat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A file of which neither name nor text says what it is needs C{--from}.
    """
    path = tmp_path / "a"
    path.write_text("[Resolve\nDNS=192.0.2.1\n")
    assert main(["convert", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"txdns convert: {path}: its format is not known; write --from and ")
    assert main(["convert", "--from", "resolved", str(path)]) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("answer-cookie: no\n access-control: 192.0.2.0/24 allow_cookie\n", "require-cookie needs cookies = yes"),
        ("tls-cert-bundle: /missing\nforward-zone:\n name: .\n forward-tls-upstream: yes\n forward-addr: 192.0.2.1#dns.example\n", ""),
    ],
)
def test_settingsWithWhichNoServerStarts(text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What settings say together is tried; files may be on another machine.
    """
    path = tmp_path / "unbound.conf"
    path.write_text(f"server:\n {text}")
    assert (main(["convert", str(path)]) == 2) is bool(reason)
    complaints = capsys.readouterr().err
    assert ("a server does not start with them: " in complaints) is bool(reason)
    assert reason in complaints


def test_rootOfAContainer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    With --root, all paths are those in a container: files are read below its folder, and settings name them as the container does. A link
    that leads out of it is not followed.
    """
    inside = tmp_path / "rootfs" / "etc" / "bind"
    (inside / "more").mkdir(parents=True)
    (inside / "named.conf").write_text('options { directory "/etc/bind"; recursion no; };\ninclude "/etc/bind/more/*.conf";\n')
    (inside / "more" / "zones.conf").write_text('zone "example.org" { type primary; file "db.example"; };\n')
    words = ["convert", "--from", "named", "--root", str(tmp_path / "rootfs"), "/etc/bind/named.conf"]
    main(words)
    said, complaints = capsys.readouterr()
    assert '"/etc/bind/db.example"' in said
    assert str(tmp_path) not in said
    (tmp_path / "elsewhere.conf").write_text("")
    (inside / "more" / "out.conf").symlink_to(tmp_path / "elsewhere.conf")
    main(words)
    assert f"it is a link out of {tmp_path / 'rootfs'}" in capsys.readouterr().err
    assert main([*words[:4], str(tmp_path / "missing"), words[-1]]) == 8
    assert f"{tmp_path / 'missing'}: there is no such folder" in capsys.readouterr().err
