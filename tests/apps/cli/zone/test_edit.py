"""
Tests of C{txdns zone edit}: zones of a database in an editor.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.apps.test_commands import run
from tests.server.zones.load.stored import newStore
from twisted_ext.apps.cli.main import main
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataToText

APEX = nameFromText("example.org")

FILE = """\
$TTL 300
@ SOA ns1 hostmaster 10 3600 600 86400 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.80
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """
    Return the path of a database with one zone.
    """
    (tmp_path / "file").write_text(FILE)
    path = tmp_path / "zones.sqlite"
    assert main(["zone", "edit", "--store", str(path), "--from", str(tmp_path / "file"), "--yes", "example.org"]) == 0
    return path


def recordsIn(path: Path) -> set[str]:
    """
    Return the records of the zone.
    """
    store = newStore(str(path))
    try:
        sets = store.load(APEX)
    finally:
        store.close()
    return {f"{rrset.rrType} {rdataToText(rrset.rrType, rdata)}" for rrset in sets for rdata in rrset.rdatas}


def edit(store: Path, script: str, answers: str, *words: str) -> tuple[int, str, str]:
    """
    Edit the zone and return exit code, output and errors.

    @param script: the C{sed} script in place of an editor.
    """
    done = run("zone", "edit", "--store", str(store), *words, "example.org", text=answers, VISUAL="", EDITOR=f"sed -i -e {script}")
    return done.returncode, done.stdout, done.stderr


def test_zoneFileIsImported(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A zone file is imported into a new database with its serial number; a second import changes nothing.
    """
    assert "1 192.0.2.80" in recordsIn(store)
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT serial FROM zones").fetchone() == (10,)
    capsys.readouterr()
    assert main(["zone", "edit", "--store", str(store), "--from", str(store.parent / "file"), "--yes", "example.org"]) == 0
    assert "Nothing is different" in capsys.readouterr().out


def test_confirmedEditIsStored(store: Path) -> None:
    """
    A confirmed edit is shown and stored with the next serial number.
    """
    code, output, errors = edit(store, "s/192.0.2.80/192.0.2.81/", "y\n")
    assert (code, errors) == (0, "")
    assert "- www.example.org. 300 IN A 192.0.2.80\n+ www.example.org. 300 IN A 192.0.2.81\n" in output
    assert "serial 10 is now 11" in output
    assert "1 192.0.2.81" in recordsIn(store) and "1 192.0.2.80" not in recordsIn(store)
    assert any(text.startswith("6 ") and " 11 " in text for text in recordsIn(store))


def test_declinedEditChangesNothing(store: Path) -> None:
    """
    An edit that is declined, or not confirmed, changes nothing.
    """
    before = recordsIn(store)
    for answers in ("n\n", ""):
        code, _, _ = edit(store, "s/192.0.2.80/192.0.2.81/", answers)
        assert code == 1
        assert recordsIn(store) == before


def test_invalidZoneIsNeverStored(store: Path) -> None:
    """
    An invalid zone is reported with its line, can be edited again, and is never stored.
    """
    before = recordsIn(store)
    code, _, errors = edit(store, "s/192.0.2.80/nowhere/", "y\nn\n")
    assert code == 2
    assert errors.count("nowhere") >= 2
    assert recordsIn(store) == before


def test_invalidArgumentsAreRefused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Invalid arguments are refused with a one-line error.
    """
    monkeypatch.delenv("TXDNS_STORE", raising=False)
    for words, code in (
        ([], 1),
        (["example.org"], 1),
        (["--store", str(tmp_path / "x"), "a..b"], 1),
        (["--store", "/nowhere/at/all", "example.org"], 8),
        (["--store", str(tmp_path / "x"), "--from", str(tmp_path / "none"), "example.org"], 8),
    ):
        assert main(["zone", "edit", *words]) == code, words
        assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setenv("TXDNS_STORE", str(tmp_path / "y"))
    monkeypatch.setenv("VISUAL", "/nowhere/editor")
    assert main(["zone", "edit", "example.org"]) == 8
    assert "set EDITOR" in capsys.readouterr().err
