"""
Tests of images that another program truncates while a server has them mapped. Reading a missing page kills a process (SIGBUS).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.live.twistds import Twistd, wait, workersOf
from tests.live.zones.test_updates import ServerAddress, exchange
from tests.live.zones.test_workerzones import update
from tests.patience import PATIENCE
from twisted_ext.wire.codes import Rcode

#: Names of the zone, enough for its image to be mapped and not read, and updates that are acknowledged before it is truncated.
_NAMES = 5_000
_UPDATES = 20


def start(folder: Path, workers: int, port: int, name: str = "settings", zone: str = "") -> Twistd:
    """
    Return a server with one zone that accepts updates from here.
    """
    file = folder / "zone"
    if not file.exists():
        names = "".join([f"h{number} A 192.0.2.{number % 250}\nt{number} TXT \"{'x' * 100}\"\n" for number in range(_NAMES)])
        file.write_text(f"$TTL 300\n@ SOA ns mail 10 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n{names}")
    zone = zone or f'file = "{file}"\nupdate = ["address 127.0.0.0/8 zone ANY"]'
    (folder / f"state-{name}").mkdir(exist_ok=True)
    (folder / name).write_text(f'state = "{folder}/state-{name}"\nworkers = {workers}\n[[zone]]\nname = "example.org"\n{zone}\n')
    own = folder / f"run-{name}"
    own.mkdir(exist_ok=True)
    return Twistd(own, "serve", "--config", str(folder / name), port=port)


def addressOf(number: int) -> list[str]:
    """
    Return the address of one name.
    """
    return [f"192.0.2.{number % 250}"]


def change(folder: Path, server: Twistd) -> None:
    """
    Send updates and require that they are acknowledged.
    """
    for number in range(_UPDATES):
        assert exchange(serverAt(folder, server), update(f"new{number}.example.org", "192.0.2.77")).rcode == Rcode.NOERROR


def serverAt(folder: Path, server: Twistd) -> ServerAddress:
    """
    Return the address of a server.
    """
    served = ServerAddress(folder)
    served.port = server.port
    return served


def truncate(state: Path) -> int:
    """
    Truncate the image files.

    @return: how many there are.
    """
    count = 0
    for path in state.rglob("*"):
        # What is being transferred may be gone by now.
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_size > 1 << 17:
                os.truncate(path, 4096)
                count += 1
    return count


def readAll(server: Twistd, until: Callable[[], bool]) -> None:
    """
    Query names until a condition holds.
    """
    giveUp = time.monotonic() + PATIENCE
    number = 0
    while not until():
        assert time.monotonic() < giveUp, server.text()
        number += 7
        server.ask(f"h{number % _NAMES}.example.org", wait=0.3)


def wrongNames(server: Twistd) -> list[str]:
    """
    Return the names for which the server does not give the expected address, those added by updates first.
    """
    added = [f"new{number}" for number in range(_UPDATES)]
    asked = [(name, ["192.0.2.77"]) for name in added] + [(f"h{number}", addressOf(number)) for number in range(0, _NAMES, 97)]
    return [name for name, addresses in asked if server.ask(f"{name}.example.org", tries=20, wait=0.5) != addresses]


def test_singleProcessRestartsWithNewImage(tmp_path: Path) -> None:
    """
    A single process dies from the signal, which systemd counts as a failure (C{Restart=on-failure}). The next one rebuilds the image and
    has all acknowledged updates.
    """
    port = ServerAddress(tmp_path).port
    server = start(tmp_path, 1, port)
    with server:
        wait(lambda: server.ask("h1.example.org") == addressOf(1), server)
        change(tmp_path, server)
        assert truncate(tmp_path / "state-settings")
        process = server.process
        assert process is not None
        readAll(server, lambda: process.poll() is not None)
        assert process.returncode == -signal.SIGBUS
    with start(tmp_path, 1, port) as again:
        wait(lambda: again.ask("h1.example.org") == addressOf(1), again)
        assert wrongNames(again) == []
        assert "the image is rebuilt" in again.text()


def test_workersAreReplacedWithNewImage(tmp_path: Path) -> None:
    """
    Workers are replaced and have all acknowledged updates from a new image. The parent continues.
    """
    with start(tmp_path, 2, ServerAddress(tmp_path).port) as server:
        wait(lambda: server.text().count(" serves as process ") == 2, server)
        before = set(workersOf(server))
        change(tmp_path, server)
        assert truncate(tmp_path / "state-settings")
        readAll(server, lambda: not before & set(workersOf(server)))
        wait(lambda: " as before, " in server.text(), server)
        wait(lambda: not wrongNames(server), server)
        assert "(SIGBUS: a file that it had mapped was truncated)" in server.text()
        after = workersOf(server)
        # Updates still work, and no more workers are replaced.
        assert exchange(serverAt(tmp_path, server), update("last.example.org", "192.0.2.78")).rcode == Rcode.NOERROR
        for _ in range(20):
            assert server.ask("last.example.org", tries=5, wait=0.5) == ["192.0.2.78"]
        assert workersOf(server) == after


def test_secondaryFetchesTheZoneAgain(tmp_path: Path) -> None:
    """
    A secondary exits with a code after which it is restarted, since it has no master file. It transfers the zone again.
    """
    port, own = ServerAddress(tmp_path).port, ServerAddress(tmp_path).port
    zone = f'file = "{tmp_path}/zone"\nallow-transfer = ["127.0.0.1"]'
    primaries = f'primaries = ["127.0.0.1:{port}"]'
    with start(tmp_path, 1, port, "primary", zone) as primary:
        wait(lambda: primary.ask("h1.example.org") == addressOf(1), primary)
        server = start(tmp_path, 2, own, "secondary", primaries)
        with server:
            wait(lambda: server.ask("h1.example.org", wait=0.5) == addressOf(1), server)
            assert truncate(tmp_path / "state-secondary")
            process = server.process
            assert process is not None
            readAll(server, lambda: process.poll() is not None)
            assert process.returncode in (1, -signal.SIGBUS), server.text()
        with start(tmp_path, 2, own, "secondary", primaries) as again:
            wait(lambda: again.ask("h1.example.org", wait=0.5) == addressOf(1), again)
            wait(lambda: again.ask("h4999.example.org", wait=0.5) == addressOf(4999), again)
