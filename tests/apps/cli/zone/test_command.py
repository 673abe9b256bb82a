"""
Tests of C{txdns zone}.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.apps.terminals import plain
from tests.zone.check.test_semantics import SOUND
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import BATCH, INTERRUPTED, OK, USAGE
from twisted_ext.apps.cli.zone import check, serial
from twisted_ext.apps.cli.zone.args import BAD_ZONE, DIFFERENT
from twisted_ext.apps.cli.zone.command import SUBCOMMANDS
from twisted_ext.apps.cli.zone.serial import raised
from twisted_ext.drawing.palette import Palette

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Return the path of a zone file in the working directory.
    """
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "example.org.zone"
    path.write_text(SOUND)
    return path


def test_helpListsSubcommands(capsys: Captured) -> None:
    """
    The help lists all sub-commands; a missing or misspelled one is an error.
    """
    assert main(["zone", "--help"]) == OK
    output = capsys.readouterr().out
    assert all(f"  {command.word} " in output for command in SUBCOMMANDS)
    assert main(["zone"]) == USAGE
    assert "Usage: txdns zone" in capsys.readouterr().err
    assert main(["zone", "chek"]) == USAGE
    assert "did you mean check?" in capsys.readouterr().err
    assert main(["zone", "frobnicate"]) == USAGE
    assert "write one of check, format" in capsys.readouterr().err


@pytest.mark.parametrize("command", [command.word for command in SUBCOMMANDS])
def test_helpShowsUsage(command: str, capsys: Captured) -> None:
    """
    Each sub-command's help names it, shows its usage, and fits a usual screen width.
    """
    assert main(["zone", command, "--help"]) == OK
    output = capsys.readouterr().out
    assert output.startswith(f"Usage: txdns zone {command}")
    assert output.count(f"txdns zone {command}") >= 2
    assert max(len(line) for line in output.splitlines()) <= 97


@pytest.mark.parametrize("command", ["check", "format", "stats", "serial", "compile", "sign"])
def test_invalidArgumentsAreRefused(command: str, zone: Path, capsys: Captured) -> None:
    """
    Invalid arguments are refused with one line that says what is valid.
    """
    for words, expected in (
        (["--frobnicate"], "'--frobnicate' is not an option"),
        ([], "no zone"),
        (["example.org.zone", "example.org.zone"], "two zones"),
        (["nothing"], "the zone's name is missing; write NAME=nothing"),
        (["a..b=example.org.zone"], "a label is empty"),
    ):
        more = ["--output", "x"] if command == "compile" else []
        assert main(["zone", command, *words, *more]) == USAGE
        error = capsys.readouterr().err
        assert expected in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "format", "stats", "serial", "compile", "sign"])
def test_missingFileIsReported(command: str, zone: Path, capsys: Captured) -> None:
    """
    A missing file is reported without a traceback.
    """
    more = ["--output", "x"] if command in ("compile", "sign") else []
    more += ["--keys", "keys"] if command == "sign" else []
    assert main(["zone", command, "no.example.zone", *more]) == BATCH
    assert capsys.readouterr().err == f"txdns zone {command}: no.example.zone: {os.strerror(2)}\n"


def test_checkReportsFindings(zone: Path, capsys: Captured) -> None:
    """
    C{check} reports findings with their lines, and the exit code says whether the zone can be served.
    """
    assert main(["zone", "check", "example.org.zone"]) == OK
    assert capsys.readouterr().out == "example.org. can be served: serial 1, 17 records, no warnings\n"
    zone.write_text(SOUND + "x CNAME nobody\n")
    assert main(["zone", "check", "example.org.zone"]) == OK
    output = capsys.readouterr().out
    assert output.startswith(f"example.org.zone:{SOUND.count(chr(10)) + 1}: warning [cname-dangling]: x.example.org. CNAME: ")
    assert "1 warning\n" in output
    assert main(["zone", "check", "--strict", "example.org.zone"]) == BAD_ZONE
    zone.write_text(SOUND + "www A 192.0.2.1\nx A nonsense\n")
    capsys.readouterr()
    assert main(["zone", "check", "example.org=example.org.zone"]) == BAD_ZONE
    output = capsys.readouterr().out
    assert "fatal [syntax]" in output
    assert "fatal [cname-others]" in output
    assert "cannot be served: serial 1, 18 records, 2 fatal, no warnings" in output


