"""
Tests of C{txdns validate} with a small internet in memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from twisted.internet.defer import Deferred

from tests.dnssec.evidences import anchorsIn, evidenceOf, smallInternet
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.names.validate import ARGUMENTS, _validate, rootFrom
from twisted_ext.apps.cli.terminal.exits import BATCH, BOGUS, INDETERMINATE, INSECURE, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.dnssec.inspection import Inspection, inspect
from twisted_ext.drawing.chaindrawing import htmlOf, svgOf
from twisted_ext.drawing.chaintext import chainLines
from twisted_ext.drawing.palette import Palette
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

__all__: list[str] = []

_SVG = "{http://www.w3.org/2000/svg}"


def broken() -> Internet:
    """
    Return an internet with an expired signature and a wrong digest.
    """
    internet = smallInternet()
    internet.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
    internet.inject(Fault.WRONG_DIGEST, "other.test")
    return internet


def inspected(name: str, internet: Internet | None = None) -> Inspection:
    """
    Return what is shown of a name.
    """
    internet = internet or broken()
    return inspect(evidenceOf(internet, name), anchorsIn(internet))


def run(internet: Internet, folder: Path, name: str, *words: str) -> int:
    """
    Run the command against the internet, from its root or from a server that the words give.
    """
    (folder / "hints").write_text(internet.hints)
    root = rootFrom(str(folder / "hints"))
    question = Question(nameFromText(name), A)
    begun = _validate(internet.reactor(), question, "", root, anchorsIn(internet), int(internet.time()), ARGUMENTS.parse([name, *words]))
    return internet.wait(Deferred.fromCoroutine(begun))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("www.example.org", OK),
        ("nope.example.com", OK),
        ("www.plain.org", INSECURE),
        ("mail.example.org", BOGUS),
        ("alias.example.org", BOGUS),
    ],
)
def test_theExitCodeIsTheVerdict(name: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    From the root, the exit code says whether the name is secure, insecure or bogus.
    """
    assert run(broken(), tmp_path, name, "+json") == code
    data = json.loads(capsys.readouterr().out)
    assert data["security"] == {OK: "secure", INSECURE: "insecure", BOGUS: "bogus"}[code]
    assert data["zones"][0]["zone"] == "."


def test_noAnswerIsNoVerdict(tmp_path: Path) -> None:
    """
    If no server replies, there is nothing to validate, and the exit code is that of other commands.
    """
    internet = smallInternet()
    internet.inject(Fault.DEAD, "example.org")
    with pytest.raises(ExitError) as caught:
        run(internet, tmp_path, "www.example.org")
    assert caught.value.code == NO_REPLY


