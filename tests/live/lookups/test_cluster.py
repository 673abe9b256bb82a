"""
C{txdns bulk} on several processes, which are killed: every name has one row in the end.

C{TXDNS_CLUSTER_NAMES=500000} and C{TXDNS_CLUSTER_KILLS=10} make these tests longer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from distributed import Client, Security

from tests.live.asking import zoneOf
from tests.patience import PATIENCE
from tests.peers import LivePeer, freePort, living, nsd
from twisted_ext.apps.cli.bulk.command import parseBulk
from twisted_ext.apps.cli.bulk.divided import _client

__all__: list[str] = []

_NAMES = int(os.environ.get("TXDNS_CLUSTER_NAMES", "60000"))
_KILLS = int(os.environ.get("TXDNS_CLUSTER_KILLS", "1"))

#: Names a second, so that not all is done before something can be killed.
_RATE = _NAMES // 4


@pytest.fixture(scope="module")
def server() -> Iterator[LivePeer]:
    """
    Start NSD with an address for every name.
    """
    with nsd({"bulk.example": zoneOf({"*": "A 192.0.2.1"})}) as running:
        yield running


class Study:
    """
    A run of the command, with a process group of its own.
    """

    def __init__(self, folder: Path, server: LivePeer, *words: str) -> None:
        self.output = folder / "out"
        self.input = folder / "names.txt"
        if not self.input.exists():
            self.input.write_text("".join([f"h{number}.bulk.example\n" for number in range(_NAMES)]))
        self.words = [str(self.input), f"@{server.address}:{server.port}", "--dask-local", "2", "--output", str(self.output), *words]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "twisted_ext.apps.cli.main", "bulk", *self.words]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True)
        return self.process

    def finish(self) -> str:
        """
        Wait until it has ended well, and return what it has said.
        """
        assert self.process is not None
        said = self.process.communicate(timeout=5 * PATIENCE)[1]
        assert self.process.returncode == 0, said
        assert self.left() == []
        return said

    def left(self) -> list[int]:
        """
        Return its processes, once those that end have ended.
        """
        assert self.process is not None
        until = time.monotonic() + PATIENCE
        while (found := living(self.process.pid)) and time.monotonic() < until:
            time.sleep(0.1)
        return found

    def workers(self) -> list[int]:
        """
        Return the processes that look names up.
        """
        assert self.process is not None
        found = []
        for pid in living(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"spawn_main" in words:
                found.append(pid)
        return found

    def waitFor(self, partitions: int) -> int:
        """
        Wait until so many are published, or the run has ended; return how many are.
        """
        until = time.monotonic() + 5 * PATIENCE
        while time.monotonic() < until:
            count = len([*self.output.glob("part-*")])
            if count >= partitions or (self.process is not None and self.process.poll() is not None):
                return count
            time.sleep(0.05)
        raise AssertionError(f"{count} of {partitions} partitions")

    def check(self) -> None:
        """
        Check that each name has one row, with its address.
        """
        rows: Counter[str] = Counter()
        for path in self.output.glob("part-*.jsonl"):
            with path.open() as file:
                for line in file:
                    row = json.loads(line)
                    assert row.get("data") == ["192.0.2.1"], row
                    rows[row["name"]] += 1
        assert (len(rows), rows.total()) == (_NAMES, _NAMES)
        assert [path.name for path in self.output.iterdir() if path.name.startswith(".")] == []


def test_processesShareTheWork(tmp_path: Path, server: LivePeer) -> None:
    """
    Two processes look up all names, and the same command finds nothing left to do. Progress is shown.
    """
    study = Study(tmp_path, server, "--progress")
    study.start()
    said = study.finish()
    assert f"{_NAMES:,} names in" in said and "2 workers" in said
    study.check()
    written = {path: path.stat().st_mtime_ns for path in study.output.iterdir()}
    study.start()
    study.finish()
    assert {path: path.stat().st_mtime_ns for path in study.output.iterdir()} == written


def test_killedWorkers(tmp_path: Path, server: LivePeer) -> None:
    """
    When a worker is killed, another one does its work, in the same run.
    """
    study = Study(tmp_path, server, "--rate", str(_RATE))
    study.start()
    for number in range(_KILLS):
        if study.waitFor(1 + number) and (workers := study.workers()):
            os.kill(workers[number % len(workers)], signal.SIGKILL)
    study.finish()
    study.check()


def test_killedCommand(tmp_path: Path, server: LivePeer) -> None:
    """
    When the command is killed or interrupted, its workers end, what is published stays as it is, and the same command does the rest.
    """
    study = Study(tmp_path, server, "--rate", str(_RATE))
    written: dict[Path, int] = {}
    for signalled in _KILLS * (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        process = study.start()
        study.waitFor(len(written) + 1)
        if process.poll() is None:
            # Ctrl-C reaches the workers too.
            (os.killpg if signalled == signal.SIGINT else os.kill)(process.pid, signalled)
        said = process.communicate(timeout=PATIENCE)[1]
        assert study.left() == []
        if signalled != signal.SIGKILL and process.returncode:
            assert process.returncode == 128 + signalled
            assert said.endswith("partitions are in " + str(study.output) + "; the same command goes on\n"), said
        before, written = written, {path: path.stat().st_mtime_ns for path in study.output.glob("part-*")}
        assert written.items() >= before.items()
    study.start()
    study.finish()
    study.check()


class Cluster:
    """
    A Dask scheduler and two workers, each in a process group of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.address = f"tcp://127.0.0.1:{freePort('127.0.0.1')}"
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def _run(self, *words: str) -> None:
        environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(self._folder)}
        with (self._folder / "cluster.log").open("ab") as log:
            command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True))

    def start(self) -> None:
        self._run("scheduler", "--host", "127.0.0.1", "--port", self.address.rpartition(":")[2])
        for _ in range(2):
            self._run("worker", self.address, "--nthreads", "1", "--host", "127.0.0.1", "--death-timeout", "60")

    def stop(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
        self.processes.clear()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """
    Return a cluster, which is stopped after the test.
    """
    made = Cluster(tmp_path)
    yield made
    made.stop()


def test_clusterSharesTheWork(tmp_path: Path, server: LivePeer, cluster: Cluster) -> None:
    """
    The workers of a cluster do what those of one machine do. When its scheduler is killed, the command says so and how to go on, and it
    does with a new one.
    """
    study = Study(tmp_path, server, "--rate", str(_RATE))
    place = study.words.index("--dask-local")
    study.words[place : place + 2] = ["--dask", cluster.address]
    for _ in range(_KILLS):
        cluster.start()
        process = study.start()
        there = study.waitFor(1 + len([*study.output.glob("part-*")]))
        cluster.processes[0].kill()
        said = process.communicate(timeout=2 * PATIENCE)[1]
        if process.returncode:
            assert process.returncode == 9, said
            assert "the same command goes on" in said, said
        assert len([*study.output.glob("part-*")]) >= there
        cluster.stop()
    cluster.start()
    study.start()
    study.finish()
    study.check()


def test_silentServer(tmp_path: Path) -> None:
    """
    Without a server the command says so and ends with the code for that, and nothing is published.
    """
    folder = tmp_path / "out"
    names = tmp_path / "names.txt"
    names.write_text("a.example\n")
    words = ["bulk", str(names), "@127.0.0.1:9", "--time", "1", "--dask-local", "1", "--output", str(folder)]
    done = subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], capture_output=True, text=True, timeout=5 * PATIENCE)
    assert done.returncode == 9, done.stderr
    assert "no name got a reply" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["_run.json"]


def test_strangersOfThisMachine() -> None:
    """
    The scheduler of C{--dask-local} listens at the loopback address only, and talks to nobody who lacks the keys of this run: not without
    TLS, and not with keys of their own.
    """
    with _client(parseBulk(["names", "--dask-local", "1", "--output", "out"])) as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        for stranger, security in ((address.replace("tls", "tcp"), None), (address, Security.temporary())):
            with pytest.raises((OSError, ValueError)):
                Client(stranger, security=security, timeout=2, set_as_default=False)
        assert client.submit(abs, -1, pure=False, retries=0).result() == 1
