"""
Tests of C{txdns policy}.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import pytest

from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import BATCH, DECLINED, OK, USAGE

_SETTINGS = """\
lists = ["ads"]
time-zone = "Europe/Berlin"
state = "state"
[[list]]
name = "ads"
file = "ads.txt"
[[list]]
name = "games"
file = "games.txt"
[[list]]
name = "far"
url = "https://lists.example/far?key=hunter2"
[[schedule]]
name = "night"
times = ["21:00-06:30"]
[[view]]
name = "children"
clients = ["192.168.1.40/30"]
safe-search = ["bing"]
lists = ["ads", "games during night", "far"]
"""

_EXPECTED = """\
# of a house
192.168.1.41  www.ads.example              -> blocked ads
192.168.1.41  games.example   A     21:30  -> blocked games   # in the evening
192.168.1.41  games.example         12:00  -> passes
192.0.2.1     games.example   21:30        -> passes
192.0.2.1     v6.example                   -> passes
192.0.2.1     v6.example      AAAA         -> blocked
192.168.1.41  www.bing.com                 -> rewritten safe-search
192.0.2.1     www.bing.com                 -> passes
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A folder with settings and lists, in which commands run.
    """
    (tmp_path / "txdns.toml").write_text(_SETTINGS)
    (tmp_path / "ads.txt").write_text("||ads.example^\n||v6.example^$dnstype=AAAA\n<html>\n")
    (tmp_path / "games.txt").write_text("games.example\n")
    (tmp_path / "expected.txt").write_text(_EXPECTED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{check} counts rules, and shows the first lines that cannot be used; the exit code says whether there are any.
    """
    assert main(["policy", "check", "games.txt"]) == OK
    assert capsys.readouterr().out == "games.txt: 1 rule\n"
    assert main(["policy", "check", "games.txt", "ads.txt"]) == DECLINED
    said = capsys.readouterr().out
    assert said == "games.txt: 1 rule\nads.txt: 2 rules, 1 line that cannot be used\n  line 3: '<html>' is not a domain name\n"
    assert main(["policy", "check", "--json", "ads.txt"]) == DECLINED
    assert json.loads(capsys.readouterr().out)["wrong"] == 1
    (house / "bad.txt").write_text("".join([f"\x1b[2J {number}\n" for number in range(100)]))
    assert main(["policy", "check", "bad.txt"]) == DECLINED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bad.txt: 0 rules, 100 lines that cannot be used"
    assert lines[-1] == f"  and {100 - len(lines) + 2} more"
    assert "\x1b" not in "".join(lines)
    (house / "home.txt").write_text("||nas.example^$dnsrewrite=192.0.2.1\n||ads.example^\n")
    assert main(["policy", "check", "home.txt"]) == OK
    said = capsys.readouterr().out
    assert said == "home.txt: 2 rules\n  rules that rewrite answers: 1; they need rewrite = true in the [[list]]\n"
    assert main(["policy", "check", "none.txt"]) == BATCH
    assert main(["policy", "check"]) == USAGE
    assert "txdns policy check: none.txt: No such file or directory" in capsys.readouterr().err