def test_aSavedProofIsCheckedByAnotherProcess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What --save has written is checked by --check with the reader's anchors, at its own time and at others.
    """
    internet = smallInternet()
    proof, anchors = str(tmp_path / "proof.json"), str(tmp_path / "anchors")
    Path(anchors).write_text(internet.anchors)
    assert run(internet, tmp_path, "www.example.org", "--save", proof) == OK
    assert main(["validate", "--check", proof, "--anchor", anchors]) == OK
    assert "www.example.org. A (data): secure" in capsys.readouterr().out
    assert main(["validate", "--check", proof, "--anchor", anchors, "--at", "2026-06-01"]) == BOGUS
    assert "expired at 2026-01-15" in capsys.readouterr().out
    # With the anchors of the real root.
    assert main(["validate", "--check", proof]) == BOGUS
    Path(anchors).write_text("example.com. DS 1 13 2 " + "00" * 32)
    assert main(["validate", "--check", proof, "--anchor", anchors]) == INDETERMINATE


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("", USAGE, "a name is missing"),
        ("a..b", USAGE, "a..b"),
        ("example.org FOO", USAGE, "'FOO' is not a record type"),
        ("example.org --at never", USAGE, "--at 'never' is not a time; write 2026-12-01"),
        ("example.org --check x", USAGE, "--check takes no name"),
        ("example.org @udp:192.0.2.1 --hints x", USAGE, "--hints cannot be combined"),
        ("example.org @udp:192.0.2.1 --port 5300", USAGE, "--port cannot be combined with a server; write the port behind it"),
        ("example.org --port 0", USAGE, "'0' is not a number from 1 to 65535"),
        ("--check /nonexistent/proof", BATCH, "/nonexistent/proof: No such file or directory"),
        ("--check FILE", BATCH, "FILE: line 1, column 1: not valid JSON"),
        ("example.org --anchor FILE", BATCH, "FILE:1: "),
        ("example.org --trust-anchor FILE", BATCH, "FILE:1: "),
        ("example.org --hints FILE", BATCH, "FILE:1: "),
        ("example.org --root-hints FILE", BATCH, "FILE:1: "),
    ],
)
def test_wrongArgumentsAreOneLine(words: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Wrong arguments and files end with one line that says what is wrong.
    """
    (tmp_path / "file").write_text("nothing useful\n")
    path = str(tmp_path / "file")
    assert main(["validate", *[word.replace("FILE", path) for word in words.split()]]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said.replace("FILE", path) in lines[0]


def test_theTreeNamesTheBrokenLink() -> None:
    """
    The text has one line for each key, DS record and signature, and a mark at what is broken.
    """
    lines = list(chainLines(inspected("alias.example.org"), Palette(False), True))
    assert lines[0] == "alias.example.org. A (data): bogus, at 2026-01-01T00:00:00Z"
    assert "DNSKEY Missing: the SHA-256 digest in the DS record of other.test." in lines[1]
    wrong = [line for line in lines if "✗" in line]
    assert len(wrong) == 2 and all("digest" in line for line in wrong)
    assert any("✓ alias.example.org. 3600 IN CNAME www.other.test." in line for line in lines)
    assert all(line.isascii() for line in chainLines(inspected("www.example.org"), Palette(False), False))


@pytest.mark.parametrize(
    ("name", "colors"),
    [
        ("www.example.org", {"secure"}),
        ("nope.example.com", {"secure"}),
        ("www.plain.org", {"secure", "insecure"}),
        ("mail.example.org", {"secure", "bogus"}),
        ("alias.example.org", {"secure", "insecure", "bogus"}),
    ],
)
def test_theDrawingIsWellFormed(name: str, colors: set[str]) -> None:
    """
    The drawing is XML with a box for each zone, in the color of its verdict, and needs nothing from elsewhere.
    """
    inspection = inspected(name)
    text = svgOf(inspection)
    root = ElementTree.fromstring(text.encode())
    boxes = [box.attrib["class"].split()[1] for box in root.iter(f"{_SVG}rect") if box.attrib["class"].startswith("box")]
    assert boxes == ["secure", *[zone.security.value for zone in inspection.zones]]
    drawn = {each.attrib["class"] for group in root.findall(f"{_SVG}g")[:-3] for each in group.iter(f"{_SVG}path")}
    assert {each.removeprefix("tip ") for each in drawn} == colors
    page = htmlOf(inspection)
    for each in (text, page):
        assert "<script" not in each and "http" not in each.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "prefers-color-scheme:dark" in text and page.count("<svg") == 2


def test_thePageFitsATelephone() -> None:
    """
    The page has a second drawing for narrow screens, in which nothing is beyond the edge.
    """
    page = htmlOf(inspected("alias.example.org"))
    narrow = page.partition('<div class="narrow">')[2].partition("</div>")[0]
    root = ElementTree.fromstring(narrow)
    assert root.attrib["width"] == "380" and "@media (max-width:700px)" in page
    for rect in root.iter(f"{_SVG}rect"):
        assert 0 <= int(rect.attrib.get("x", 0)) and int(rect.attrib.get("x", 0)) + int(rect.attrib["width"]) <= 380
    assert "DS 32754 of other.test." in narrow and 'class="bogus"' in narrow


def test_hostileNamesAreEscaped() -> None:
    """
    Names with markup, control characters and escape sequences are text in the drawing, in the page and on the terminal.
    """
    internet = smallInternet()
    zone = "<script>alert\\(1\\)</script>&\\\"'\\027[31m.example.com"
    internet.zone(zone, "www A 192.0.2.1")
    inspection = inspected(f"www.{zone}", internet)
    inspection.zones[-1].reasons = ((6, "\x1b[31m\x00<b>\ud800\u202e"),)
    assert "<script>" not in svgOf(inspection) + htmlOf(inspection)
    root = ElementTree.fromstring(svgOf(inspection).encode())
    assert any("<script>" in (each.text or "") for each in root.iter(f"{_SVG}text"))
    lines = "\n".join(chainLines(inspection, Palette(False), True))
    assert "\x1b" not in lines and "\ud800" not in lines
    assert htmlOf(inspection).encode()
