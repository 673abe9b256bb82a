"""
The zone checks, on zones signed by BIND's tools and on zones that BIND does not load.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.peers import peer
from tests.zone.check.test_semantics import SOUND, WRONG
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.check.checkfile import CheckResult, vet

__all__: list[str] = []

#: How zones are signed: with NSEC, with NSEC3, and with NSEC3, opt-out and too many iterations.
WAYS = {"nsec": [], "nsec3": ["-3", "-", "-H", "0"], "optout": ["-3", "AABB", "-H", "5", "-A"]}


def run(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """
    Run a program of BIND.
    """
    return subprocess.run([str(peer(program)), *words], cwd=folder, capture_output=True, text=True, timeout=120)


def findingsIn(path: Path) -> CheckResult:
    """
    Return the findings in a file.
    """
    return vet(str(path), nameFromText("example.org."), now=time.time())


@pytest.mark.parametrize("way", list(WAYS))
def test_onlyDamagedZonesHaveFindings(way: str, tmp_path: Path) -> None:
    """
    A freshly signed zone has no findings except too many iterations. Each removed NSEC or RRSIG record is found.
    """
    (tmp_path / "zone").write_text(SOUND + "".join([f"cut{number} NS ns.elsewhere.net.\n" for number in range(40)]))
    for words in ([], ["-f", "KSK"]):
        assert run(tmp_path, "dnssec-keygen", "-q", *words, "-a", "ECDSAP256SHA256", "example.org").returncode == 0
    done = run(tmp_path, "dnssec-signzone", "-S", *WAYS[way], "-O", "full", "-o", "example.org", "-f", "signed", "zone")
    assert done.returncode == 0, done.stderr
    found = findingsIn(tmp_path / "signed").report
    assert set(found.counts) == ({"nsec3-values"} if way == "optout" else set()), [str(each) for each in found.findings]
    lines = (tmp_path / "signed").read_text().splitlines(True)
    chain = "NSEC" if way == "nsec" else "NSEC3"
    for rrType, missed in (("RRSIG", {"rrsig-missing"}), (chain, {"nsec-missing", "nsec-chain", "rrsig-extra"})):
        places = [index for index, line in enumerate(lines) if line.split()[3:4] == [rrType]]
        assert places
        for place in (places[0], places[len(places) // 2], places[-1]):
            (tmp_path / "cut").write_text("".join(lines[:place] + lines[place + 1 :]))
            assert set(findingsIn(tmp_path / "cut").report.counts) & missed, lines[place]


def test_fatalFindingsAreFatalToBIND(tmp_path: Path) -> None:
    """
    BIND does not load a zone with fatal findings either. Other zones that it does not load have warnings.
    """
    others = set()
    for lines, name, _ in WRONG:
        path = tmp_path / "zone"
        path.write_text(SOUND + lines + "\n")
        report = findingsIn(path).report
        theirs = run(tmp_path, "named-checkzone", "-i", "none", "-k", "ignore", "example.org", "zone").returncode != 0
        assert theirs or not report.fatal, name
        if theirs and not report.fatal:
            assert report.warnings
            others.add(name)
    # None of these affects the rest of the zone: in-domain servers without an address, an unreachable resolver, wildcard delegations, and
    # unmatched hashes.
    assert others == {"target-missing", "svcb-dns", "ns-wildcard", "reading"}
