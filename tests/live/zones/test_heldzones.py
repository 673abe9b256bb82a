"""
Live tests of zones that a folder has lost: they are held, also by the next server.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import Twistd, wait

__all__: list[str] = []

_ZONE: Final = "@ 300 SOA ns host 10 1h 15m 1w 5m\n@ 300 NS ns\nns 300 A 192.0.2.1\nwww 300 A 192.0.2.80\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_heldAfterKill(tmp_path: Path, workers: int) -> None:
    """
    A server that is killed while it holds zones holds them again, and so does one whose folder is empty when it starts. A reload takes it,
    also for servers after that.
    """
    folder = tmp_path / "zones"
    folder.mkdir()
    aside = tmp_path / "aside"
    for number in range(40):
        (folder / f"z{number}.example").write_text(f"$ORIGIN z{number}.example.\n{_ZONE}")

    def server() -> Twistd:
        return Twistd(tmp_path, "--role", "serve", "--zones", str(folder), "--state", str(tmp_path / "state"), "--workers", str(workers))

    def serves(here: Twistd, *numbers: int) -> bool:
        return all(here.gives(f"www.z{number}.example", ["192.0.2.80"]) for number in numbers)

    with server() as here:
        wait(lambda: serves(here, *range(40)), here)
        os.killpg(here.pid, signal.SIGKILL)
    folder.rename(aside)
    folder.mkdir()
    with server() as here:
        wait(lambda: serves(here, *range(40)), here)
        assert f"{folder}: 40 of 40 zones are gone, and are served as before" in here.text()
        for number in range(3):
            (aside / f"z{number}.example").rename(folder / f"z{number}.example")
        os.killpg(here.pid, signal.SIGKILL)
    with server() as here:
        wait(lambda: serves(here, *range(40)), here)
        assert f"{folder}: 37 of 40 zones are gone, and are served as before; to take that: txdns control reload" in here.text()
        os.kill(here.pid, signal.SIGHUP)
        wait(lambda: here.gives("www.z39.example", []) and serves(here, 0, 1, 2), here)
        wait(lambda: "z39.example" not in (tmp_path / "state" / "listed-zones.json").read_text(), here)
        os.killpg(here.pid, signal.SIGKILL)
    with server() as here:
        wait(lambda: serves(here, 0, 1, 2), here)
        assert not here.gives("www.z39.example", ["192.0.2.80"])
        assert "are gone" not in here.text()
