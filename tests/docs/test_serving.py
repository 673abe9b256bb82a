"""
Tests of the listings with servers: each is started and queried, and its answers are those of the page.
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

from tests.docs.listings import LISTINGS, Servers, normalized, stepsOf
from tests.peers import freePort
from tests.test_architecture import ROOT

__all__ = ["FOLDER", "SERVERS"]

FOLDER: Final = LISTINGS / "serving"

#: The programs with servers.
SERVERS: Final = sorted(path.stem for path in FOLDER.glob("*.py"))

#: The port that they listen at.
_PORT: Final = "10053"

#: Seconds to wait until a server listens.
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
def test_answersAreThoseOfThePage(name: str, servers: Servers, tmp_path: Path) -> None:
    """
    A server of the page gives the answers that the page shows.
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
                assert normalized(printed.replace(port, _PORT).expandtabs()) == normalized(step.shown.expandtabs()), step.typed
            assert process.poll() is None, log.read_text("utf-8")
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def test_everyServerHasATerminal() -> None:
    """
    Each server has a terminal, and each terminal has its server.
    """
    assert SERVERS == sorted(path.stem for path in FOLDER.glob("*.terminal"))
