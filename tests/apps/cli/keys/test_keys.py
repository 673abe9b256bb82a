"""
Tests of C{txdns keys}, and of C{txdns zone sign}.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import peer
from tests.zone.check.test_semantics import SOUND
from twisted_ext.apps.cli.keys.command import SUBCOMMANDS
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE
from twisted_ext.apps.cli.zone.args import BAD_ZONE
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile
from twisted_ext.dnssec.privatekeys.keyfolder import saveKey
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.wire.names import nameFromText

Captured = pytest.CaptureFixture[str]

#: A time, and the options that sign at it.
_NOW = ["--now", "20261125120000"]


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Return the path of a zone file in the working directory.
    """
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "example.org.zone"
    path.write_text(SOUND)
    return path


def sign(*words: str) -> int:
    return main(["zone", "sign", "example.org.zone", "-o", "example.org.signed", "--keys", "keys", *words])


@pytest.mark.parametrize("command", [each.word for each in SUBCOMMANDS])
def test_help(command: str, capsys: Captured) -> None:
    """
    Each sub-command's help shows its usage, and fits a usual screen width.
    """
    assert main(["keys", command, "--help"]) == OK
    output = capsys.readouterr().out
    assert output.startswith(f"Usage: txdns keys {command}")
    assert max(len(line) for line in output.splitlines()) <= 97


def test_signFromNothing(zone: Path, capsys: Captured) -> None:
    """
    One command makes the key, signs the zone, and says what the parent needs. The next one takes the same key, and gives the same file.
    """
    assert sign() == OK
    made, said, parent = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"made Kexample\.org\.\+013\+\d{5} \(ECDSAP256SHA256, for all records\)", made)
    assert re.fullmatch(r"example\.org\. serial \d+: \d+ signatures for \d+ names in \d\.\d s; they end from 2\S+ to 2\S+", said)
    assert parent.startswith("the parent needs: example.org. IN DS ")
    octets = Path("example.org.signed").read_bytes()
    assert sign() == OK
    assert capsys.readouterr().out.splitlines()[-1] == parent
    assert Path("example.org.signed").read_bytes() == octets
    assert main(["keys", "ds", "keys"]) == OK
    assert f"the parent needs: {capsys.readouterr().out}" == f"{parent}\n"
    subprocess.run([peer("ldns-verify-zone"), "example.org.signed"], check=True, stdout=subprocess.DEVNULL)
    assert main(["zone", "check", "example.org.signed"]) == OK
    assert oct(Path("keys").stat().st_mode)[-3:] == "700"


def test_keysOfSignedZoneAreElsewhere(zone: Path, capsys: Captured) -> None:
    """
    A zone that was signed is not signed with a new key because its keys are not found: the parent would not know that.
    """
    assert sign() == OK
    octets = Path("example.org.signed").read_bytes()
    capsys.readouterr()
    words = ["zone", "sign", "example.org.zone", "-o", "example.org.signed", "--keys", "key"]
    assert main(words) == BATCH
    said = "key: there is no key of example.org., and example.org.signed is there already; name the folder of the keys that signed it"
    assert capsys.readouterr().err.startswith(f"txdns zone sign: {said}")
    assert (Path("example.org.signed").read_bytes(), Path("key").exists()) == (octets, False)
    assert main(["keys", "new", "example.org", "--keys", "key"]) == OK
    assert main(words) == OK


def test_revokedKeys(zone: Path, capsys: Captured) -> None:
    """
    No DS record is printed for a key that is revoked.
    """
    revoked = KeyFile(nameFromText("example.org"), newKey(13, 385), {}, {}, None)
    Path("keys").mkdir()
    path = saveKey(revoked, "keys")
    for place in ("keys", path):
        assert main(["keys", "ds", place]) == BATCH
        assert "there is no key that signs DNSKEY records and is not revoked" in capsys.readouterr().err
    assert main(["keys", "new", "example.org", "--keys", "keys"]) == OK
    capsys.readouterr()
    assert main(["keys", "ds", "keys"]) == OK
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert sign("--cds") == OK
    signed = Path("example.org.signed").read_text()
    assert (signed.count(" IN DNSKEY "), signed.count(" IN CDS "), capsys.readouterr().out.count("the parent needs")) == (2, 1, 1)


def test_signAgain(zone: Path, capsys: Captured) -> None:
    """
    A signed zone is signed anew: what was made before is replaced, which is said, and the zone may get another serial; so may an image.
    """
    assert sign(*_NOW, "--split", "--algorithm", "ed25519") == OK
    first = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[2] for line in first[:2]] == ["ED25519, for the DNSKEY records)", "ED25519, for all records but those)"]
    signed = Path("example.org.signed").read_text()
    words = ["zone", "sign", "example.org.signed", "--keys", "keys", *_NOW]
    assert main([*words, "-o", "again.signed"]) == OK
    found = capsys.readouterr()
    assert re.fullmatch(r"example\.org\.signed: \d+ signatures and denials that were in it are replaced\n", found.err)
    assert Path("again.signed").read_text() == signed
    assert main([*words, "-o", "new.image", "--serial", "unixtime"]) == OK
    assert "serial 1795608000:" in capsys.readouterr().out
    assert main(["zone", "serial", "example.org=new.image"]) == OK
    assert capsys.readouterr().out == "1795608000\n"


