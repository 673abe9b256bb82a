"""
Live tests of a server that is set up by one command, and changed in the browser alone from then on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.peers import peer
from tests.test_architecture import ROOT

_NAMESPACE = ("--user", "--map-root-user", "--net", "--mount")


def test_firstDay(tmp_path: Path) -> None:
    """
    From an empty folder to the first blocked name, a list by URL that was tried, an upstream, a view for the children with times, a pause
    and an undo, in the browser alone; all of it holds after the server was killed.
    """
    within = [str(peer("unshare")), *_NAMESPACE]
    if subprocess.run([*within, str(peer("ip")), "link", "set", "lo", "up"], capture_output=True).returncode:
        pytest.skip("this user cannot make network namespaces here")
    command = [*within, sys.executable, "-m", "tests.live.console.firstday", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=4 * PATIENCE)
    assert done.returncode == 0, done.stderr[-4000:]
