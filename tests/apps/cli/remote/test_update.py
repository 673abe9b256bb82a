"""
Tests of C{txdns update} and C{txdns zone keygen} without a server: statements and their errors.
"""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.remote.statements import Batch, lineOf
from twisted_ext.apps.cli.terminal.exits import OK, USAGE
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.keys import Keys
from twisted_ext.wire.codes import ANY_CLASS, CH, IN, NONE
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import ANY, MX, TXT, A


def batch(*lines: str) -> Batch:
    """
    Return the batch that these statements give.
    """
    found = Batch()
    for line in lines:
        assert found.take(line) == ""
    return found


@pytest.mark.parametrize(
    ("line", "shown", "rrType", "rrClass"),
    [
        ("update add www.example.org 60 A 192.0.2.1", "www.example.org. 60 IN A 192.0.2.1", A, IN),
        ("update add www.example.org. 60 in a 192.0.2.1", "www.example.org. 60 IN A 192.0.2.1", A, IN),
        ("add example.org 300 MX 10 mail.example.org", "example.org. 300 IN MX 10 mail.example.org.", MX, IN),
        ('update add t.example.org 5 TXT "a;b" c', 't.example.org. 5 IN TXT "a;b" "c"', TXT, IN),
        ("update delete www.example.org", "www.example.org. 0 ANY ANY", ANY, ANY_CLASS),
        ("update delete www.example.org ANY", "www.example.org. 0 ANY ANY", ANY, ANY_CLASS),
        ("update delete www.example.org A", "www.example.org. 0 ANY A", A, ANY_CLASS),
        ("del www.example.org 0 IN A 192.0.2.1", "www.example.org. 0 NONE A 192.0.2.1", A, NONE),
    ],
)
def test_changesFollowNsupdate(line: str, shown: str, rrType: int, rrClass: int) -> None:
    """
    Changes are parsed as nsupdate parses them.
    """
    (record,) = batch(line).changes
    assert (lineOf(record), record.rrType, record.rrClass) == (shown, rrType, rrClass)


@pytest.mark.parametrize(
    ("line", "rrType", "rrClass", "rdata"),
    [
        ("prereq nxdomain www.example.org", ANY, NONE, b""),
        ("prereq yxdomain www.example.org", ANY, ANY_CLASS, b""),
        ("prereq nxrrset www.example.org A", A, NONE, b""),
        ("prereq yxrrset www.example.org IN A", A, ANY_CLASS, b""),
        ("yxrrset www.example.org A 192.0.2.1", A, IN, b"\xc0\x00\x02\x01"),
    ],
)
def test_prerequisitesFollowNsupdate(line: str, rrType: int, rrClass: int, rdata: bytes) -> None:
    """
    Prerequisites are parsed as nsupdate parses them.
    """
    (record,) = batch(line).prerequisites
    assert (record.rrType, record.rrClass, record.ttl, record.rdatas) == (rrType, rrClass, 0, (rdata,))


def test_settingsApplyToLaterStatements() -> None:
    """
    Server, zone, class, TTL, key and local address apply to later statements.
    """
    found = batch(
        "; a comment",
        "server 192.0.2.53 5353",
        "local 127.0.0.1",
        "zone example.org",
        "class CH",
        "ttl 77",
        "key hmac-sha512:k c2VjcmV0",
        "update add www.example.org A 192.0.2.1",
    )
    assert (found.server, found.local) == (("192.0.2.53", 5353), ("127.0.0.1", 0))
    assert (found.zone, found.rrClass) == (nameFromText("example.org"), CH)
    assert found.key is not None and found.key.name == b"\x01k\x00"
    assert (found.changes[0].ttl, found.changes[0].rrClass) == (77, CH)
    assert found.pending == 1
    found.clear()
    assert found.pending == 0


def test_emptyLineSends() -> None:
    """
    An empty line sends, as C{send} does.
    """
    found = Batch()
    assert [found.take(line) for line in ("", "  ", "send", "SHOW", "answer", "quit")] == ["send", "send", "send", "show", "answer", "quit"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nonsense", "write one of add,"),
        ("update change x", "update add or update delete"),
        ("prereq maybe x", "write prereq nxdomain"),
        ("update add", "NAME TTL TYPE DATA"),
        ("update add x.org A 192.0.2.1", "has no TTL"),
        ("update add x.org 60 A", "NAME TTL TYPE DATA"),
        ("update add x.org 60 A nowhere", "IPv4 address"),
        ("update add x..org 60 A 192.0.2.1", "label is empty"),
        ("update add x.org 60 AXFR x", "is not a record type"),
        ("update add x.org 99999999999 A 192.0.2.1", "seconds"),
        ("update delete", "NAME [TYPE"),
        ("prereq nxrrset x.org", "NAME TYPE"),
        ("prereq nxrrset x.org A 192.0.2.1", "without data"),
        ("prereq nxdomain a b", "nxdomain NAME"),
        ("server", "ADDRESS [PORT]"),
        ("server x 99999", "ADDRESS [PORT]"),
        ("key name", "NAME SECRET"),
        ("key name ???", "is not base64"),
        ("class ANY", "IN, CH or HS"),
    ],
)
def test_invalidStatementIsExplained(line: str, expected: str) -> None:
    """
    An invalid statement is refused with one line that says what is valid.
    """
    with pytest.raises(BadDescription) as caught:
        Batch().take(line)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mistakeInFileHasItsPlace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A mistake in a file is reported with its line, and nothing is sent.
    """
    script = tmp_path / "changes"
    script.write_text("zone example.org\nupdate add x 60 A nowhere\nsend\n")
    assert main(["update", "@192.0.2.1", str(script)]) == USAGE
    assert f"{script}:2: add: " in capsys.readouterr().err


def test_unsentChangesAreReported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Changes that were never sent are reported.
    """
    script = tmp_path / "changes"
    script.write_text("update add x.example.org 60 A 192.0.2.1\nshow\n")
    assert main(["update", str(script)]) == USAGE
    output = capsys.readouterr()
    assert "x.example.org. 60 IN A 192.0.2.1" in output.out
    assert "1 record was not sent; end with send" in output.err


def test_invalidOptionsAreRefused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    Invalid options and unreadable files are refused.
    """
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["update", "-l"]) == OK
    for words in (["-x"], ["-p"], ["-p", "0", "@x"], ["-p", "53"], ["-y", "k"], ["a", "b"], ["-t", "x"]):
        assert main(["update", *words]) == USAGE, words
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["update", str(tmp_path / "nothing")]) == 8
    assert main(["update", "-k", str(tmp_path / "nothing")]) == 8


def test_keygenWritesAPrivateFile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A new key is usable and unique, and its file is private and never overwritten.
    """
    path = tmp_path / "key"
    assert main(["zone", "keygen", "-o", str(path), "dhcp.example.org"]) == OK
    key = Keys.fromFile(str(path))[nameFromText("dhcp.example.org")]
    assert len(key.secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    assert main(["zone", "keygen", "-o", str(path), "dhcp.example.org"]) == 8
    assert path.read_text() == before
    assert main(["zone", "keygen", "-a", "hmac-sha512", "dhcp.example.org"]) == OK
    assert "hmac-sha512" in capsys.readouterr().out
    for words in ([], ["-a", "rot13", "x"], ["a..b"], ["a", "b"], ["-z"]):
        assert main(["zone", "keygen", *words]) == USAGE, words