def test_checkTakesOptionsOfOtherTools(zone: Path, capsys: Captured) -> None:
    """
    C{check} accepts the arguments of kzonecheck and named-checkzone.
    """
    zone = zone.rename("zone")
    for words in (["-o", "example.org", "zone"], ["example.org", "zone"], ["-v", "-t", "20300101000000", "example.org=zone"]):
        assert main(["zone", "check", *words]) == OK
        output = capsys.readouterr().out
        assert "example.org. can be served" in output
        assert ("glue-missing    none" in output) == ("-v" in words)
    assert main(["zone", "check", "-q", "example.org", "zone"]) == OK
    zone.write_text(SOUND + "x A 192.0.2\n")
    assert main(["zone", "check", "-q", "example.org", "zone"]) == BAD_ZONE
    assert capsys.readouterr().out == ""
    assert main(["zone", "check", "zone", "-o"]) == USAGE
    assert "-o must be followed by the name of the zone" in capsys.readouterr().err


def test_checkUsesColumnsAtTerminals(zone: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    C{check} prints colored columns at a terminal, with control characters escaped.
    """
    monkeypatch.setattr(check, "paletteFor", lambda stream: Palette(True))
    zone.write_text(SOUND + "x\\027[2J CNAME nobody\nwww A 192.0.2.1\n")
    assert main(["zone", "check", "example.org.zone"]) == BAD_ZONE
    output = capsys.readouterr().out
    first, _, third, last = [plain(line) for line in output.splitlines()]
    assert first.startswith("example.org.zone:9   fatal    cname-others    www.example.org. CNAME  an alias")
    assert third.startswith("example.org.zone:20  warning  cname-dangling  x\\027[2J.example.org. CNAME  the alias")
    assert last == "example.org. cannot be served: serial 1, 19 records, 1 fatal, 2 warnings"
    assert "\x1b[2J" not in output


def test_checkPrintsOneObject(zone: Path, capsys: Captured) -> None:
    """
    C{check --json} prints one object with all findings.
    """
    zone.write_text(SOUND + "x CNAME nobody\n")
    assert main(["zone", "check", "--json", "example.org.zone"]) == OK
    report = json.loads(capsys.readouterr().out)
    assert (report["zone"], report["serial"], report["records"], report["fatal"], report["warnings"]) == ("example.org.", 1, 18, 0, 1)
    (finding,) = report["findings"]
    assert (finding["check"], finding["name"], finding["type"]) == ("cname-dangling", "x.example.org.", "CNAME")
    assert (finding["path"], finding["line"]) == (zone.name, SOUND.count("\n") + 1)
    assert main(["zone", "check", "--checks", "--json"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert {json.loads(line)["check"] for line in lines} >= {"soa", "rrsig-expired"}


def test_signaturesAreVerified(zone: Path, capsys: Captured) -> None:
    """
    C{check} verifies the signatures of a signed zone, unless that is not wanted, and says how many are right.
    """
    assert main(["zone", "sign", "example.org.zone", "-o", "example.org.signed", "--keys", "keys"]) == OK
    capsys.readouterr()
    assert main(["zone", "check", "example.org.signed"]) == OK
    count = re.search(r"records, (\d+) right signatures, no warnings", capsys.readouterr().out)
    assert count is not None
    text = Path("example.org.signed").read_text()
    Path("wrong.zone").write_text(re.sub(r"(?m)^(web\.example\.org\. \d+ IN A )\S+$", r"\g<1>192.0.2.250", text))
    assert main(["zone", "check", "example.org=wrong.zone", "--strict"]) == BAD_ZONE
    output = capsys.readouterr().out
    said = r"^.*warning \[rrsig-wrong\]: web.example.org. A: the signature of A by key \d+ is wrong$"
    assert re.search(said, output, re.MULTILINE), output
    assert f"{int(count[1]) - 1} right signatures, 1 warning" in output
    assert main(["zone", "check", "example.org=wrong.zone", "--strict", "--no-verify"]) == OK
    assert "right" not in capsys.readouterr().out
    assert main(["zone", "check", "example.org=wrong.zone", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert (found["verified"], found["unverified"], found["warnings"]) == (int(count[1]) - 1, {}, 1)


def test_signatureTimeCanBeSet(zone: Path, capsys: Captured) -> None:
    """
    Signatures are checked at the given time, or not at all.
    """
    signature = "web RRSIG A 13 3 3600 20300101000000 20200101000000 1 example.org. AAAA\n"
    zone.write_text(SOUND + signature + "@ DNSKEY 257 3 13 AAAA\n")
    for words, ended in ((["--time", "20310101000000"], True), (["--time", "1893456001"], True), (["--time=20250101000000"], False)):
        main(["zone", "check", "example.org.zone", *words])
        assert ("rrsig-expired" in capsys.readouterr().out) is ended
    main(["zone", "check", "example.org.zone", "--no-time"])
    assert "rrsig-expired" not in capsys.readouterr().out
    assert main(["zone", "check", "example.org.zone", "--time", "noon"]) == USAGE


def test_imagesAreCheckedLikeFiles(zone: Path, capsys: Captured) -> None:
    """
    Compiled images are checked like zone files, and a damaged one is reported.
    """
    assert main(["zone", "compile", "example.org.zone", "--output", "a.image"]) == OK
    assert re.fullmatch(r"example\.org\. serial 1: 17 records, \d+ octets\n", capsys.readouterr().out)
    assert main(["zone", "check", "example.org=a.image"]) == OK
    assert main(["zone", "diff", "example.org.zone", "example.org=a.image"]) == OK
    capsys.readouterr()
    octets = bytearray(Path("a.image").read_bytes())
    octets[20] ^= 255
    Path("b.image").write_bytes(octets)
    assert main(["zone", "check", "example.org=b.image"]) == BAD_ZONE
    assert "damaged" in capsys.readouterr().err


def test_zoneFromStandardInput(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A zone can come from standard input.
    """

    class Input:
        buffer = io.BytesIO(SOUND.encode())

    monkeypatch.setattr(sys, "stdin", Input)
    assert main(["zone", "check", "example.org=-"]) == OK
    assert "can be served" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "format", "stats"])
