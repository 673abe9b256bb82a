"""
Servers that C{txdns} runs by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.twistds import Twistd, wait
from tests.patience import PATIENCE

__all__: list[str] = []

_TXDNS = [sys.executable, "-P", "-m", "twisted_ext.apps.cli.main"]

_ZONE = "@ 300 SOA ns hostmaster {serial} 3600 600 86400 300\n@ 300 NS ns\nns 300 A 192.0.2.1\nwww 300 A 192.0.2.{serial}\n"


class _Launched(Twistd):
    """
    One C{txdns forward}, C{txdns recurse} or C{txdns serve}.
    """

    def __init__(self, folder: Path, role: str, *words: str, port: int | None = None) -> None:
        super().__init__(folder, *words, port=port)
        own = self.words.index("txdns") + 1
        self.words = [role, *self.words[own:]]

    @property
    def command(self) -> list[str]:
        return [*_TXDNS, *self.words]


@pytest.mark.parametrize("role", ["forward", "recurse", "serve"])
def test_answersReloadsAndEnds(role: str, tmp_path: Path) -> None:
    """
    It answers, reads its settings again at SIGHUP, and ends by the signal that stops it, with a log as that of C{twistd -n} and without a
    file of its own.
    """
    zone = tmp_path / "zone"
    zone.write_text(_ZONE.format(serial=1))
    config = tmp_path / "txdns.toml"
    config.write_text(f'[[zone]]\nname = "test.example"\nfile = "{zone}"\n')
    with _Launched(tmp_path, role, "--config", str(config), "--state", "") as server:
        wait(lambda: server.gives("www.test.example", ["192.0.2.1"]), server)
        zone.write_text(_ZONE.format(serial=2))
        os.kill(server.pid, signal.SIGHUP)
        wait(lambda: server.gives("www.test.example", ["192.0.2.2"]), server)
        assert server.stop() == -signal.SIGTERM
    log = server.text().splitlines()
    assert f"[info] txdns {role} " in log[0] and log[0].endswith(" starting up")
    assert any("answering at udp 127.0.0.1" in line for line in log) and log[-1].endswith("[info] stopped")
    assert not list(tmp_path.glob("*.pid"))


def test_workers(tmp_path: Path) -> None:
    """
    It has worker processes, which end with it.
    """
    with _Launched(tmp_path, "forward", "--workers", "2", "--upstream", "127.0.0.1:1", "--local", "a.lan A 192.0.2.7") as server:
        wait(lambda: server.gives("a.lan", ["192.0.2.7"]), server)
        os.kill(server.pid, signal.SIGINT)
        assert server.process is not None and server.process.wait(PATIENCE) == -signal.SIGINT
    assert "critical" not in server.text()


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["forward", "--upstrem", "192.0.2.1"], 78, "txdns forward: option --upstrem not recognized; did you mean --upstream?"),
        (["serve"], 78, "txdns serve: there is no zone to serve; "),
        (["recurse", "x"], 78, "txdns recurse: unexpected argument 'x'; txdns recurse --help lists what there is"),
        (["forward", "--config", "/nonexistent/a"], 78, "txdns forward: /nonexistent/a: cannot be read: No such file or directory"),
    ],
)
def test_mistakesAreOneLine(words: list[str], code: int, line: str, tmp_path: Path) -> None:
    """
    What is wrong is one line, which begins with the command.
    """
    done = subprocess.run([*_TXDNS, *words], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1, done.stderr


def test_faultsOfTheStartAreOneLine(tmp_path: Path) -> None:
    """
    What is found only when the server starts is one line as well.
    """
    words = ["--interface", "127.0.0.1", "--port", "0", "--state", "", "--upstream", "127.0.0.1:1", "--control", str(tmp_path)]
    done = subprocess.run([*_TXDNS, "forward", *words], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    line = f"txdns forward: control: {tmp_path} is there already and is not a socket; give this one another path\n"
    assert (done.returncode, done.stderr) == (1, line)
    assert "error" not in done.stdout
