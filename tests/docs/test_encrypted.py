"""
Tests of the pages about encrypted transports: the certificate is made, the server started and queried, and programs run against it, all as
the pages show.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.listings import LISTINGS, Servers, normalized, stepsOf
from tests.live.twistds import PATIENCE, twistd, wait
from tests.peers import freePort
from tests.test_architecture import ROOT

__all__ = ["FOLDER", "Running", "simplified"]

FOLDER: Final = LISTINGS / "encrypted"

#: The ports that the page's server listens at.
_PORTS: Final = ("5300", "8853", "8443")

#: Parts that differ from run to run, and their replacements.
_VARYING: Final = (
    (re.compile(r"[A-Za-z0-9+/]{43}="), "PIN"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC \(\d+ days left\)"), "THE END"),
    (re.compile(r"^  (\S+) +[\d.]+ +[\d.]+ +([\d.]+ +)?#+$", re.MULTILINE), r"  \1 BAR"),
)


def simplified(text: str) -> str:
    """
    Return the text without what differs from run to run.
    """
    text = normalized(text.expandtabs())
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


class Running:
    """
    The server of the page, in a folder with its files.
    """

    def __init__(self, folder: Path, servers: Servers) -> None:
        self.folder = folder
        self._servers = servers
        self._ports = {port: str(freePort("127.0.0.1")) for port in _PORTS}

    def real(self, text: str) -> str:
        for port, own in self._ports.items():
            text = re.sub(rf"\b{port}\b", own, text)
        return text

    def write(self) -> None:
        """
        Write the page's files, with real ports, and make its certificate.
        """
        self._servers.copy(FOLDER, self.folder)
        for path in self.folder.iterdir():
            if path.suffix in (".toml", ".py"):
                path.write_text(self.real(self._servers.real(path.read_text("utf-8"))), "utf-8")
        for step in stepsOf((FOLDER / "certificate.terminal").read_text("utf-8"), "$ "):
            subprocess.run(shlex.split(step.typed), cwd=self.folder, check=True, capture_output=True)

    def run(self, typed: str) -> str:
        """
        Return the output of a command, with the ports of the page.
        """
        printed = self._servers.run(shlex.split(self.real(self._servers.real(typed))), self.folder)
        for port, own in self._ports.items():
            printed = re.sub(rf"\b{own}\b", port, printed)
        return printed


@pytest.fixture(scope="module")
def running(servers: Servers) -> Iterator[Running]:
    """
    Start the page's server.
    """
    folder = Path(tempfile.mkdtemp(prefix="txdns-"))
    try:
        page = Running(folder, servers)
        page.write()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        log = folder / "log"
        with log.open("wb") as output:
            command = twistd("-n", "--pidfile=", "txdns", "--config", "txdns.toml")
            with subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as process:
                try:
                    wait(lambda: b"answering at" in log.read_bytes() or process.poll() is not None)
                    assert process.poll() is None, log.read_text("utf-8")
                    yield page
                    assert process.poll() is None, log.read_text("utf-8")
                finally:
                    process.terminate()
                    process.wait(PATIENCE)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["query.terminal", "upstream.terminal", "lookup.shown", "impostors.shown"])
def test_outputIsThatOfThePage(name: str, running: Running) -> None:
    """
    The commands of a page print what the page shows.
    """
    steps = stepsOf((FOLDER / name).read_text("utf-8"), "$ ")
    assert steps
    for step in steps:
        assert simplified(running.run(step.typed)) == simplified(step.shown), step.typed


def test_otherOutputIsDetected() -> None:
    """
    Keys, times and dates may differ from the page, and nothing else.
    """
    assert simplified(f"  pin   {'A' * 43}=\n  TLS  1.0 2.0  3.0 ###") == simplified(f"  pin   {'B' * 43}=\n  TLS  2.0 4.0  3.0 #")
    assert simplified("resumes sessions") != simplified("does not resume sessions")
