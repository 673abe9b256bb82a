"""
Tests of the page for operators: its files are read, its server is started and queried, and the output is that of the page.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.docs.listings import LISTINGS, Servers, normalized, stepsOf
from tests.live.twistds import PATIENCE, exchange, twistd, wait
from tests.peers import freePort
from tests.test_architecture import ROOT

__all__ = ["FOLDER"]

FOLDER: Final = LISTINGS / "operating"

#: The port that the page's server listens at.
_PORT: Final = "5300"


@pytest.fixture
def folder(servers: Servers, request: pytest.FixtureRequest) -> Path:
    """
    Return the files of the page with real ports. The path is short, since the name of a Unix socket must fit.
    """
    made = Path(tempfile.mkdtemp(prefix="txdns-"))
    request.addfinalizer(lambda: shutil.rmtree(made))
    servers.copy(FOLDER, made)
    port = str(freePort("127.0.0.1"))
    for name in ("txdns.toml", "wrong.toml"):
        path = made / name
        text = re.sub(rf"\b{_PORT}\b", port, servers.real(path.read_text("utf-8")))
        path.write_text(text if servers.hasIPv6 else text.replace(', "::1"', ""), "utf-8")
    (made / "port").write_text(port)
    return made


def run(words: list[str], folder: Path, servers: Servers) -> str:
    """
    Return the output of a command of the page, with the ports of the page.
    """
    port = (folder / "port").read_text()
    words = [re.sub(rf"\b{_PORT}\b", port, word) for word in words]
    if words[0] == "twistd":
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            twistd(*words[1:]), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE
        )
        printed = servers.shown(done.stdout)
    else:
        printed = servers.run(words, folder)
    return re.sub(r"\d+ s left", "299 s left", printed.replace(port, _PORT).replace(f"{folder}/", ""))


def check(name: str, folder: Path, servers: Servers) -> None:
    """
    Type the commands of a terminal of the page, and compare their output.
    """
    for step in stepsOf((FOLDER / name).read_text("utf-8"), "$ "):
        assert normalized(run(shlex.split(step.typed), folder, servers)) == normalized(step.shown), step.typed


@pytest.mark.parametrize("name", ["checking.terminal", "wrong.terminal"])
def test_checksBeforeStart(name: str, folder: Path, servers: Servers) -> None:
    """
    The checks before a start print what the page shows.
    """
    check(name, folder, servers)


def test_serverAnswersAsThePageShows(folder: Path, servers: Servers) -> None:
    """
    The server of the page answers and is controlled as the page shows.
    """
    port = int((folder / "port").read_text())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "log").open("wb") as log:
        command = twistd("-n", "--pidfile=", "txdns", "--config", "txdns.toml")
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process:
            try:

                def answers() -> bool:
                    try:
                        return bool(exchange(port, "localhost").answer)
                    except OSError:
                        return process.poll() is not None

                wait(answers)
                assert process.poll() is None, (folder / "log").read_text()
                check("asking.terminal", folder, servers)
            finally:
                process.terminate()
                process.wait(PATIENCE)
