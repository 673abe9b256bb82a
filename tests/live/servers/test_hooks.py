"""
Tests of C{twistd txdns} with hooks: each worker asks them for itself, and an operator switches them off in all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.twistds import Twistd, exchange, wait, workersOf
from tests.live.upstreams import Upstream
from tests.patience import PATIENCE

__all__: list[str] = []

_FILE = """
import time
from twisted_ext.hooks import PASS, hook, nxdomain

@hook(keep=60)
def ads(name):
    return nxdomain() if name.endswith("ads.example") else PASS

@hook(threads=True, seconds=1)
def slow(name):
    time.sleep(0.05)
    return nxdomain() if name == "slow.example" else PASS
"""


def _rcodes(server: Twistd, name: str) -> set[int]:
    return {exchange(server.port, name).flags & 15 for _ in range(20)}


def test_switchedOff(tmp_path: Path) -> None:
    """
    A hook that is switched off is passed in all workers, also in one that begins later and after a reload, until the server is started
    again.
    """
    file = tmp_path / "shop.py"
    file.write_text(_FILE)
    file.chmod(0o600)
    words = ["--hook", f"{file}:ads", "--hook", f"{file}:slow", "--workers", "2", "--control", f"{tmp_path}/control", "--client-rate", "0"]
    command = [sys.executable, "-P", "-m", "twisted_ext", "control", "--socket", str(tmp_path / "control")]

    def control(*more: str) -> str:
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    with Upstream(otherwise="192.0.2.80") as upstream:
        serving = Twistd(tmp_path, "--upstream", upstream.label, *words)
        with serving as server:
            assert (_rcodes(server, "x.ads.example"), _rcodes(server, "slow.example")) == ({3}, {3})
            said = control("hook", "off", "shop.py:none")
            assert said == "txdns control: there is no hook shop.py:none; there are shop.py:ads, shop.py:slow\n"
            assert control("hook", "off", "shop.py:ads").startswith("hook shop.py:ads is off")
            wait(lambda: _rcodes(server, "x.ads.example") == {0}, server)
            shown = control("hooks").splitlines()
            assert (shown[0], shown[2]) == ("shop.py:ads(name)  off", "shop.py:slow(name)")
            assert "hooks switched off: shop.py:ads" in control("status")
            first = workersOf(server)
            os.kill(first[0], signal.SIGKILL)
            wait(lambda: len([each for each in workersOf(server) if each not in first]) == 1, server)
            control("reload")
            wait(lambda: _rcodes(server, "y.ads.example") == {0}, server)
            assert control("hook", "on", "shop.py:ads") == "hook shop.py:ads is on\n"
            wait(lambda: _rcodes(server, "x.ads.example") == {3}, server)
            control("hook", "off", "shop.py:ads")
        with serving as server:
            wait(lambda: _rcodes(server, "x.ads.example") == {3}, server)


def _postgres(data: Path) -> Callable[[str], None]:
    """
    Make a database cluster, and return what executes C{start} and C{stop}.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not programs:
        pytest.skip("PostgreSQL is not installed; on Debian: apt install postgresql")
    # It does not run as root.
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(data, user)
    more = f"-c listen_addresses= -c unix_socket_directories={data}"

    def run(*words: str) -> None:
        command = [str(programs[-1]), "-D", str(data), "-s", "-w", *words]
        # What it starts keeps its standard output.
        quiet = subprocess.DEVNULL
        subprocess.run(command, user=user, cwd=data, stdin=quiet, stdout=quiet, stderr=quiet, check=True, timeout=PATIENCE)

    run("-o", "-A trust -U txdns --no-sync", "initdb")
    return lambda word: run("-o", more, "-l", str(data / "server.log"), "start") if word == "start" else run("-m", "immediate", "stop")


_CUSTOMERS = """
from twisted.enterprise import adbapi
from twisted_ext.hooks import PASS, hook, refuse

pool = adbapi.ConnectionPool("psycopg", "host={socket} user=txdns dbname=postgres", cp_reconnect=True)

@hook(keep=0, seconds=1, otherwise=refuse("the database does not respond"))
async def customer(client, name):
    rows = await pool.runQuery("SELECT plan FROM customers WHERE net >>= %s::inet", (client,))
    return refuse("ask the parents") if rows and rows[0][0] == "kids" else PASS
"""


@pytest.mark.long
def test_databaseThatStops(tmp_path: Path) -> None:
    """
    A hook asks PostgreSQL. Killed, it lets queries get what the hook says in its place, and started again, decides again.
    """
    psycopg = pytest.importorskip("psycopg")
    # Its own user cannot enter the folders of pytest, and a longer path is none of a socket.
    socket = Path(tempfile.mkdtemp())
    control = _postgres(socket)
    control("start")
    try:
        with psycopg.connect(f"host={socket} user=txdns dbname=postgres", autocommit=True) as database:
            database.execute("CREATE TABLE customers (net cidr, plan text)")
            database.execute("INSERT INTO customers VALUES ('127.0.0.2/32', 'kids'), ('127.0.0.0/30', 'all')")
        file = tmp_path / "shop.py"
        file.write_text(_CUSTOMERS.format(socket=socket))
        file.chmod(0o600)
        with Upstream(otherwise="192.0.2.80") as upstream:
            with Twistd(tmp_path, "--upstream", upstream.label, "--hook", f"{file}:customer", "--client-rate", "0") as server:
                assert _rcodes(server, "www.example") == {0}
                words = ["query", "-b", "127.0.0.2", f"@127.0.0.1:{server.port}", "www.example"]
                asked = subprocess.run([sys.executable, "-P", "-m", "twisted_ext", *words], capture_output=True, text=True, timeout=60)
                assert "ask the parents" in asked.stdout
                control("stop")
                wait(lambda: _rcodes(server, "www.example") == {5}, server)
                control("start")
                # After many failures it is asked once in 30 seconds.
                wait(lambda: exchange(server.port, "www.example").flags & 15 == 0, server)
                assert "has failed 20 times in a row" in server.text()
    finally:
        control("stop")
        shutil.rmtree(socket)
