"""
Key files, against the programs of BIND, ldns and Knot that write and read them.
"""

from __future__ import annotations

import os
import re
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from tests.peers import peer
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, nameOf, readPKCS8, writeBind, writeState
from twisted_ext.dnssec.privatekeys.keyfolder import loadKey, loadKeys, saveKey
from twisted_ext.dnssec.privatekeys.keys import SIGNING, newKey
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import DS

__all__: list[str] = []

APEX = nameFromText("example.org.")

#: Options of C{dnssec-keygen} for all times.
TIMES = (
    "-P 20260101000000 -A 20260102000000 -R 20270101000000 -I 20280105000000 -D 20290101000000 -P sync 20260103000000"
    " -D sync 20300101000000"
).split()

ZONE = "example.org. 300 SOA ns.example.org. h.example.org. 1 3600 600 86400 300\nexample.org. 300 NS ns.example.net.\n"


def run(folder: Path, program: str, *words: str) -> str:
    """
    Run a program, and return its output. Its dates are in UTC.
    """
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    done = subprocess.run([str(peer(program)), *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sizeOf(algorithm: int) -> list[str]:
    """
    Return the option for the size of an RSA key.
    """
    return ["-b", "2048"] if algorithm == 8 else []


@pytest.mark.parametrize("algorithm", SIGNING)
@pytest.mark.parametrize("options", [[], ["-f", "KSK", *TIMES], ["-L", "300"]])
def test_keysOfBIND(algorithm: int, options: list[str], tmp_path: Path) -> None:
    """
    The files of C{dnssec-keygen} are read, and written again octet by octet.
    """
    name = run(tmp_path, "dnssec-keygen", "-q", "-a", str(algorithm), *sizeOf(algorithm), *options, "example.org").strip()
    file = loadKey(str(tmp_path / name))
    assert (file.zone, nameOf(file)) == (APEX, name)
    assert len(file.times) == (8 if TIMES[0] in options else 3)
    private, public = ((tmp_path / f"{name}{suffix}").read_text() for suffix in (".private", ".key"))
    assert writeBind(file) == (_padded(private, algorithm), public)


def _padded(text: str, algorithm: int) -> str:
    """
    Return a private key with the zeros before a small number, which BIND leaves out for one key in 256.
    """
    octets = {13: 32, 14: 48}.get(algorithm, 0)

    def whole(found: re.Match[str]) -> str:
        return b64encode(b64decode(found[0]).rjust(octets, b"\0")).decode()

    return re.sub(r"(?<=^PrivateKey: )\S+", whole, text, flags=re.MULTILINE)


def test_revokedKeysOfBIND(tmp_path: Path) -> None:
    """
    A key that C{dnssec-revoke} has revoked is read and written again, with its new tag.
    """
    first = run(tmp_path, "dnssec-keygen", "-q", "-a", "15", "-f", "KSK", "example.org").strip()
    name = run(tmp_path, "dnssec-revoke", first).strip()
    file = loadKey(str(tmp_path / name))
    assert (file.key.flags, nameOf(file)) == (385, name)
    assert loadKey(str(tmp_path / first)).key.revokedTag() == file.key.tag
    assert writeBind(file)[1] == (tmp_path / f"{name}.key").read_text()


def test_statesOfBIND(tmp_path: Path) -> None:
    """
    The states of keys with a policy are read, and written again octet by octet.
    """
    policy = "keys { ksk key-directory lifetime unlimited algorithm 13; zsk key-directory lifetime P30D algorithm 13; };"
    (tmp_path / "conf").write_text(f"dnssec-policy p {{ {policy} }};")
    run(tmp_path, "dnssec-keygen", "-q", "-k", "p", "-l", "conf", "example.org")
    files = loadKeys(str(tmp_path), APEX)
    assert {file.key.flags: (file.lifetime, file.state["ZSK"]) for file in files} == {256: (2_592_000, "yes"), 257: (0, "no")}
    assert [file.ttl for file in files] == [3600, 3600]
    run(tmp_path, "dnssec-settime", "-s", "-g", "OMNIPRESENT", "-k", "RUMOURED", "20260101000000", nameOf(files[0]))
    files = loadKeys(str(tmp_path), APEX)
    assert files[0].state["DNSKEYState"] == "rumoured"
    for file in files:
        assert writeState(file) == (tmp_path / f"{nameOf(file)}.state").read_text()


def test_namesOfBIND(tmp_path: Path) -> None:
    """
    BIND finds keys of zones with odd names where this package writes them, and the other way round.
    """
    for text in ("a/b\\\\.\\$x\\000\\\"\\@-_.example.org.", "."):
        name = run(tmp_path, "dnssec-keygen", "-q", "-a", "15", text).strip()
        [file] = loadKeys(str(tmp_path), nameFromText(text))
        assert (nameOf(file), file.zone) == (name, nameFromText(text))
        assert writeBind(file)[1] == (tmp_path / f"{name}.key").read_text()


@pytest.mark.parametrize("algorithm", SIGNING)
def test_keysOfLdns(algorithm: int, tmp_path: Path) -> None:
    """
    The files of C{ldns-keygen}, of format 1.2, are read, and differ from those that are written by the format only.
    """
    name = run(tmp_path, "ldns-keygen", "-a", str(algorithm), *sizeOf(algorithm), "-k", "example.org").strip()
    os.chmod(tmp_path / f"{name}.private", 0o600)
    file = loadKey(str(tmp_path / name))
    assert (file.zone, nameOf(file), file.times, file.key.flags) == (APEX, name, {}, 257)
    assert writeBind(file)[0].replace("v1.3", "v1.2") == (tmp_path / f"{name}.private").read_text()
    # It writes the DS record with the hash of the algorithm.
    assert rdataToText(DS, file.key.ds(APEX, 4 if algorithm == 14 else 2)).lower() in (tmp_path / f"{name}.ds").read_text()


@pytest.mark.parametrize("algorithm", SIGNING)
def test_ourKeysInBIND(algorithm: int, tmp_path: Path) -> None:
    """
    BIND derives the same DS records from a key that this package has written, reads its times and its state, signs with it, and verifies
    the zone.
    """
    key = newKey(algorithm)
    times = {"Created": 1_767_225_600, "Publish": 1_767_225_600, "Activate": 1_767_225_660}
    base = saveKey(KeyFile(APEX, key, times, {"KSK": "yes", "ZSK": "yes"}, 0), str(tmp_path))
    for digest in (2, 4):
        line = run(tmp_path, "dnssec-dsfromkey", f"-a{digest}", f"{base}.key").split()
        ours = rdataToText(DS, key.ds(APEX, digest)).split()
        assert line[3:6] == ours[:3]
        assert "".join(line[6:]).lower() == "".join(ours[3:]).lower()
    shown = run(tmp_path, "dnssec-settime", "-u", "-p", "all", base)
    assert "Activate: 1767225660" in shown
    (tmp_path / "zone").write_text(ZONE)
    run(tmp_path, "dnssec-signzone", "-S", "-z", "-o", "example.org", "-f", "signed", "zone")
    run(tmp_path, "dnssec-verify", "-z", "-o", "example.org", "signed")
    # BIND writes them again as they were.
    before = Path(f"{base}.private").read_text()
    run(tmp_path, "dnssec-settime", "-D", "20300101000000", base)
    assert Path(f"{base}.private").read_text() == f"{before}Delete: 20300101000000\n"
    assert loadKey(base).key.numbers() == key.numbers()


@pytest.mark.parametrize("algorithm", SIGNING)
def test_keysOfKnot(algorithm: int, tmp_path: Path) -> None:
    """
    Knot takes a key that this package has written, and the file in which Knot then keeps it has the same key.
    """
    key = newKey(algorithm)
    base = saveKey(KeyFile(APEX, key, {}, {}, None), str(tmp_path))
    (tmp_path / "conf").write_text(f"database:\n  storage: {tmp_path}\nzone:\n  - domain: example.org\n")
    run(tmp_path, "keymgr", "-c", "conf", "example.org", "import-bind", f"{base}.private")
    assert rdataToText(DS, key.ds(APEX)).lower() in run(tmp_path, "keymgr", "-c", "conf", "example.org", "ds")
    [path] = (tmp_path / "keys").rglob("*.pem")
    again = readPKCS8(path.read_bytes(), algorithm, 257, APEX, str(path))
    assert (again.key.dnskey, again.key.numbers()) == (key.dnskey, key.numbers())