def test_whatElseIsAdded(zone: Path, capsys: Captured) -> None:
    """
    Names may be denied by hashes, and the zone may have a digest, and records for the parent.
    """
    assert sign("--denial", "nsec3", "--cds", "--zonemd") == OK
    signed = Path("example.org.signed").read_text()
    assert all(f" IN {word} " in signed for word in ("NSEC3", "NSEC3PARAM", "CDS", "CDNSKEY", "ZONEMD"))
    assert " IN NSEC " not in signed
    subprocess.run([peer("ldns-verify-zone"), "-Z", "example.org.signed"], check=True, stdout=subprocess.DEVNULL)
    assert main(["zone", "check", "example.org.signed"]) == OK
    assert "no warnings" in capsys.readouterr().out


def test_timesOfKeys(zone: Path, capsys: Captured) -> None:
    """
    A key signs from its activation on, is published before and after that, and is no part of the zone once it is to be deleted.
    """
    assert main(["keys", "new", "example.org", "--keys", "keys"]) == OK
    assert main(["keys", "new", "example.org", "--keys", "keys"]) == OK
    (first, second) = sorted(Path("keys").glob("*.private"))
    # The other one is active.
    text = first.read_text()
    for state, lines in (
        ("is published only", "Publish: 20200101000000\nActivate: 20990101000000\n"),
        ("is published only", "Publish: 20200101000000\nInactive: 20210101000000\n"),
        ("not in the zone", "Publish: 20990101000000\n"),
        ("not in the zone", "Publish: 20200101000000\nDelete: 20210101000000\n"),
    ):
        kept = "".join([f"{line}\n" for line in text.splitlines() if not line.startswith(("Publish", "Activate"))])
        first.write_text(kept + lines)
        assert sign() == OK
        signed = Path("example.org.signed").read_text()
        assert len(re.findall(r" IN DNSKEY ", signed)) == (2 if state == "is published only" else 1)
        tags = set(re.findall(r" RRSIG \S+ 13 \d+ \d+ \d+ \d+ (\d+) ", signed))
        assert {tag.zfill(5) for tag in tags} == {second.stem[-5:]}
        capsys.readouterr()
        assert main(["keys", "list", "keys"]) == OK
        assert f"flags 257, {state}" in capsys.readouterr().out
    second.unlink()
    assert sign() == BATCH
    said = capsys.readouterr().err
    assert said.startswith("txdns zone sign: keys: there are keys of example.org., but none of them signs now: ")
    assert "(Publish 20200101000000, Delete 20210101000000)" in said


def test_keysAsJSON(zone: Path, capsys: Captured) -> None:
    """
    Programs get an object for each key. One that cannot be used is reported, and the others are listed.
    """
    assert main(["keys", "new", "example.org", "--keys", "keys", "-a", "rsasha256"]) == OK
    assert main(["keys", "new", "Example.Net", "--keys", "keys", "-a", "15"]) == OK
    (Path("keys") / "Kbad.+013+00001.private").write_text("nothing\n")
    (Path("keys") / "Kbad.+013+00001.private").chmod(0o600)
    capsys.readouterr()
    assert main(["keys", "list", "keys", "--json"]) == BATCH
    found = capsys.readouterr()
    keys = [json.loads(line) for line in found.out.splitlines()]
    assert [(key["zone"], key["algorithm"], key["flags"], key["state"]) for key in keys] == [
        ("example.net.", "ED25519", 257, "signs"),
        ("example.org.", "RSASHA256", 257, "signs"),
    ]
    assert found.err.startswith("keys/Kbad.+013+00001")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["zone", "sign", "example.org.zone", "--keys", "keys"], USAGE, "--output is missing; write: txdns zone sign"),
        (["zone", "sign", "example.org.zone", "-o", "x"], USAGE, "--keys is missing; write: txdns zone sign"),
        (["zone", "sign", "none.zone", "-o", "x", "--keys", "keys"], BATCH, "none.zone: No such file or directory"),
        (["zone", "sign", "example.org.zone", "-o", "none/x", "--keys", "keys"], BATCH, "none/x: No such file or directory"),
        (["zone", "sign", "example.org.zone", "-o", "x", "--keys", "none/keys"], BATCH, "none/keys: No such file or directory"),
        (
            ["zone", "sign", "example.org.zone", "-o", "x", "--keys", "keys", "--signatures", "1d"],
            USAGE,
            "end before that; write a longer --signatures, or a shorter --renew",
        ),
        (["zone", "sign", "example.org.zone", "-o", "x", "--keys", "keys", "--renew", "soon"], USAGE, "'soon' is not a time; write 21d"),
        (["zone", "sign", "example.org.zone", "-o", "x", "--keys", "keys", "--now", "noon"], USAGE, "'noon' is not a date; write 2026"),
        (["zone", "sign", "example.org.zone", "-o", "x", "--keys", "keys", "--serial", "next"], USAGE, "'next' is not a way to choose"),
        (["keys", "new", "example.org"], USAGE, "a zone and --keys are wanted; write: txdns keys new ZONE"),
        (["keys", "new", "example.org", "--keys", "keys", "-a", "rsasha1"], USAGE, "'rsasha1' is not an algorithm that signs here"),
        (["keys", "list"], USAGE, "one folder or key is wanted; write: txdns keys list"),
        (["keys", "list", "none"], BATCH, "none: No such file or directory"),
        (["keys", "ds", "Knone"], BATCH, "Knone: No such file or directory"),
        (["keys", "ds", "."], BATCH, ".: there is no key, nor in folders below it; one is a file such as Kexample.org.+013+44703.private"),
        (["keys", "list", "."], BATCH, ".: there is no key, nor in folders below it"),
        (["keys", "ds", "keys", "--digest", "1"], USAGE, "'1' is not a digest that parents take; write 2"),
    ],
)
def test_badInput(words: list[str], code: int, said: str, zone: Path, capsys: Captured) -> None:
    """
    What is wrong is said in one line, and nothing is written.
    """
    assert main(words) == code
    found = capsys.readouterr().err
    assert said in found
    assert found.count("\n") == 1
    assert not Path("x").exists()