def test_zoneFromPipe(command: str, capsys: Captured) -> None:
    """
    A zone can come from a pipe, such as C{/dev/stdin} or what a shell makes of C{<(...)}; an error names it.
    """
    for text, code in ((SOUND, OK), (SOUND + "x A x\n", BAD_ZONE)):
        reading, writing = os.pipe()
        os.write(writing, text.encode())
        os.close(writing)
        try:
            assert main(["zone", command, f"example.org=/dev/fd/{reading}"]) == code
        finally:
            os.close(reading)
        said = capsys.readouterr()
        assert (f"/dev/fd/{reading}:" in said.out + said.err) is (code == BAD_ZONE)


@pytest.mark.parametrize("command", ["check", "format", "stats", "serial"])
def test_nameAndFile(command: str, zone: Path, capsys: Captured) -> None:
    """
    The name and the file may be two words.
    """
    Path("example.org.zone").rename("zonefile")
    assert main(["zone", command, "example.org", "zonefile"]) == OK
    assert "two zones" not in capsys.readouterr().err


def test_formatIsCanonical(zone: Path, capsys: Captured) -> None:
    """
    Equal zones give the same canonical file, and the readable form is the same zone.
    """
    assert main(["zone", "format", "example.org.zone"]) == OK
    canonical = capsys.readouterr().out
    lines = canonical.splitlines()
    assert lines[0].startswith("example.org. 3600 IN SOA ")
    assert len(lines) == 17
    assert main(["zone", "format", "example.org.zone", "--readable", "--output", "other.zone"]) == OK
    assert Path("other.zone").read_text().startswith("$ORIGIN example.org.\n$TTL 3600\n@ ")
    assert main(["zone", "diff", "example.org.zone", "example.org=other.zone"]) == OK
    assert capsys.readouterr().out == ""
    assert main(["zone", "format", "example.org=other.zone"]) == OK
    assert capsys.readouterr().out == canonical


