"""
Tests of C{txdns policy replay}.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.server.features.queryhistory.recorder.histories import historyOf, rowOf
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import BATCH, DECLINED, OK, USAGE

_SETTINGS = """\
upstream = ["192.0.2.1"]
state = "state"
lists = ["ads"]
[[list]]
name = "ads"
names = ["ads.example"]
[[view]]
name = "kids"
clients = ["192.0.2.40"]
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A folder with settings and the history of an hour, in which commands run.
    """
    (tmp_path / "txdns.toml").write_text(_SETTINGS)
    (tmp_path / "new.toml").write_text(_SETTINGS.replace('["ads.example"]', '["chat.example", "www.ads.example"]'))
    (tmp_path / "social.txt").write_text("chat.example\n")
    folder = tmp_path / "state" / "history"
    folder.mkdir(parents=True)
    now = time.time()
    rows = [rowOf("ads.example", now - 3000 + number, status="blocked", rule="ads:1") for number in range(5)]
    rows += [rowOf("www.ads.example", now - 2000 + number, status="blocked", rule="ads:1") for number in range(3)]
    rows += [rowOf("chat.example", now - 1000 + number, status="forwarded", client=f"192.0.2.{40 + number}") for number in range(4)]
    rows += [rowOf("other.example", now - 500, status="forwarded"), rowOf("chat.example", now - 100 * 3600, status="forwarded")]
    historyOf(folder, sorted(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_twoFiles(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What one file decides otherwise than another is told for each kind of change, with the names, the rules and the clients.
    """
    words = ["policy", "replay", "--config", "new.toml", "--against", "txdns.toml"]
    assert main(words) == OK
    found = capsys.readouterr()
    assert found.err == ""
    lines = found.out.splitlines()
    assert lines[0].startswith("13 queries from ")
    assert lines[1:] == [
        "the old settings decide 100.0 % as recorded, of 13 looked at",
        "",
        "4 queries for 1 name would be blocked:",
        "           4  chat.example.  ads:1  192.0.2.40, 192.0.2.41, 192.0.2.42 and 1 more",
        "",
        "5 queries for 1 name would not be blocked any more:",
        "           5  ads.example.  ads:1  192.0.2.7",
        "",
        "3 queries for 1 name would be decided by another rule:",
        "           3  www.ads.example.  ads:2  192.0.2.7",
    ]
    assert main([*words, "--since", "5d", "--json"]) == OK
    said = json.loads(capsys.readouterr().out)
    assert (said["queries"], said["blocked"]["most"], said["allowed"]["names"]) == (14, 5, 1)
    assert main([*words, "--top", "0"]) == OK
    assert "              and 1 more" in capsys.readouterr().out
    assert main([*words, "--until", "2026-01-01"]) == OK
    assert "nothing would change" in capsys.readouterr().out


def test_singleChanges(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A single change is made to what is in force, with what was added while the server ran; for all clients, or for those of a view.
    """
    words = ["policy", "replay", "--config", "txdns.toml", "--json"]

    def told(*more: str) -> tuple[int, int]:
        assert main([*words, *more]) == OK
        said = json.loads(capsys.readouterr().out)
        return said["blocked"]["most"], said["allowed"]["most"]

    assert told("--block", "chat.example") == (4, 0)
    assert told("--block", "chat.example", "--view", "kids") == (1, 0)
    assert told("--allow", "ads.example", "--allow", "none.example") == (0, 8)
    assert told("--list", "social=social.txt", "--block", "other.example") == (5, 0)
    assert told("--list", "social=social.txt", "--view", "kids") == (1, 0)
    (house / "state" / "added.toml").write_text('[[added]]\nsetting = "block"\nvalue = "chat.example"\n')
    assert told("--block", "chat.example") == (0, 0)
    assert told("--allow", "chat.example") == (0, 4)


def test_bounds(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    With C{--fail-on} the exit code says whether more changes than that.
    """
    words = ["policy", "replay", "--config", "txdns.toml", "--block", "chat.example", "--fail-on"]
    for bound, code in (("blocked=3", DECLINED), ("blocked=4", OK), ("blocked=30%", DECLINED), ("blocked=31%", OK), ("allowed=0", OK)):
        assert (main([*words, bound]), bound) == (code, bound)
    assert "4 queries would be blocked; --fail-on permits 3" in capsys.readouterr().err
    for bound in ("blocked", "blocked=x", "all=1", "blocked=1.5"):
        assert main([*words, bound]) == USAGE


def test_wrongUse(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What is missing, does not go together or cannot be read is said in a line.
    """
    config = ["--config", "txdns.toml"]
    for words, code, said in (
        ([], USAGE, "give --config FILE"),
        (config, USAGE, "give --against OLD, or --block, --allow or --list"),
        ([*config, "--against", "new.toml", "--block", "a.example"], USAGE, "not both"),
        ([*config, "chat.example"], USAGE, "names follow --block or --allow"),
        ([*config, "--block", "a..b"], USAGE, "block takes a domain name"),
        ([*config, "--block", "a.example", "--view", "kid"], USAGE, "there is no view kid; did you mean kids?"),
        ([*config, "--list", "social"], USAGE, "is not a valid list"),
        ([*config, "--against", "none.toml"], USAGE, "none.toml: cannot be read: No such file or directory"),
        ([*config, "--block", "a.example", "--folder", "none"], BATCH, "none: No such file or directory"),
        ([*config, "--block", "a.example", "--since", "soon"], USAGE, "is not a time"),
    ):
        assert (main(["policy", "replay", *words]), words) == (code, words)
        error = capsys.readouterr().err
        assert said in error and "Traceback" not in error
    for kind in ('file = "none.txt"', 'url = "https://lists.example/more.txt"'):
        more = f'[[list]]\nname = "more"\n{kind}\n'
        (house / "more.toml").write_text(_SETTINGS.replace('["ads"]', '["ads", "more"]') + more)
        words = ["policy", "replay", "--config", "more.toml", "--against", "txdns.toml", "--fail-on", "blocked=0"]
        assert main(words) == BATCH
        found = capsys.readouterr()
        assert "list more" in found.err and "nothing would change" in found.out
    (house / "bare.toml").write_text('upstream = ["192.0.2.1"]\n')
    assert main(["policy", "replay", "--config", "bare.toml", "--block", "a.example"]) == USAGE
    assert "the old settings have no state folder" in capsys.readouterr().err
    (house / "state" / "history" / "00000002.sqlite").write_text("x" * 10_000)
    assert main(["policy", "replay", *config, "--block", "chat.example"]) == BATCH
    found = capsys.readouterr()
    assert "00000002.sqlite" in found.err and "4 queries for 1 name would be blocked:" in found.out
    (house / "local.toml").write_text('local = ["a.lan A 192.0.2.1"]\n' + _SETTINGS)
    assert main(["policy", "replay", "--config", "local.toml", "--against", "txdns.toml", "--folder", "state/history"]) == BATCH
    assert "not looked at: local names" in capsys.readouterr().err
