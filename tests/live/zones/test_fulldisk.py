"""
Live test of the journal on a disk that is really full: a small one in memory, in a mount namespace of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_fullDiskRefusesChanges(tmp_path: Path) -> None:
    """
    Changes are refused while the disk is full, leave nothing half written, and continue when it has space.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed (Debian: apt install util-linux)")
    within = [unshare, "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=64k tmpfs "$0"'
    if subprocess.run([*within, mount, str(tmp_path)], capture_output=True).returncode:
        pytest.skip("nobody may mount anything here")
    command = f'{mount} && exec "$1" -m tests.live.zones.full "$0"'
    done = subprocess.run([*within, command, str(tmp_path), sys.executable], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "full: No space left on device",
        "refused: True No space left on device",
        "said: ''",
        "same: True",
    ], done
