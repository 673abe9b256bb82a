"""
Tests of the listings about monitoring a server: one is started, and its output is that of the page.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from tests.docs.listings import LISTINGS, Servers, normalized, stepsOf
from tests.peers import freePort
from tests.test_architecture import ROOT

__all__ = ["FOLDER", "TERMINALS", "Watched"]

FOLDER: Final = LISTINGS / "watching"

#: The terminals in the order of the page: later ones depend on earlier ones.
TERMINALS: Final = ("status", "stats", "cache", "explain", "trace", "top", "metrics")

#: Seconds to wait until a server can be controlled.
_PATIENCE: Final = 60.0

#: How often the whole page may be tried.
_TRIES: Final = 3

#: Parts that differ from run to run, and their replacements.
_VARYING: Final = (
    (re.compile(r"process +\d+"), "process 4711"),
    (re.compile(r"up (\d+ (d|h|min|s) ?)+"), "up 2 s "),
    (re.compile(r"txdns \d[^ ,]*"), "txdns 0.0"),
    (re.compile(r"-?\d+ s left"), "60 s left"),
    (re.compile(r" +\d+(\.\d+)? (ms|KB|MB|s)\b"), " 1 ms"),
    (re.compile(r"\d+(\.\d+)? queries per second|queries: [\d.]+ per second"), "0 queries per second"),
    (re.compile(r" +up to 1 ms.*\n|slowest recently:?(\n +\d+ ms .*)*"), ""),
    (re.compile(r"(path|left|age)=\S+"), r"\1=0"),
    (re.compile(r"( up to [\d.]+ m?s) .*"), r"\1"),
    (re.compile(r"(waited|memory) \d.*"), r"\1"),
)


def normalizedOutput(text: str) -> str:
    """
    Return the text without parts that differ from run to run.
    """
    text = normalized(text)
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return "\n".join([" ".join(line.split()) for line in text.splitlines() if line.strip() and " up to " not in line])


class Watched:
    """
    A running server.
    """

    def __init__(self, servers: Servers, port: int, page: int, folder: Path) -> None:
        self._servers = servers
        self._ports = {"10053": str(port), "5380": str(page)}
        self._folder = folder

    def run(self, typed: str) -> str:
        """
        Return the output of a command.
        """
        for shown, real in self._ports.items():
            typed = re.sub(rf"\b{shown}\b", real, typed)
        words = shlex.split(typed)
        if words[0] == "curl":
            _, _, address, _, _, wanted = words
            with urlopen(address) as page:
                printed = "\n".join([line for line in page.read().decode().splitlines() if wanted in line])
        else:
            printed = self._servers.run(words, self._folder)
        for shown, real in self._ports.items():
            printed = re.sub(rf"\b{real}\b", shown, printed)
        return printed


@contextmanager
def watching(servers: Servers, folder: Path) -> Iterator[Watched]:
    """
    Start a server as on the page, with a control socket of its own.
    """
    port, page = freePort("127.0.0.1"), freePort("127.0.0.1")
    socket = folder / "control.sock"
    words = f"-n --pidfile= txdns --interface 127.0.0.1 --port {port} --upstream udp:127.0.0.1:{servers.ports['5301']} --hosts-file="
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *words.split()]
    command += ["--http", f"127.0.0.1:{page}", "--control", str(socket)]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=output, stderr=output)
        before = os.environ.get("TXDNS_CONTROL")
        os.environ["TXDNS_CONTROL"] = str(socket)
        try:
            end = time.monotonic() + _PATIENCE
            while not socket.exists() and time.monotonic() < end and process.poll() is None:
                time.sleep(0.02)
            assert socket.exists(), log.read_text("utf-8")
            yield Watched(servers, port, page, folder)
            assert process.poll() is None, log.read_text("utf-8")
        finally:
            if before is None:
                del os.environ["TXDNS_CONTROL"]
            else:
                os.environ["TXDNS_CONTROL"] = before
            process.terminate()
            process.wait(_PATIENCE)


def differences(watched: Watched) -> list[tuple[str, str, str]]:
    """
    Return each command with its output and the output on the page, where these differ.
    """
    found = []
    for name in TERMINALS:
        steps = stepsOf((FOLDER / f"{name}.terminal").read_text("utf-8"), "$ ")
        assert steps, name
        for step in steps:
            told, shown = normalizedOutput(watched.run(step.typed)), normalizedOutput(step.shown)
            if told != shown:
                found.append((f"{name}: {step.typed}", told, shown))
    return found


def test_outputIsThatOfThePage(servers: Servers, tmp_path: Path) -> None:
    """
    The commands of the page print what the page shows.
    """
    found: list[tuple[str, str, str]] = []
    # The page counts queries, and on a busy machine one may be repeated: then the whole page is tried again.
    for number in range(_TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        with watching(servers, folder) as watched:
            found = differences(watched)
        if not found:
            break
    assert not found


def test_everyTerminalIsRun() -> None:
    """
    No terminal of the page is left out.
    """
    assert sorted(TERMINALS) == sorted(path.stem for path in FOLDER.glob("*.terminal"))


def test_otherOutputIsDetected() -> None:
    """
    Times, sizes and processes may differ from the page, and nothing else.
    """
    then = "txdns 1.2, process 12, up 3 h 2 min\n  queries: 7.5 per second"
    assert normalizedOutput(then) == normalizedOutput("txdns 0.1.dev0, process 9, up 2 s\n  queries: 0.0 per second")
    then = "total memory  3.5 MB\nwww.example.com. A: data, 9 s left"
    assert normalizedOutput(then) == normalizedOutput("total memory 12.0 KB\nwww.example.com. A: data, 299 s left")
    for shown in ("cache hits  3", "www.example.com. 300 IN A 192.0.2.80", "3 answers forgotten", "127.0.0.1:5301 udp 1 ms up"):
        assert normalizedOutput(shown) != normalizedOutput(shown.replace("3", "4").replace("up", "down"))
