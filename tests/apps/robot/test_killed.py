"""
Tests of robots that are killed at random moments.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.apps.robot import killed

__all__: list[str] = []


def lostAfter(folder: Path, kills: int, *words: str) -> int:
    """
    Return how many of the values and messages that were acknowledged are lost.
    """
    command = [sys.executable, "-m", killed.__name__, str(folder), str(kills), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = re.fullmatch(r"\d+ kills: \d+ stored, \d+ told, \d+ given; (\d+) lost\n", done.stdout)
    assert found is not None, done.stderr
    return int(found[1])


def test_nothingAcknowledgedIsLost(tmp_path: Path) -> None:
    """
    Robots killed at 50 random moments lose no value and no message that they have acknowledged.
    """
    assert lostAfter(tmp_path, 50) == 0


def test_acknowledgingEarlyIsDetected(tmp_path: Path) -> None:
    """
    Robots that acknowledge a value before it is written lose some.
    """
    # On a busy machine a robot may live too short a time to lose one.
    assert any(lostAfter(tmp_path / str(number), 10, "early") for number in range(10))
