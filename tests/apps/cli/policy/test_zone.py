"""
Tests of C{txdns policy zone}.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twisted_ext.apps.cli.policy.zone import main
from twisted_ext.apps.cli.terminal.exits import ExitError

_FEED = """$TTL 60
@ SOA localhost. root. 1 2 3 4 5
@ NS localhost.
bad.example CNAME .
*.bad.example CNAME .
ok.bad.example CNAME rpz-passthru.
24.0.2.0.192.rpz-ip CNAME *.
32.9.1.168.192.rpz-client-ip CNAME rpz-drop.
"""


@pytest.fixture
def feed(tmp_path: Path) -> str:
    path = tmp_path / "feed.zone"
    path.write_text(_FEED)
    return f"rpz.example={path}"


def test_whatAZoneHas(feed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The rules are counted by what they are about and what they do.
    """
    assert main([feed]) == 0
    said = "rpz.example: 5 rules: 3 about names, 1 about addresses, 1 about clients; nxdomain 2, passthru 1, nodata 1, drop 1\n"
    assert capsys.readouterr().out == said


def test_whichRuleDecides(feed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The first zone with a rule decides about a name or an address, and a client's rule about all names.
    """
    own = tmp_path / "own.zone"
    own.write_text("$TTL 60\nwww.bad.example A 192.0.2.80\n")
    names = ["www.bad.example", "WWW.ok.bad.example", "ok.bad.example", "example", "192.0.2.7", "192.0.3.7"]
    assert main([f"own={own}", feed, *names]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "www.bad.example: given, by www.bad.example in own",
        "WWW.ok.bad.example: no rule is about it",
        "ok.bad.example: passthru, by ok.bad.example in rpz.example",
        "example: no rule is about it",
        "192.0.2.7: nodata, by 24.0.2.0.192.rpz-ip in rpz.example",
        "192.0.3.7: no rule is about it",
    ]
    main([feed, "example", "--client", "192.168.1.9", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["verdicts"] == [
        {"asked": "example", "zone": "rpz.example", "rule": "32.9.1.168.192.rpz-client-ip", "action": "drop"},
    ]
    assert found["zones"][0]["actions"] == {"nxdomain": 2, "passthru": 1, "nodata": 1, "drop": 1}


def test_whatCannotBeUsed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Lines that are no records and rules that are none are listed.
    """
    path = tmp_path / "wrong.zone"
    path.write_text("$TTL 60\n24.1.2.0.192.rpz-ip CNAME .\nrpz-nsdname CNAME .\nx NONE y\ngood CNAME .\n")
    assert main([f"rpz={path}"]) == 2
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "rpz: 1 rule: 1 about names; nxdomain 1; 3 that cannot be used"
    assert any("has host bits set" in line for line in lines)
    assert any("as ns.example.rpz-nsdname" in line for line in lines)
    assert any("wrong.zone" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["example"], 1, "a zone is missing"), (["a..b=x"], 1, "a label is empty"), (["a=/nowhere/zone"], 8, "No such file"),
        (["a=/dev/null", "a..b"], 1, "a label is empty"), (["a=/dev/null", "--client", "me"], 1, "'me' does not appear to be"),
    ],
)  # fmt: skip
def test_wrongUsage(words: list[str], code: int, said: str) -> None:
    """
    What is wrong is said, with the code for it.
    """
    with pytest.raises(ExitError, match=said) as caught:
        main(words)
    assert caught.value.code == code