def test_formatAddsZONEMD(zone: Path, capsys: Captured) -> None:
    """
    C{--zonemd} adds a digest that C{check} verifies.
    """
    assert main(["zone", "format", "example.org.zone", "--zonemd", "--output", "example.org.zone"]) == OK
    assert "ZONEMD 1 1 1 " in zone.read_text()
    assert main(["zone", "check", "--strict", "example.org.zone"]) == OK
    zone.write_text(zone.read_text().replace("192.0.2.80", "192.0.2.90"))
    assert main(["zone", "check", "--strict", "example.org.zone"]) == BAD_ZONE
    assert "[zonemd]" in capsys.readouterr().out


def test_unwritableOutputIsReported(zone: Path, capsys: Captured) -> None:
    """
    An output that cannot be written is reported, and no file is left behind.
    """
    for words in (["format", "example.org.zone"], ["compile", "example.org.zone"]):
        assert main(["zone", *words, "--output", "no/such/folder"]) == BATCH
        assert "no/such/folder" in capsys.readouterr().err
    assert [path.name for path in zone.parent.iterdir()] == ["example.org.zone"]


def test_diffShowsChanges(zone: Path, capsys: Captured) -> None:
    """
    C{diff} shows removed and added records, and the exit code says whether there are any.
    """
    Path("other").write_text(SOUND.replace("192.0.2.80", "192.0.2.90"))
    assert main(["zone", "diff", "example.org.zone", "example.org=other"]) == DIFFERENT
    assert capsys.readouterr().out == "- web.example.org. 3600 IN A 192.0.2.80\n+ web.example.org. 3600 IN A 192.0.2.90\n"
    assert main(["zone", "diff", "--quiet", "example.org.zone", "example.org=other"]) == DIFFERENT
    assert capsys.readouterr().out == ""
    assert main(["zone", "diff", "--json", "example.org.zone", "example.org=other"]) == DIFFERENT
    assert [json.loads(line)["change"] for line in capsys.readouterr().out.splitlines()] == ["removed", "added"]
    for words in (["example.org.zone"], ["@192.0.2.1", "@192.0.2.2"]):
        assert main(["zone", "diff", *words]) == USAGE
    Path("elsewhere").write_text("@ 60 SOA a. b. 1 7200 3600 1209600 60\n")
    assert main(["zone", "diff", "example.org.zone", "example.net=elsewhere"]) == USAGE
    assert "two zones" in capsys.readouterr().err
    Path("broken").write_text("@ 60 SOA nonsense\n")
    assert main(["zone", "diff", "example.org.zone", "example.org=broken"]) == BAD_ZONE


def test_statsCountRecords(zone: Path, capsys: Captured) -> None:
    """
    C{stats} counts the contents of a zone.
    """
    assert main(["zone", "stats", "example.org.zone"]) == OK
    output = capsys.readouterr().out
    assert "17 in " in output
    assert main(["zone", "stats", "example.org.zone", "--json"]) == OK
    report = json.loads(capsys.readouterr().out)
    assert (report["records"], report["types"]["NS"], report["wildcards"], report["dnames"]) == (17, 4, 1, 1)
    assert report["delegations"] == {"all": 1, "secure": 1}
    assert report["deepest"] == {"labels": 4, "name": "*.wild.example.org."}
    assert report["ttl"] == {"least": 3600, "most": 3600, "usual": 3600, "different": 1}


