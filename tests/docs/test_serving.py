"""
Tests of the listings that serve: each is started, asked what the page asks, and says what the page shows.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.docs.listings import LISTINGS, Servers, alike, stepsOf
from tests.peers import freePort
from tests.test_architecture import ROOT

__all__ = ["FOLDER", "SERVERS"]

FOLDER: Final = LISTINGS / "serving"

#: The programs that serve.
SERVERS: Final = sorted(path.stem for path in FOLDER.glob("*.py"))

#: The port that they listen at.
_PORT: Final = "10053"

#: Seconds that one has until it listens.
_PATIENCE: Final = 60.0


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as asking:
            if not asking.connect_ex(("127.0.0.1", port)):
                return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("name", SERVERS)
def test_servesWhatIsShown(name: str, servers: Servers, tmp_path: Path) -> None:
    """
    Whoever starts a server of the page and asks it gets what the page shows.
    """
    servers.copy(FOLDER, tmp_path)
    port = str(freePort("127.0.0.1"))
    program = tmp_path / f"{name}.py"
    program.write_text(program.read_text("utf-8").replace(_PORT, port), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, program.name], cwd=tmp_path, env=environment, stdout=output, stderr=output)
        try:
            assert _listens(int(port), process), log.read_text("utf-8")
            steps = stepsOf((FOLDER / f"{name}.terminal").read_text("utf-8"), "$ ")
            assert steps
            for step in steps:
                printed = servers.run(shlex.split(step.typed.replace(_PORT, port)), tmp_path)
                assert alike(printed.replace(port, _PORT).expandtabs()) == alike(step.shown.expandtabs()), step.typed
            assert process.poll() is None, log.read_text("utf-8")
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def test_everyServerIsShown() -> None:
    """
    Each of them has a terminal, and none of the terminals has lost its server.
    """
    assert SERVERS == sorted(path.stem for path in FOLDER.glob("*.terminal"))
