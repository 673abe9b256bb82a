"""
Tests of the page on serving zones: its files are read, its server is started, queried and reloaded, and the output is that of the page.
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

_FOLDER: Final = LISTINGS / "authority"

#: The port that the page's server listens at.
_PORT: Final = "5300"


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """
    Return the files of the page with a real port. The path is short, since the name of a Unix socket must fit.
    """
    made = Path(tempfile.mkdtemp(prefix="txdns-"))
    request.addfinalizer(lambda: shutil.rmtree(made))
    for path in _FOLDER.iterdir():
        shutil.copy(path, made / path.name)
    port = str(freePort("127.0.0.1"))
    settings = made / "authority.toml"
    settings.write_text(re.sub(rf"\b{_PORT}\b", port, settings.read_text("utf-8")), "utf-8")
    (made / "port").write_text(port)
    return made


def check(name: str, folder: Path, servers: Servers) -> None:
    """
    Type the commands of a terminal of the page, and compare their output.
    """
    port = (folder / "port").read_text()
    for step in stepsOf((_FOLDER / name).read_text("utf-8"), "$ "):
        words = [re.sub(rf"\b{_PORT}\b", port, word) for word in shlex.split(step.typed)]
        if words[0] == "cp":
            # Replace the file atomically, like an editor.
            shutil.copy(folder / words[1], folder / ".new")
            (folder / ".new").rename(folder / words[2])
            continue
        printed = servers.run(words, folder).replace(f"{folder}/", "").replace(port, _PORT)
        assert normalized(printed) == normalized(step.shown), step.typed


def test_serverAnswersAsThePageShows(folder: Path, servers: Servers) -> None:
    """
    The server of the page answers as the page shows, and loads changed files as the page shows.
    """
    port = int((folder / "port").read_text())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "log").open("wb") as log:
        command = twistd("-n", "--pidfile=", "txdns", "--no-watch", "--config", "authority.toml")
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process:
            try:

                def answers() -> bool:
                    try:
                        return bool(exchange(port, "www.example.org").answer)
                    except OSError:
                        return process.poll() is not None

                wait(answers)
                assert process.poll() is None, (folder / "log").read_text()
                check("asking.terminal", folder, servers)
                check("reloading.terminal", folder, servers)
            finally:
                process.terminate()
                process.wait(PATIENCE)
