"""
The servers of the README, started with its commands.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.live.twistds import addresses, exchange, twistd, wait
from tests.patience import PATIENCE
from tests.peers import freePort
from twisted_ext.errors import BadMessage

__all__: list[str] = []

README = Path(__file__).parent.parent.parent / "README.rst"


def lines() -> list[str]:
    """
    Return the commands of the README that start a server, without the program.
    """
    found = [line.strip() for line in README.read_text("utf-8").splitlines() if line.startswith("    twistd -n txdns ")]
    return [line.removeprefix("twistd ") for line in found]


def test_readmeHasFourServers() -> None:
    """
    There is a command for each kind of server, so that the test below cannot pass without any.
    """
    assert len(lines()) == 4


@pytest.mark.parametrize(
    ("line", "name", "wanted"),
    # The recursive one has no root to ask here, and the encrypted one no upstream: both answer special names.
    list(
        zip(
            lines(),
            ("router.lan", "localhost", "localhost", "ns1.example.org"),
            ("192.168.1.1", "127.0.0.1", "127.0.0.1", "192.0.2.1"),
            strict=True,
        )
    ),
)
def test_readmeServersAnswer(tmp_path: Path, line: str, name: str, wanted: str) -> None:
    """
    Each of them answers according to its command, at other ports.
    """
    (tmp_path / "docs").symlink_to(README.parent / "docs")
    port = freePort("127.0.0.1")
    for encrypted in ("8853", "8443"):
        line = line.replace(encrypted, str(freePort("127.0.0.1")))
    words = shlex.split(line.replace("--port 5300", f"--port {port}"))
    assert str(port) in words
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(twistd("--pidfile=", *words, "--control", ""), cwd=tmp_path, stdout=log, stderr=log)

    def answers() -> bool:
        try:
            return addresses(exchange(port, name)) == [wanted]
        except (OSError, BadMessage):
            return False

    try:
        wait(answers)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        log.close()
