"""
The address functions of the C library behind a server whose upstreams send answers out of order or leave aliases unfollowed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.lookups.disorder import NAMES
from tests.patience import PATIENCE
from tests.peers import peer
from tests.test_architecture import ROOT

_NAMESPACE = ("--user", "--map-root-user", "--net", "--mount")


def test_librariesFindAddresses(tmp_path: Path) -> None:
    """
    C{getaddrinfo} finds the addresses behind aliases by UDP and TCP, forwarding and recursing, with and without validation. Without this
    server, it does not.
    """
    within = [str(peer("unshare")), *_NAMESPACE]
    if subprocess.run([*within, str(peer("ip")), "link", "set", "lo", "up"], capture_output=True).returncode:
        pytest.skip("this user cannot make network namespaces here")
    for program in ("nsd", "dig"):
        peer(program)
    command = [*within, sys.executable, "-m", "tests.live.lookups.disorder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(text.startswith("No address associated") for text in found.pop("relay").values())
    assert len(found) == 8
    log = (tmp_path / "log").read_text()
    assert found == dict.fromkeys(found, dict(zip(NAMES, (["192.0.2.80"], ["192.0.2.81"]), strict=True))), log[-4000:]
