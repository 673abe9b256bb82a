"""
C{twistd txdns recurse} in a small internet of signed zones, which NSD serves in a network namespace.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import peer

ROOT = Path(__file__).parents[3]

_NAMESPACE = ("--user", "--map-root-user", "--net")


def _found(folder: Path, *options: str) -> dict[str, dict[str, object]]:
    """
    Return what dig and C{txdns control} get, or skip the test where there are no namespaces.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed (Debian: apt install util-linux)")
    within = [unshare, *_NAMESPACE]
    ip = str(peer("ip"))
    if subprocess.run([*within, ip, "link", "set", "lo", "up"], capture_output=True).returncode:
        pytest.skip("this user cannot make network namespaces here")
    for program in ("nsd", "dig"):
        peer(program)
    command = [*within, sys.executable, "-m", "tests.live.servers.resolving", str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "workers"])
def test_answersAreProved(tmp_path: Path, options: tuple[str, ...]) -> None:
    """
    Secure answers have AD for those who ask for it and for no others, bogus ones are SERVFAIL with the reason but for CD clients, and
    operators see and change what is trusted.
    """
    found = _found(tmp_path, *options)
    secure = {"status": "NOERROR", "ad": True, "addresses": ["192.0.2.1"], "ede": None}
    bogus = {"status": "SERVFAIL", "ad": False, "addresses": [], "ede": 6}
    unchecked = {"status": "NOERROR", "ad": False, "addresses": ["192.0.2.99"], "ede": None}
    assert found["secure"] == found["secureDO"] == found["again"] == found["reloaded"] == secure
    assert found["unasked"] == secure | {"ad": False}
    assert found["denied"] == {"status": "NXDOMAIN", "ad": True, "addresses": [], "ede": None}
    # An alias into a zone that is not signed is as insecure as that zone.
    assert found["insecure"] == found["mixed"] == {"status": "NOERROR", "ad": False, "addresses": ["192.0.2.3"], "ede": None}
    assert found["bogus"] == found["bogusAgain"] == found["resumed"] == bogus
    assert found["unchecked"] == unchecked
    assert found["suspended"] == unchecked | {"ede": 33}
    assert str(found["anchors"]).startswith(". DS ") and "not validated" not in str(found["anchors"])
    assert "bogus.tld. is not validated until " in str(found["negative"])
    assert "at most 7 days" in str(found["wrong"])
    assert "good.tld." in str(found["delegations"]) and "good.tld." not in str(found["fewer"])


def test_withoutValidation(tmp_path: Path) -> None:
    """
    With C{--no-validate} there is neither AD nor SERVFAIL for what would be bogus: the other test sees validation, not luck.
    """
    found = _found(tmp_path, "--no-validate")
    assert found["secure"] == {"status": "NOERROR", "ad": False, "addresses": ["192.0.2.1"], "ede": None}
    assert found["bogus"] == {"status": "NOERROR", "ad": False, "addresses": ["192.0.2.99"], "ede": None}