def test_serialIsChangedInPlace(zone: Path, capsys: Captured) -> None:
    """
    C{serial} shows the serial number, or changes it in place and nothing else.
    """
    assert main(["zone", "serial", "example.org.zone"]) == OK
    assert capsys.readouterr().out == "1\n"
    text = SOUND.replace("@ SOA ns1 mail 1 7200", "@ SOA ns1 mail ( ; SOA 7 8 9 10\n  2026112001   ; serial\n  7200")
    text = text.replace("3600 1209600 3600\n", "3600 1209600 3600 )\n")
    zone.write_text(text)
    zone.chmod(0o640)
    assert main(["zone", "serial", "example.org.zone", "--set", "2026112099"]) == OK
    assert capsys.readouterr().out == "2026112001 -> 2026112099\n"
    assert zone.read_text() == text.replace("2026112001", "2026112099")
    assert zone.stat().st_mode & 0o777 == 0o640
    assert main(["zone", "serial", "example.org.zone", "--set", "7", "--json"]) == OK
    assert json.loads(capsys.readouterr().out) == {"zone": "example.org.", "serial": 7, "before": 2026112099}
    assert "  7            ; serial\n" in zone.read_text()
    assert main(["zone", "serial", "example.org.zone", "--bump", "auto"]) == OK
    assert "  8            ; serial\n" in zone.read_text()
    assert [path.name for path in zone.parent.iterdir()] == ["example.org.zone"]


def test_serialInIncludedFile(zone: Path, capsys: Captured) -> None:
    """
    The serial number is changed in the included file that has it.
    """
    lines = SOUND.splitlines(True)
    Path("head").write_text("".join(lines[:3]))
    zone.write_text("$INCLUDE head\n" + "".join(lines[3:]).replace("@ NS ns1", "@ 3600 NS ns1", 1))
    assert main(["zone", "serial", "example.org.zone", "--set", "5"]) == OK
    assert " mail 5 7200" in Path("head").read_text()


def test_invalidSerialOptionsAreRefused(zone: Path, capsys: Captured) -> None:
    """
    Invalid serial numbers and methods are refused.
    """
    for words in (["--set", "x"], ["--set", str(2**32)], ["--bump", "sideways"], ["--bump", "auto", "--set", "3"], ["--set"]):
        assert main(["zone", "serial", "example.org.zone", *words]) == USAGE
    assert zone.read_text() == SOUND
    assert main(["zone", "serial", "example.org=-", "--bump", "auto"]) == USAGE
    zone.write_text("$TTL 60\n@ NS ns1\n")
    assert main(["zone", "serial", "example.org.zone", "--bump", "auto"]) == BAD_ZONE
    zone.write_text("@ 60 TYPE6 \\# 22 0000" + 40 * "0" + "\n")
    assert main(["zone", "serial", "example.org.zone", "--bump", "auto"]) == BAD_ZONE
    capsys.readouterr()


def test_dateSerialStaysADate() -> None:
    """
    A serial number that looks like a date becomes today's, or the next number if that is not higher.
    """
    now = 1795176255.0
    assert raised(2020010100, "auto", now) == 2026112000
    assert raised(2026112000, "auto", now) == 2026112001
    assert raised(2026112099, "auto", now) == 2026112100
    assert raised(17, "auto", now) == 18
    assert raised(1, "unixtime", now) == 1795176255
    assert serial.raised(2**32 - 1, "increment", now) == 1


def test_shortOutputOption(zone: Path) -> None:
    """
    C{-o} names the output file, as in C{named-compilezone}.
    """
    assert main(["zone", "format", "example.org.zone", "-o", "other.zone"]) == OK
    assert main(["zone", "compile", "example.org.zone", "-o", "a.image"]) == OK
    assert (zone.parent / "other.zone").exists() and (zone.parent / "a.image").exists()


def test_bumpWithoutMethodIsExplained(zone: Path, capsys: Captured) -> None:
    """
    A missing method for C{--bump}, so that the file is taken for it, is explained.
    """
    assert main(["zone", "serial", "--bump", "example.org.zone"]) == USAGE
    wrong = "txdns zone serial: --bump: 'example.org.zone' is not a way to increase a serial; write one of auto, "
    assert capsys.readouterr().err.startswith(wrong)


def test_interruptKeepsTheOldFile(zone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Ctrl-C while a file is written keeps the old one and leaves no other file.
    """

    def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    before = zone.read_bytes()
    names = sorted(zone.parent.iterdir())
    monkeypatch.setattr("os.fsync", interrupt)
    assert main(["zone", "format", "example.org.zone", "--output", "example.org.zone"]) == INTERRUPTED
    assert zone.read_bytes() == before
    assert sorted(zone.parent.iterdir()) == names
