"""
Tests of the listings about watching a server: one is started, and says what the page shows.
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

from tests.docs.listings import LISTINGS, Servers, alike, stepsOf
from tests.peers import freePort
from tests.test_architecture import ROOT

__all__ = ["FOLDER", "TERMINALS", "Watched"]

FOLDER: Final = LISTINGS / "watching"

#: What is typed, in the order of the page: later ones see what earlier ones did.
TERMINALS: Final = ("status", "stats", "cache", "explain", "trace", "top", "metrics")

#: Seconds that a server has until it can be controlled.
_PATIENCE: Final = 60.0

#: How often the whole page may be typed.
_TRIES: Final = 3

#: What differs from run to run, and what is put in its place.
_VARYING: Final = (
    (re.compile(r"process +\d+"), "process 4711"),
    (re.compile(r"up (\d+ (d|h|min|s) ?)+"), "up 2 s "),
    (re.compile(r"txdns \d[^ ,]*"), "txdns 0.0"),
    (re.compile(r"-?\d+ s left"), "60 s left"),
    (re.compile(r" +\d+(\.\d+)? (ms|KB|MB|s)\b"), " 1 ms"),
    (re.compile(r"\d+(\.\d+)? queries a second|queries: [\d.]+ a second"), "0 queries a second"),
    (re.compile(r" +up to 1 ms.*\n|took longest, of late:?(\n +\d+ ms .*)*"), ""),
    (re.compile(r"(path|left|age)=\S+"), r"\1=0"),
    (re.compile(r"( up to [\d.]+ m?s) .*"), r"\1"),
    (re.compile(r"(waited|memory) \d.*"), r"\1"),
)


def steady(text: str) -> str:
    """
    @return: the text without what differs from run to run.
    """
    text = alike(text)
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return "\n".join([" ".join(line.split()) for line in text.splitlines() if line.strip() and " up to " not in line])


class Watched:
    """
    A server that runs.
    """

    def __init__(self, servers: Servers, port: int, page: int, folder: Path) -> None:
        self._servers = servers
        self._ports = {"10053": str(port), "5380": str(page)}
        self._folder = folder

    def run(self, typed: str) -> str:
        """
        @return: what a command prints.
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
    A server started as the page says, with a control socket of its own.
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
    @return: what was typed, what is told, and what the page shows, where these are not the same.
    """
    found = []
    for name in TERMINALS:
        steps = stepsOf((FOLDER / f"{name}.terminal").read_text("utf-8"), "$ ")
        assert steps, name
        for step in steps:
            told, shown = steady(watched.run(step.typed)), steady(step.shown)
            if told != shown:
                found.append((f"{name}: {step.typed}", told, shown))
    return found


def test_showsWhatIsShown(servers: Servers, tmp_path: Path) -> None:
    """
    Whoever types what the page shows is told what the page shows.
    """
    found: list[tuple[str, str, str]] = []
    # The page counts questions, and on a busy machine one may be asked twice: then all of it is typed again.
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


def test_noticed() -> None:
    """
    Times, sizes and processes may differ from what is shown, and nothing else.
    """
    then = "txdns 1.2, process 12, up 3 h 2 min\n  queries: 7.5 a second"
    assert steady(then) == steady("txdns 0.1.dev0, process 9, up 2 s\n  queries: 0.0 a second")
    then = "memory in all  3.5 MB\nwww.example.com. A: data, 9 s left"
    assert steady(then) == steady("memory in all 12.0 KB\nwww.example.com. A: data, 299 s left")
    for shown in ("cache hits  3", "www.example.com. 300 IN A 192.0.2.80", "3 answers forgotten", "127.0.0.1:5301 udp 1 ms up"):
        assert steady(shown) != steady(shown.replace("3", "4").replace("up", "down"))