def test_badZone(zone: Path, capsys: Captured) -> None:
    """
    A zone that cannot be signed is refused, and the former file stays.
    """
    assert sign() == OK
    signed = Path("example.org.signed").read_text()
    zone.write_text(f"{SOUND}\nodd 300 DS 1 13 2 {'00' * 32}\n")
    assert sign() == BAD_ZONE
    assert "odd.example.org. has DS records, but no NS records" in capsys.readouterr().err
    zone.write_text("@ 300 A nonsense\n")
    assert sign() == BAD_ZONE
    assert Path("example.org.signed").read_text() == signed


def test_keysOfServer(zone: Path, capsys: Captured) -> None:
    """
    The folder in which a server keeps the keys of its zones, in one for each, can be named as it is.
    """
    Path("signing").mkdir()
    for name in ("example.org", "example.com"):
        assert main(["keys", "new", name, "--keys", f"signing/{name}."]) == OK
    capsys.readouterr()
    assert main(["keys", "ds", "signing"]) == OK
    assert [line.split(" ")[:3] for line in capsys.readouterr().out.splitlines()] == [
        ["example.com.", "IN", "DS"],
        ["example.org.", "IN", "DS"],
    ]
    assert main(["keys", "list", "signing"]) == OK
    assert [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()] == ["example.com.", "example.org."]


def test_keysOfState(zone: Path, capsys: Captured) -> None:
    """
    So can the folder that is the C{state} of the server, two above the keys. What is below a folder with keys is not looked at, nor deeper.
    """
    for folder in ("state/signing/example.org.", "state/signing/example.org./old", "state/other/more/deep"):
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
        assert main(["keys", "new", "example.org", "--keys", folder]) == OK
    Path("state/empty").mkdir()
    capsys.readouterr()
    (key,) = Path("state/signing/example.org.").glob("*.private")
    assert main(["keys", "list", "state", "--json"]) == OK
    assert [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()] == [str(key)]
    assert main(["keys", "ds", "state"]) == OK
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["", ".", ".key", ".private"])
@pytest.mark.parametrize("command", ["ds", "list"])
def test_nameOfKey(command: str, suffix: str, zone: Path, capsys: Captured) -> None:
    """
    A key is named by either of its files, by what both names have in common, or by what a shell completes, which ends with a dot.
    """
    assert main(["keys", "new", "example.org", "--keys", "keys"]) == OK
    (key,) = Path("keys").glob("*.private")
    capsys.readouterr()
    assert main(["keys", command, f"{key.with_suffix('')}{suffix}"]) == OK
    found = capsys.readouterr().out
    assert found.startswith("example.org. ")
    assert found.count("\n") == 1


def test_twoAtOnceMakeOneKey(zone: Path) -> None:
    """
    Two processes that sign a zone at once with a folder without keys make one key.
    """
    words = [sys.executable, "-m", "twisted_ext", "zone", "sign", "example.org.zone", "--keys", "keys", "--output"]
    running = [subprocess.Popen([*words, f"signed{number}"], stdout=subprocess.DEVNULL) for number in range(4)]
    assert [each.wait() for each in running] == [OK] * 4
    assert len([*Path("keys").glob("*.private")]) == 1
