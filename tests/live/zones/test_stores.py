"""
Live test of zones in a database: served, changed by SQL and by updates, and kept over a restart.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import dns.query
import dns.update

from tests.live.twistds import Twistd, wait
from tests.live.zones.test_updates import ROOT, ZONE, ServerAddress, ask, found, run, serialOf
from tests.patience import PATIENCE
from tests.peers import peer
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA, A


def test_databaseZoneFollowsSQLAndUpdates(tmp_path: Path) -> None:
    """
    A zone is put into a database by a command and served from it. Changes by SQL are served soon, changes by updates are in the database,
    and both survive a restart, even one without the database.
    """
    (tmp_path / "zone").write_text(ZONE)
    words = ["zone", "edit", "--store", str(tmp_path / "db"), "--from", str(tmp_path / "zone"), "--yes", "example.org"]
    subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True)
    (tmp_path / "settings.toml").write_text(
        f"""
role = "serve"
state = "{tmp_path}/state"
[[zone]]
name = "example.org"
store = "{tmp_path}/db"
update = ["address 127.0.0.0/8 subtree dyn A TXT"]
allow-transfer = ["127.0.0.0/8"]
"""
    )
    server = ServerAddress(tmp_path)
    with (
        closing(sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=PATIENCE)) as sql,
        Twistd(tmp_path, "--config", str(tmp_path / "settings.toml"), port=server.port) as twistd,
    ):
        wait(lambda: ask(server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
        assert serialOf(server) == 10
        sql.execute("INSERT INTO records (zone, owner, type, rdata) SELECT id, 'sql', 'A', '192.0.2.77' FROM zones")
        wait(lambda: found(server, "sql.example.org", A) == {"192.0.2.77"}, twistd)
        assert serialOf(server) == 11
        statements = f"server 127.0.0.1 {server.port}\nzone example.org\nupdate add n.dyn.example.org. 60 A 192.0.2.9\nsend\n"
        done = run(peer("nsupdate"), statements)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert sql.execute("SELECT type, ttl, rdata FROM records WHERE owner = 'n.dyn'").fetchall() == [("A", 60, "192.0.2.9")]
        assert sql.execute("SELECT serial FROM zones").fetchone() == (12,)
    with Twistd(tmp_path, "--config", str(tmp_path / "settings.toml"), port=server.port) as twistd:
        wait(lambda: ask(server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
        assert serialOf(server) == 12
        assert found(server, "n.dyn.example.org", A) == {"192.0.2.9"}
        assert found(server, "sql.example.org", A) == {"192.0.2.77"}
        done = run(peer("nsupdate"), statements.replace("192.0.2.9", "192.0.2.10"))
        assert (done.returncode, done.stderr) == (0, ""), done
    (tmp_path / "db").rename(tmp_path / "away")
    with Twistd(tmp_path, "--config", str(tmp_path / "settings.toml"), port=server.port) as twistd:
        wait(lambda: ask(server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
        assert serialOf(server) == 13
        assert found(server, "n.dyn.example.org", A) == {"192.0.2.9", "192.0.2.10"}


def _isServed(server: ServerAddress) -> bool:
    return ask(server, "example.org", SOA).rcode == Rcode.NOERROR


def _has(server: ServerAddress, number: int) -> bool:
    return found(server, f"n{number}.dyn.example.org", A) == {f"192.0.2.{number}"}


def test_twoServersUpdateOneDatabase(tmp_path: Path) -> None:
    """
    Updates that two servers of one database get at the same time are all made, and both serve all of them.
    """
    (tmp_path / "zone").write_text(ZONE)
    words = ["zone", "edit", "--store", str(tmp_path / "db"), "--from", str(tmp_path / "zone"), "--yes", "example.org"]
    subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True)
    with ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "settings.toml").write_text(
                f"""
role = "serve"
state = "{folder}/state"
control = "{folder}/control.sock"
[[zone]]
name = "example.org"
store = "{tmp_path}/db"
update = ["address 127.0.0.0/8 subtree dyn A TXT"]
"""
            )
            server = ServerAddress(folder)
            twistd = stack.enter_context(Twistd(folder, "--config", str(folder / "settings.toml"), port=server.port))
            wait(partial(_isServed, server), twistd)
            servers.append((server, twistd))

        def update(number: int) -> int:
            made = dns.update.UpdateMessage("example.org")
            made.add(f"n{number}.dyn", 60, "A", f"192.0.2.{number}")
            return dns.query.tcp(made, "127.0.0.1", PATIENCE, servers[number % 2][0].port).rcode()

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(update, range(80))) == [0] * 80
        for server, twistd in servers:
            for number in range(80):
                wait(partial(_has, server, number), twistd)
