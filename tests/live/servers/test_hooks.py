"""
Tests of C{twistd txdns} with hooks: each worker asks them for itself, and an operator switches them off in all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.live.twistds import Twistd, exchange, wait, workersOf
from tests.live.upstreams import Upstream

__all__: list[str] = []

_FILE = """
import time
from twisted_ext.hooks import PASS, hook, nxdomain

@hook(keep=60)
def ads(name):
    return nxdomain() if name.endswith("ads.example") else PASS

@hook(threads=True, seconds=1)
def slow(name):
    time.sleep(0.05)
    return nxdomain() if name == "slow.example" else PASS
"""


def _rcodes(server: Twistd, name: str) -> set[int]:
    return {exchange(server.port, name).flags & 15 for _ in range(20)}


def test_switchedOff(tmp_path: Path) -> None:
    """
    A hook that is switched off is passed in all workers, also in one that begins later and after a reload, until the server is started
    again.
    """
    file = tmp_path / "shop.py"
    file.write_text(_FILE)
    file.chmod(0o600)
    words = ["--hook", f"{file}:ads", "--hook", f"{file}:slow", "--workers", "2", "--control", f"{tmp_path}/control", "--client-rate", "0"]
    command = [sys.executable, "-P", "-m", "twisted_ext", "control", "--socket", str(tmp_path / "control")]

    def control(*more: str) -> str:
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    with Upstream(otherwise="192.0.2.80") as upstream:
        serving = Twistd(tmp_path, "--upstream", upstream.label, *words)
        with serving as server:
            assert (_rcodes(server, "x.ads.example"), _rcodes(server, "slow.example")) == ({3}, {3})
            said = control("hook", "off", "shop.py:none")
            assert said == "txdns control: there is no hook shop.py:none; there are shop.py:ads, shop.py:slow\n"
            assert control("hook", "off", "shop.py:ads").startswith("hook shop.py:ads is off")
            wait(lambda: _rcodes(server, "x.ads.example") == {0}, server)
            shown = control("hooks").splitlines()
            assert (shown[0], shown[2]) == ("shop.py:ads(name)  off", "shop.py:slow(name)")
            assert "hooks switched off: shop.py:ads" in control("status")
            first = workersOf(server)
            os.kill(first[0], signal.SIGKILL)
            wait(lambda: len([each for each in workersOf(server) if each not in first]) == 1, server)
            control("reload")
            wait(lambda: _rcodes(server, "y.ads.example") == {0}, server)
            assert control("hook", "on", "shop.py:ads") == "hook shop.py:ads is on\n"
            wait(lambda: _rcodes(server, "x.ads.example") == {3}, server)
            control("hook", "off", "shop.py:ads")
        with serving as server:
            wait(lambda: _rcodes(server, "x.ads.example") == {3}, server)
