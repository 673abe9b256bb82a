"""
Zones whose signatures are verified by us, C{ldns-verify-zone} and BIND's C{dnssec-verify}.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.peers import peer
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.zone.args import BAD_ZONE

_ZONE = """$TTL 300
example.org. SOA ns1 hostmaster 10 3600 600 86400 300
example.org. NS ns1
ns1.example.org. A 192.0.2.1
www.example.org. A 192.0.2.2
www.example.org. TXT "words" "of text"
*.wild.example.org. AAAA 2001:db8::1
sub.example.org. NS ns.elsewhere.example.
sub.example.org. DS 1 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
Mixed.Case.example.org. MX 10 Mail.Example.ORG.
mail.example.org. A 192.0.2.4
"""


def _accepts(program: str, *words: str) -> bool:
    return subprocess.run([str(peer(program)), *words], capture_output=True, timeout=120).returncode == 0


def _verdicts(folder: Path) -> tuple[bool, bool, bool]:
    """
    Return whether we, C{ldns-verify-zone} and C{dnssec-verify} accept the zone in the folder.
    """
    path = str(folder / "signed")
    ours = main(["zone", "check", f"example.org={path}", "--strict", "-q"])
    assert ours in (0, BAD_ZONE)
    return ours == 0, _accepts("ldns-verify-zone", path), _accepts("dnssec-verify", "-q", "-z", "-o", "example.org", path)


@pytest.mark.parametrize("way", [[], ["-3", "-", "-H", "0"]])
@pytest.mark.parametrize("algorithm", ["ECDSAP256SHA256", "RSASHA256", "ED25519"])
def test_asOthers(tmp_path: Path, way: list[str], algorithm: str) -> None:
    """
    A zone signed by BIND is right for all of us; with another bit in one of its signatures or records it is not.
    """
    (tmp_path / "zone").write_text(_ZONE)
    for words in (["-q", "-f", "KSK"], ["-q"]):
        making = [str(peer("dnssec-keygen")), *words, "-a", algorithm, "example.org"]
        subprocess.run(making, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    command = [str(peer("dnssec-signzone")), "-S", *way, "-O", "full", "-o", "example.org", "-f", "signed", "zone"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert _verdicts(tmp_path) == (True, True, True)
    lines = (tmp_path / "signed").read_text().splitlines()
    dice = random.Random(algorithm)
    signatures = [index for index, line in enumerate(lines) if line.split()[3:4] == ["RRSIG"]]
    for _ in range(6):
        index = dice.choice(signatures)
        head, _, octets = lines[index].rpartition(" ")
        place = dice.randrange(len(octets) - 4)
        other = "A" if octets[place] != "A" else "B"
        damaged = [*lines[:index], f"{head} {octets[:place]}{other}{octets[place + 1 :]}", *lines[index + 1 :]]
        (tmp_path / "signed").write_text("\n".join([*damaged, ""]))
        ours, ldns, named = _verdicts(tmp_path)
        # Both keys sign the keys, and for the others one right signature will do.
        assert not ours and (lines[index].split()[4] == "DNSKEY" or not (ldns or named)), damaged[index]
    for before, after in (("192.0.2.2", "192.0.2.3"), ('"words"', '"Words"'), ("10 Mail", "11 Mail")):
        (tmp_path / "signed").write_text("\n".join([*lines, ""]).replace(before, after))
        assert _verdicts(tmp_path) == (False, False, False), before
    # The case of a name is none of what is signed, in its owner or in what an MX record says.
    for before, after in (("\nMixed.Case.", "\nmixed.CASE."), ("10 Mail.Example.ORG.", "10 mail.example.org.")):
        (tmp_path / "signed").write_text("\n".join([*lines, ""]).replace(before, after))
        assert _verdicts(tmp_path)[:2] == (True, True), before
