"""
Tests of zones whose signing ends in the middle.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.test_architecture import ROOT


def stepsOf(how: str, folder: Path) -> list[dict[str, Any]]:
    """
    Return what came of each step that changes a file; see L{tests.zone.sign.interrupted}.
    """
    words = [sys.executable, "-m", "tests.zone.sign.interrupted", how, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["kill", "full"])
@pytest.mark.parametrize("again", [False, True])
def test_everyStep(kind: str, again: bool, tmp_path: Path) -> None:
    """
    Whether the process that signs is killed, or the disk is full, at any step that changes a file: the version before is there, or the new
    one is, whole and signed; no half of a key is left; and signing it once more succeeds, with one key.
    """
    steps = stepsOf(f"{kind}-again" if again else kind, tmp_path)
    assert [each["step"] for each in steps][-3:] == ["fsync", "os.rename image.new", "fsync"]
    assert len(steps) >= (5 if again else 14)
    for each in steps:
        serial, keys = each["after"]["serial"], each["after"]["keys"]
        assert serial in ((1, 2) if again else (None, 1)), each
        assert keys in ((1,) if again else (None, 0, 1)), each
        assert each["then"] == {"serial": 2 if again else 1, "keys": 1}, each
        if kind == "kill":
            assert each["status"] == signal.SIGKILL
            continue
        (complaint,) = each["said"]
        assert complaint["text"].endswith(" cannot be written: No space left on device") and "\n" not in complaint["text"]
        assert each["left"] == [] and (keys or 0) == each["files"], each
