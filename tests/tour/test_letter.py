"""
The literal tour: no line before it, the servers that it names, the system's own files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.docs.listings import LISTINGS
from tests.docs.pages import stepsOf
from tests.test_architecture import ROOT
from tests.tour.machine import usable
from tests.tour.shells import CONCH, TXDNS, leave, typeSteps

__all__ = ["ENVIRONMENT", "MACHINE"]

MACHINE = ("-m", "tests.tour.machine")
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(LISTINGS / "tour"), str(ROOT)]), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(autouse=True)
def machine() -> None:
    """
    Skip where the system does not allow namespaces.
    """
    if not usable():
        pytest.skip("this system lets nobody have a network and mounts of their own (unshare --user --net --mount)")


@pytest.mark.parametrize("shell", [CONCH, TXDNS], ids=["conch", "txdns"])
def test_originalSessionIsTheSame(shell: tuple[str, ...], tmp_path: Path) -> None:
    """
    The lines of the original tour give its output, in a freshly started shell.
    """
    steps = stepsOf((Path(__file__).parent / "letter.session").read_text("utf-8"), ">>> ")
    with Terminal((*MACHINE, *shell), ENVIRONMENT, str(tmp_path)) as terminal:
        typeSteps(terminal, steps, shell)
        assert leave(terminal) == 0


def test_scriptPrintsTheSame(tmp_path: Path) -> None:
    """
    The script of the tour prints its original output.
    """
    words = [sys.executable, *MACHINE, str(LISTINGS / "tour" / "reverse_lookup.py"), "127.0.0.1"]
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=60)
    assert done.stdout == "1.0.0.127.in-addr.arpa IN <PTR name=localhost ttl=86400>\n"


def test_lowLevelQueryPrintsTheSame(tmp_path: Path) -> None:
    """
    The low-level query of the tour prints its original output.
    """
    words = [sys.executable, *MACHINE, str(LISTINGS / "tour" / "low_level.py"), "8.8.8.8", "53"]
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=60)
    assert done.stdout == "ANSWERS: [<AAAA address=2606:2800:220:6d:26bf:1447:1097:aa7 ttl=300>]\n"
