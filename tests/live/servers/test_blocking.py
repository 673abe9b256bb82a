"""
Tests of C{twistd txdns} with block lists: a process of its own reads them, and workers share the table.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.live.twistds import Load, Twistd, exchange, wait, workersOf
from tests.live.upstreams import Upstream

__all__: list[str] = []


def _rcode(server: Twistd, name: str) -> int | None:
    try:
        return exchange(server.port, name).flags & 15
    except OSError:
        return None


def _mapped(process: int) -> bool:
    return ".blocked" in Path(f"/proc/{process}/maps").read_text()


def test_listChangesUnderLoad(tmp_path: Path) -> None:
    """
    While a list is read again, other queries are answered as before; then all workers, also a new one, block by the new list.
    """
    ads = tmp_path / "ads"
    ads.write_text("ads.example\n" + "".join([f"n{number}.example.net\n" for number in range(20_000)]))
    with Upstream(otherwise="192.0.2.80") as upstream:
        for number in range(50):
            upstream.canned.set(f"h{number}.example.org", "A", f"192.0.2.{number}")
        with Twistd(tmp_path, "--upstream", upstream.label, "--block-list", str(ads), "--workers", "2", "--client-rate", "0") as server:
            assert {_rcode(server, "x.ads.example") for _ in range(20)} == {3}
            assert _rcode(server, "new.example") == 0
            assert upstream.asked["udp", "x.ads.example.", "A"] == 0
            with Load(server.port) as load:
                ads.write_text("new.example\n")
                # Each worker answers some of these: the source port of a query decides which.
                wait(lambda: {_rcode(server, "x.new.example") for _ in range(20)} == {3}, server)
                assert {_rcode(server, "x.ads.example") for _ in range(20)} == {0}
            assert (load.lost, load.wrong) == (0, 0)
            first = workersOf(server)
            assert all(map(_mapped, first))
            os.kill(first[0], signal.SIGKILL)
            wait(lambda: len([each for each in workersOf(server) if each not in first and _mapped(each)]) == 1, server)
            wait(lambda: {_rcode(server, "y.new.example") for _ in range(20)} == {3}, server)


def test_addedList(tmp_path: Path) -> None:
    """
    A list that is added while the server runs is in force in all workers before the command ends.
    """
    names = "".join([f"n{number}.example.net\n" for number in range(200_000)])
    (tmp_path / "ads").write_text(f"ads.example\n{names}")
    (tmp_path / "more").write_text("more.example\n")
    words = ["--block-list", f"{tmp_path}/more", "--list", f"ads={tmp_path}/ads", "--state", f"{tmp_path}/state"]
    words += ["--control", f"{tmp_path}/control"]
    with Upstream(otherwise="192.0.2.80") as upstream:
        with Twistd(tmp_path, "--upstream", upstream.label, *words, "--workers", "2") as server:
            assert (_rcode(server, "more.example"), _rcode(server, "ads.example")) == (3, 0)
            command = [sys.executable, "-P", "-m", "twisted_ext", "control", "--socket", str(tmp_path / "control"), "setting", "add"]
            done = subprocess.run([*command, "lists", "ads"], capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (0, "")
            assert {_rcode(server, "x.ads.example") for _ in range(20)} == {3}


def test_hostileLists(tmp_path: Path) -> None:
    """
    A server starts and answers whatever is in the place of its lists: a pipe, a loop of links, a device, a huge line, a file of 2 GB, or
    nothing. The lists that can be read are in force.
    """
    for name, make in (
        ("pipe", os.mkfifo),
        ("loop", lambda path: os.symlink(path, path)),
        ("device", lambda path: os.symlink("/dev/zero", path)),
        ("line", lambda path: Path(path).write_bytes(b"x" * (30 << 20))),
        ("large", lambda path: Path(path).touch()),
        ("good", lambda path: Path(path).write_text("ads.example\n")),
    ):
        make(str(tmp_path / name))
    os.truncate(tmp_path / "large", 2 << 30)
    names = ["pipe", "loop", "device", "line", "large", "gone", "good"]
    words = [word for name in names for word in ("--block-list", str(tmp_path / name))]
    with Upstream(otherwise="192.0.2.80") as upstream, Twistd(tmp_path, "--upstream", upstream.label, *words) as server:
        assert _rcode(server, "ads.example") == 3
        assert server.ask("www.example.org") == ["192.0.2.80"]
        wait(lambda: all(f"block list {tmp_path}/{name}: " in server.text() for name in names[:-1]), server)
