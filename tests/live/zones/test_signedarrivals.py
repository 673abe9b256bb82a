"""
Zones that come unsigned from NSD, from Knot and from a database, are signed by this server, and are validated by Unbound.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.replicating import ADDRESS, KEY, SECRET, knotBeside, nsdBeside
from tests.live.zones.test_signedzones import ask
from tests.live.zones.test_updates import ROOT, ServerAddress
from tests.patience import PATIENCE
from tests.peers import LivePeer, peer, unbound
from twisted_ext.wire.codes import AD, Rcode
from twisted_ext.wire.message import Message

_ZONE = "$TTL 60\n@ SOA ns1 host {serial} 1 1 {expire} 60\n@ NS ns1\nns1 A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.53\n" + "".join(
    [f"h{number} A 192.0.2.{number}\n" for number in range(200)]
)


def dug(port: int, *words: str) -> list[str]:
    """
    Return the records that dig shows.
    """
    command = [str(peer("dig")), "+noall", "+answer", "-p", str(port), "@127.0.0.1", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


class Origin:
    """
    Where the zone comes from: each kind makes the same zone, and the same changes.

    @ivar setting: that of the zone with where it comes from.
    """

    def __init__(self, kind: str, folder: Path, ours: ServerAddress) -> None:
        self.kind = kind
        self.folder = folder
        self.text = _ZONE.format(serial=1, expire=6)
        self.server: LivePeer | None = None
        if kind == "sqlite":
            (folder / "zone").write_text(self.text)
            words = ["zone", "edit", "--store", str(folder / "db"), "--from", str(folder / "zone"), "--yes", "example.org"]
            subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True)
            self.setting = f'store = "{folder}/db"'
        else:
            self.server = (nsdBeside if kind == "nsd" else knotBeside)(ours, "example.org", primary=self.text)

    def __enter__(self) -> Self:
        if self.server is not None:
            self.server.__enter__()
            self.setting = f'primaries = ["{ADDRESS}:{self.server.port} key={KEY}"]'
        return self

    def __exit__(self, *raised: object) -> None:
        if self.server is not None:
            self.server.__exit__(None, None, None)

    def add(self, name: str, serial: int) -> None:
        """
        Add an address, as administrators of this kind do.

        @param serial: that of the version with it.
        """
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.folder / "db", isolation_level=None, timeout=PATIENCE)) as sql:
                sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) SELECT id, ?, 'A', 60, '192.0.2.99' FROM zones", (name,))
            return
        assert self.server is not None
        if self.kind == "knotd":
            for words in (["zone-begin"], ["zone-set", name, "60", "A", "192.0.2.99"], ["zone-commit"]):
                command = [str(peer("knotc")), "-s", f"{self.server.folder}/knot.sock", words[0], "example.org", *words[1:]]
                subprocess.run(command, check=True, capture_output=True)
            return
        # NSD compares the second in which a file was written.
        time.sleep(1.1)
        self.text = re.sub(r"host \d+", f"host {serial}", self.text) + f"{name} A 192.0.2.99\n"
        self.server.zoneFile("example.org").write_text(self.text)
        self.server.reload()


def isSecure(reply: Message, rcode: int = Rcode.NOERROR) -> bool:
    return bool(reply.flags & AD) and reply.rcode == rcode


@pytest.mark.parametrize("kind", ["nsd", "knotd", "sqlite"])
def test_signedOnArrival(tmp_path: Path, kind: str) -> None:
    """
    Unbound validates the zone, names that do not exist included, through changes, of which only the differences are transferred, and after
    C{kill -9}, when the signatures are those of before. When the primary is gone for too long, the zone has expired; when it is back, the
    zone is served and valid again.
    """
    ours = ServerAddress(tmp_path)
    (tmp_path / "keys").write_text(f"hmac-sha256:{KEY}:{SECRET}\n")
    (tmp_path / "keys").chmod(0o600)
    settings = tmp_path / "settings.toml"
    known: list[str] = []

    def resolving(check: Callable[[int], object]) -> None:
        """
        Check what a resolver without memory says.
        """
        known.extend(re.findall(r"the parent needs: example\.org\. IN DS (.*)", server.text()))
        extra = f'trust-anchor: "example.org. DS {known[0]}"\nlocal-zone: "example.org." nodefault'
        with unbound(forwardTo=[("127.0.0.1", ours.port)], extra=extra) as resolver:
            check(resolver.port)

    def isValid(port: int, *added: str) -> None:
        for name in ("h7", "h199", *added):
            assert isSecure(ask(port, f"{name}.example.org", "A")), (name, server.text())
        for name in ("h200", "a.h7", "zz"):
            assert isSecure(ask(port, f"{name}.example.org", "A"), Rcode.NXDOMAIN), (name, server.text())
        assert isSecure(ask(port, "sub.example.org", "DS"))

    def hasAddress(name: str) -> bool:
        return bool(ask(ours.port, f"{name}.example.org", "A").answer)

    def serial() -> int:
        soa = dug(ours.port, "+norec", "example.org", "SOA")
        return int(soa[0].split()[6]) if soa else 0

    server = Twistd(tmp_path, "--config", str(settings), port=ours.port)
    with Origin(kind, tmp_path, ours) as origin:
        settings.write_text(
            f'role = "serve"\nworkers = 2\nstate = "{tmp_path}/state"\nkey-file = "{tmp_path}/keys"\n[[zone]]\nname = "example.org"\n'
            f'{origin.setting}\nsign = "default"\nallow-transfer = ["127.0.0.0/8"]\n'
        )
        with server:
            wait(serial, server)
            resolving(isValid)
            for count in range(3):
                before = serial()
                name = f"new{count}"
                origin.add(name, 2 + count)
                wait(partial(hasAddress, name), server)
                assert serial() > before
                changes = dug(ours.port, "+tcp", "example.org", f"IXFR={before}")
                # Not the whole zone, of 200 names with four records each: SOA, the chain around the name, its address and signatures.
                assert 4 < len(changes) < 60, changes
            resolving(lambda port: isValid(port, "new0", "new1", "new2"))
            signature = dug(ours.port, "+norec", "+dnssec", "h7.example.org", "A")
            last = serial()
            os.kill(server.pid, signal.SIGKILL)
            os.killpg(server.pid, signal.SIGKILL)
        if origin.server is not None:
            origin.server.stop()
        with Twistd(tmp_path, "--config", str(settings), port=ours.port) as again:
            if origin.server is None:
                wait(serial, again)
            else:
                wait(lambda: "has expired" in again.text(), again)
                wait(lambda: ask(ours.port, "h7.example.org", "A").rcode == Rcode.SERVFAIL, again)
                origin.server.start()
                wait(lambda: ask(ours.port, "h7.example.org", "A").rcode == Rcode.NOERROR, again)
            assert dug(ours.port, "+norec", "+dnssec", "h7.example.org", "A") == signature
            assert serial() >= last
            assert "made the key" not in again.text()
            resolving(isValid)
