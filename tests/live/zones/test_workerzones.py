"""
Live tests of zones that several workers serve: changed by updates, transferred from other servers, with processes that are killed
meanwhile.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

import pytest

from tests.live.twistds import Twistd, wait, workersOf
from tests.live.zones.replicating import KEY, SECRET, HasAddress, bindBeside, knotBeside, nsdBeside
from tests.live.zones.test_updates import ROOT, ZONE, ServerAddress, ask, exchange, found, run, serialOf
from tests.patience import PATIENCE
from tests.peers import LivePeer, peer
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import IN, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA, A
from twisted_ext.zone.store.serials import serialIn

__all__: list[str] = []

APEX = nameFromText("example.org")

#: Queries from as many ports, one after the other, each of which reaches one of two workers.
_PORTS = 24


def settings(folder: Path, *zone: str) -> list[str]:
    """
    Return the options for two workers with one zone.
    """
    (folder / "keys").write_text(f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n')
    lines = [f'key-file = "{folder}/keys"', f'state = "{folder}/state"', "workers = 2", "[[zone]]", 'name = "example.org"', *zone]
    (folder / "settings").write_text("\n".join([*lines, ""]))
    (folder / "state").mkdir(exist_ok=True)
    return ["serve", "--config", str(folder / "settings")]


def updatable(folder: Path, *more: str) -> list[str]:
    """
    Return the same options for a zone that accepts updates from here.
    """
    (folder / "zone").write_text(ZONE)
    return settings(folder, f'file = "{folder}/zone"', 'update = ["address 127.0.0.0/8 zone ANY"]', *more)


def update(name: str, address: str) -> bytes:
    """
    Return an update that adds an address.
    """
    added = RRSet(nameFromText(name), A, IN, 60, (rdataFromText(A, address, APEX),))
    return buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (added,)))


def answers(server: Twistd, name: str, ports: int = _PORTS) -> set[tuple[str, ...]]:
    """
    Return the answers for a name from many ports. The query is repeated where a killed worker does not answer.
    """
    said: set[tuple[str, ...]] = set()
    for _ in range(ports):
        reply = server.ask(name, tries=60, wait=0.5)
        assert reply is not None, server.text()
        said.add(tuple(reply))
    return said


def serials(server: Twistd) -> set[int]:
    """
    Return the serial numbers from many ports, 0 where there is none.
    """
    found: set[int] = set()
    query = buildMessage(Message(1, 0, (Question(APEX, SOA),)))
    for _ in range(_PORTS):
        with socket(AF_INET, SOCK_DGRAM) as asking, suppress(TimeoutError):
            asking.settimeout(PATIENCE)
            asking.connect(("127.0.0.1", server.port))
            asking.send(query)
            sets = Message.fromWire(asking.recv(4096)).answer
            found.add(serialIn(sets[0].rdatas[0]) if sets else 0)
    return found


def test_allWorkersServeAcknowledgedUpdates(tmp_path: Path) -> None:
    """
    Every worker serves an update once it is acknowledged, and transfers it as a difference.
    """
    server = ServerAddress(tmp_path)
    with Twistd(tmp_path, *updatable(tmp_path, 'allow-transfer = ["127.0.0.1"]'), port=server.port) as twistd:
        wait(lambda: serials(twistd) == {10}, twistd)
        for number in range(20):
            name = f"n{number}.example.org"
            # The denial is cached.
            assert answers(twistd, name, 8) == {()}
            assert exchange(server, update(name, "192.0.2.77")).rcode == Rcode.NOERROR
            assert answers(twistd, name) == {("192.0.2.77",)}
        statements = f"server 127.0.0.1 {server.port}\nzone example.org\nupdate delete n3.example.org.\nsend\n"
        done = run(peer("nsupdate"), statements)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert answers(twistd, "n3.example.org") == {()}
        assert serials(twistd) == {31}
        before = RRSet(APEX, SOA, IN, 300, (rdataFromText(SOA, "ns1 hostmaster 25 3600 600 86400 300", APEX),))
        for _ in range(8):
            reply = exchange(server, buildMessage(Message(5, 0, (Question(APEX, IXFR),), (), (before,))))
            assert reply.rcode == Rcode.NOERROR
            # The reply has the differences, not the whole zone.
            assert nameFromText("ns1.example.org") not in [rrset.name for rrset in reply.answer]
            assert nameFromText("mail.example.org") not in [rrset.name for rrset in reply.answer]
        whole = exchange(server, buildMessage(Message(6, 0, (Question(APEX, AXFR),))))
        assert nameFromText("n19.example.org") in [rrset.name for rrset in whole.answer]
    assert "Traceback" not in twistd.text()


def test_workersEnforceAccessRules(tmp_path: Path) -> None:
    """
    Workers enforce the access rules: nothing is changed or transferred without the key, and both work with it. The zone is one that the
    worker sends itself.
    """
    (tmp_path / "zone").write_text(ZONE + "".join([f'h{number} TXT "{"x" * 60}"\n' for number in range(8000)]))
    server = ServerAddress(tmp_path)
    words = settings(
        tmp_path, f'file = "{tmp_path}/zone"', f'update = ["key {KEY} subtree dyn ANY"]', f'allow-transfer = ["key={KEY}"]'
    )
    with Twistd(tmp_path, *words, port=server.port) as twistd:
        wait(lambda: serials(twistd) == {10}, twistd)
        for _ in range(8):
            assert exchange(server, update("n.dyn.example.org", "192.0.2.1")).rcode == Rcode.REFUSED
            assert exchange(server, buildMessage(Message(6, 0, (Question(APEX, AXFR),)))).rcode == Rcode.REFUSED
        signed = f"server 127.0.0.1 {server.port}\nzone example.org\nkey hmac-sha256:{KEY} {SECRET}\n"
        assert "REFUSED" in run(peer("nsupdate"), f"{signed}update add other.example.org. 60 A 192.0.2.1\nsend\n").stderr
        strange = signed.replace(SECRET, "c2VjcmV0IHR3bw==")
        assert run(peer("nsupdate"), f"{strange}update add n.dyn.example.org. 60 A 192.0.2.1\nsend\n").returncode != 0
        assert serials(twistd) == {10}
        done = run(peer("nsupdate"), f"{signed}update add n.dyn.example.org. 60 A 192.0.2.1\nsend\n")
        assert (done.returncode, done.stderr) == (0, ""), done
        assert answers(twistd, "n.dyn.example.org") == {("192.0.2.1",)}
        dig = [str(peer("dig")), "@127.0.0.1", "-p", str(server.port), "-y", f"hmac-sha256:{KEY}:{SECRET}", "example.org", "AXFR"]
        for _ in range(4):
            given = subprocess.run(dig, capture_output=True, text=True, timeout=PATIENCE).stdout
            assert "n.dyn.example.org." in given and "h7999.example.org." in given and "TSIG" in given, given[-500:]
            assert "verify failure" not in given


@pytest.mark.parametrize("program", ["named", "knotd", "nsd"])
def test_workersServeTransferredZone(tmp_path: Path, program: str) -> None:
    """
    A NOTIFY to any worker keeps a secondary zone current, and all workers serve it.
    """
    beside = {"named": bindBeside, "knotd": knotBeside, "nsd": nsdBeside}[program]
    here: HasAddress = ServerAddress(tmp_path)
    with beside(here, "example.org", primary=ZONE) as theirs:
        words = settings(tmp_path, f'primaries = ["127.0.0.1:{theirs.port} key={KEY}"]', 'allow-transfer = ["127.0.0.1"]')
        with Twistd(tmp_path, *words, port=here.port) as twistd:
            wait(lambda: serials(twistd) == {10}, twistd)
            assert answers(twistd, "ns1.example.org") == {("192.0.2.1",)}
            for number in range(3):
                change(theirs, number)
                wait(partial(isAt, twistd, 11 + number), twistd)
                assert answers(twistd, f"new{number}.example.org") == {("192.0.2.99",)}
            os.kill(workersOf(twistd)[0], signal.SIGKILL)
            assert answers(twistd, "new2.example.org") == {("192.0.2.99",)}
        assert "Traceback" not in twistd.text()


def isAt(server: Twistd, serial: int) -> bool:
    """
    Return whether all workers have this serial number.
    """
    return serials(server) == {serial}


def has(server: LivePeer, name: str) -> bool:
    """
    Return whether a server has the address of these tests.
    """
    try:
        return found(server, name, A) == {"192.0.2.77"}
    except ConnectionError:
        # NSD replaces its server process after a transfer, which resets connections.
        return False


def change(server: LivePeer, number: int) -> None:
    """
    Add a record to the zone, in the way of this server.
    """
    if server.program == "nsd":
        lines = "".join([f"new{each} A 192.0.2.99\n" for each in range(number + 1)])
        file = server.zoneFile("example.org")
        file.write_text(ZONE.replace("hostmaster 10", f"hostmaster {11 + number}") + lines)
        # NSD compares the second in which a file was written.
        os.utime(file, (written := file.stat().st_mtime + 10 * (number + 1), written))
        server.reload()
        return
    statements = f"server 127.0.0.1 {server.port}\nzone example.org\nkey hmac-sha256:{KEY} {SECRET}\n"
    done = run(peer("nsupdate"), f"{statements}update add new{number}.example.org. 300 A 192.0.2.99\nsend\n")
    assert (done.returncode, done.stderr) == (0, ""), done


def test_NSDFollowsZoneOfWorkers(tmp_path: Path) -> None:
    """
    NSD follows a zone of two workers: it is notified of changes, and fetches the difference from either worker.
    """
    here = ServerAddress(tmp_path)
    with nsdBeside(here, "example.org") as theirs:
        more = [f'allow-transfer = ["key={KEY}"]', f'notify = ["127.0.0.1:{theirs.port} key={KEY}"]']
        with Twistd(tmp_path, *updatable(tmp_path, *more), port=here.port) as twistd:
            wait(lambda: serials(twistd) == {10}, twistd)
            for number in range(3):
                assert exchange(here, update(f"n{number}.example.org", "192.0.2.77")).rcode == Rcode.NOERROR
                wait(partial(has, theirs, f"n{number}.example.org"))


def test_killedWorkersLoseNoUpdate(tmp_path: Path) -> None:
    """
    Workers that are killed during updates lose no acknowledged update, and none answers as if it had. Neither does the parent, with which
    the workers end.
    """
    server = ServerAddress(tmp_path)
    words = updatable(tmp_path)
    done: list[str] = []
    with Twistd(tmp_path, *words, port=server.port) as twistd:
        wait(lambda: serials(twistd) == {10}, twistd)
        for number in range(60):
            if number in (15, 30, 45):
                os.kill(workersOf(twistd)[0], signal.SIGKILL)
            name = f"n{number}.example.org"
            # A connection may have belonged to the killed worker.
            with suppress(OSError):
                if exchange(server, update(name, "192.0.2.77")).rcode == Rcode.NOERROR:
                    done.append(name)
                    assert answers(twistd, name, 4) == {("192.0.2.77",)}
        assert len(done) > 50
        for name in done:
            assert answers(twistd, name, 4) == {("192.0.2.77",)}
        assert "Traceback" not in twistd.text()
        assert twistd.process is not None
        os.kill(twistd.pid, signal.SIGKILL)
        twistd.process.wait()
        wait(lambda: workersOf(twistd) == [])
    with Twistd(tmp_path, *words, port=server.port) as twistd:
        wait(lambda: 0 not in serials(twistd), twistd)
        for name in done:
            assert answers(twistd, name, 4) == {("192.0.2.77",)}
        # The folders of killed workers are removed, except that of the current ones.
        assert len(list((tmp_path / "state").glob("workers-*"))) <= 1


def test_workersServeDatabaseAndCodeZones(tmp_path: Path) -> None:
    """
    Workers serve zones from databases and from code too.
    """
    (tmp_path / "zone").write_text(ZONE)
    words = ["zone", "edit", "--store", str(tmp_path / "db"), "--from", str(tmp_path / "zone"), "--yes", "example.org"]
    subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True)
    (tmp_path / "pyzone.py").write_text(
        'zone = [SOA("example.net", mname="ns.example.net", rname="a.example.net", serial=3, refresh=1, retry=1, expire=1, minimum=1),'
        ' NS("example.net", "ns.example.net"), A("www.example.net", "192.0.2.5")]\n'
    )
    server = ServerAddress(tmp_path)
    options = settings(tmp_path, f'store = "{tmp_path}/db"', 'update = ["address 127.0.0.0/8 zone ANY"]')
    with (
        closing(sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=PATIENCE)) as sql,
        Twistd(tmp_path, *options, "--pyzone", str(tmp_path / "pyzone.py"), port=server.port) as twistd,
    ):
        wait(lambda: serials(twistd) == {10}, twistd)
        assert answers(twistd, "www.example.net") == {("192.0.2.5",)}
        sql.execute("INSERT INTO records (zone, owner, type, rdata) SELECT id, 'sql', 'A', '192.0.2.77' FROM zones")
        wait(lambda: answers(twistd, "sql.example.org") == {("192.0.2.77",)}, twistd)
        assert exchange(server, update("n.example.org", "192.0.2.9")).rcode == Rcode.NOERROR
        assert answers(twistd, "n.example.org") == {("192.0.2.9",)}
        assert serialOf(server) == 12
        assert ask(server, "www.example.net", A).rcode == Rcode.NOERROR