def test_why(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{why} tells the view, the list and the line, at any time; a list that no server has fetched is named.
    """
    words = ["policy", "why", "games.example", "192.168.1.41", "--config", "txdns.toml"]
    assert main([*words, "--at", "12:00"]) == OK
    found = capsys.readouterr()
    assert found.out.splitlines() == [
        "192.168.1.41 is in view children",
        "games.example is not blocked: no rule is about it",
        f"during night it is blocked by games:1 ({house}/games.txt): games.example",
    ]
    assert found.err == "list far: no server has fetched it yet\n"
    assert main(["policy", "why", "v6.example", "192.0.2.1", "--config", "txdns.toml", "--type", "aaaa", "--json"]) == OK
    said = json.loads(capsys.readouterr().out)
    assert (said["view"], said["blocked"], said["rule"]) == (None, True, "ads:2")


def test_whatWasAdded(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What was added or removed while the server ran holds here, too; what does not fit any more is said, and has no effect.
    """
    (house / "txdns.toml").write_text(_SETTINGS)
    (house / "state").mkdir()
    (house / "state" / "added.toml").write_text(
        '[[added]]\nsetting = "block"\nvalue = "added.example"\n'
        '[[added]]\nsetting = "block"\nvalue = "kids.example"\nview = "children"\n'
        '[[added]]\nsetting = "block"\nvalue = "gone.example"\nview = "gone"\n'
        '[[removed]]\nsetting = "lists"\nvalue = "ads"\nview = "children"\n'
    )
    said: list[bool] = []
    for name, client in (
        ("added.example", "192.0.2.1"), ("added.example", "192.168.1.41"), ("kids.example", "192.168.1.41"), ("kids.example", "192.0.2.1"),
        ("gone.example", "192.0.2.1"), ("www.ads.example", "192.168.1.41"),
    ):  # fmt: skip
        assert main(["policy", "why", name, client, "--config", "txdns.toml", "--json"]) == OK
        found = capsys.readouterr()
        said.append(json.loads(found.out)["blocked"])
        assert "added.toml: not applied: block has gone.example. for view gone: " in found.err
    assert said == [True, True, True, False, False, False]
    (house / "state" / "added.toml").write_text("nonsense")
    assert main(["policy", "why", "a.example", "192.0.2.1", "--config", "txdns.toml"]) == USAGE


def test_copiesOfServer(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A list that a server has fetched is read from its copy, unless that is damaged.
    """
    octets = b"far.example\n"
    digest = blake2b(octets, digest_size=16).hexdigest()
    folder = house / "state" / "lists"
    folder.mkdir(parents=True)
    known = {"url": "https://lists.example/far?key=hunter2", "digest": digest, "octets": 12, "rules": 1, "etag": "", "modified": ""}
    (folder / "far.json").write_text(json.dumps({**known, "fetched": 1.0}))
    copy = folder / f"far.{digest}.list"
    copy.write_bytes(octets)
    words = ["policy", "why", "far.example", "192.168.1.41", "--config", "txdns.toml"]
    assert main(words) == OK
    found = capsys.readouterr()
    assert "far.example is blocked by far:1 (https://lists.example): far.example" in found.out
    assert found.err == ""
    copy.write_bytes(b"evil.example\n")
    assert main(words) == OK
    found = capsys.readouterr()
    assert "is not blocked" in found.out
    assert found.err == "list far (https://lists.example): is not what was fetched\n"


def test_test(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{test} compares each line with the rules, and names those that are not as expected.
    """
    words = ["policy", "test", "expected.txt", "--config", "txdns.toml"]
    assert main(words) == OK
    assert capsys.readouterr().err.splitlines()[-1] == "8 of 8 as expected"
    (house / "expected.txt").write_text(_EXPECTED + "192.0.2.1 ads.example -> blocked games\n192.0.2.1 ads.example -> passes\n")
    assert main(words) == DECLINED
    found = capsys.readouterr()
    assert found.out.splitlines() == [
        "expected.txt:10: expected: blocked by games; 192.0.2.1 is in no view; "
        f"ads.example is blocked by ads:1 ({house}/ads.txt): ads.example",
        f"expected.txt:11: expected: passes; 192.0.2.1 is in no view; ads.example is blocked by ads:1 ({house}/ads.txt): ads.example",
    ]
    assert found.err.splitlines()[-1] == "8 of 10 as expected"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("192.0.2.1 a.example", "expected.txt:1: a line has CLIENT NAME [TYPE] [TIME] -> passes, -> blocked [LIST] or -> rewritten [LIST]"),
        ("a.example -> passes", "expected.txt:1: a line has CLIENT NAME"),
        ("192.0.2.1 a.example -> maybe", "expected.txt:1: a line has CLIENT NAME"),
        ("192.0.2.1 a.example -> passes ads", "expected.txt:1: a line has CLIENT NAME"),
        ("192.0.2.1 a.example A AAAA -> passes", "expected.txt:1: a line has CLIENT NAME"),
        ("192.0.2.1 a.example -> blocked a b", "expected.txt:1: a line has CLIENT NAME"),
        ("192.0.2.300 a.example -> passes", "expected.txt:1: '192.0.2.300' is not an address"),
        ("192.0.2.1 a..example -> passes", "expected.txt:1: 'a..example' is not a name"),
        ("192.0.2.1 a.example NOPE -> passes", "expected.txt:1: 'NOPE' is not a type; write A or AAAA"),
        ("192.0.2.1 a.example 25:00 -> passes", "expected.txt:1: '25:00' is not a time"),
    ],
)
def test_badExpectations(house: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    """
    A line that cannot be read ends the comparison, and is named.
    """
    (house / "expected.txt").write_text(f"{line}\n")
    assert main(["policy", "test", "expected.txt", "--config", "txdns.toml"]) == BATCH
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("why a.example", USAGE, "a name and the address of a client are wanted"),
        ("why a.example 192.0.2.1", USAGE, "the settings file is missing; write --config /etc/txdns/txdns.toml"),
        ("why a.example 192.0.2.1 --config none.toml", USAGE, "none.toml: cannot be read: No such file or directory"),
        ("why a.example 192.0.2.1 --config txdns.toml --type x", USAGE, "'x' is not a type"),
        ("why a.example me --config txdns.toml", USAGE, "'me' is not an address"),
        ("test --config txdns.toml", USAGE, "the file with expectations is missing"),
        ("test none.txt --config txdns.toml", BATCH, "none.txt: No such file or directory"),
        ("tset", USAGE, "unknown command 'tset'; did you mean test?"),
        ("", USAGE, "Usage: txdns policy COMMAND"),
    ],
)
def test_errors(house: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, said: str) -> None:
    """
    What is missing or wrong is said in one line.
    """
    assert main(["policy", *words.split()]) == code
    assert said in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each command explains itself.
    """
    for word in ("check", "why", "test"):
        assert main(["policy", word, "--help"]) == OK
        assert capsys.readouterr().out.startswith(f"Usage: txdns policy {word} ")
    assert main(["policy", "--help"]) == OK


def test_nothingIsBlocked(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Settings without lists block nothing.
    """
    (house / "txdns.toml").write_text("port = 53\n")
    assert main(["policy", "why", "a.example", "192.0.2.1", "--config", "txdns.toml"]) == OK
    assert capsys.readouterr().out == "nothing is blocked for this client\n"
