"""
Live tests of dynamic updates: C{nsupdate} and C{knsupdate} against our server, C{txdns update} against BIND and Knot DNS, and a server that
is killed during updates.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.knots import knot
from tests.live.twistds import Twistd, wait
from tests.patience import PATIENCE
from tests.peers import LivePeer, bind, freePort, peer
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import MX, SOA, TXT, A
from twisted_ext.zone.store.serials import serialIn

ROOT = Path(__file__).parents[3]
APEX = nameFromText("example.org")
SECRET = "c2VjcmV0IG9mIHRoZSBrZXkgZm9yIGRoY3A="
ZONE = """\
$TTL 300
@ SOA ns1 hostmaster 10 3600 600 86400 300
@ NS ns1
@ NS ns2
@ MX 10 mail
ns1 A 192.0.2.1
ns2 A 192.0.2.2
mail A 192.0.2.3
www CNAME mail
"""


class UpdatableServer:
    """
    Our server with one zone that accepts updates, in a process of its own.
    """

    address = "127.0.0.1"

    def __init__(self, folder: Path, *rules: str, zone: str = ZONE) -> None:
        self.folder = folder
        self.port = freePort("127.0.0.1")
        self.rules = rules
        (folder / "zone").write_text(zone)
        (folder / "keys").write_text(f'key "dhcp.example.org" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n')
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Start it, and wait until it answers.
        """
        words = [str(self.port), str(self.folder), "example.org", str(self.folder / "zone"), *self.rules]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "tests.live.zones.updated", *words], cwd=ROOT, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                ask(self, "example.org", SOA)
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """
        Stop it.
        """
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE)
            self.process = None


class ServerAddress:
    """
    The address of a C{twistd txdns}.
    """

    address = "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self.port = freePort(self.address)
        self.folder = folder


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[UpdatableServer]:
    """
    Start a server whose zone accepts updates with a key, and below one name from this machine.
    """
    server = UpdatableServer(tmp_path, "key dhcp.example.org zone ANY", "address 127.0.0.0/8 subtree dyn A TXT")
    server.start()
    yield server
    server.stop()


def exchange(server: UpdatableServer | ServerAddress | LivePeer, wire: bytes) -> Message:
    """
    Return the reply to a message over TCP.
    """
    with socket.create_connection((server.address, server.port), PATIENCE) as stream, stream.makefile("rb") as reading:
        stream.sendall(frame(wire))
        size = int.from_bytes(reading.read(2), "big")
        octets = reading.read(size)
    if not octets:
        raise OSError("closed")
    return Message.fromWire(octets).check()


def ask(server: UpdatableServer | ServerAddress | LivePeer, name: str, rrType: int) -> Message:
    """
    Query records over TCP.
    """
    return exchange(server, buildMessage(Message(1, 0, (Question(nameFromText(name), rrType),))))


def found(server: UpdatableServer | ServerAddress | LivePeer, name: str, rrType: int) -> set[str]:
    """
    Return the records of a name as text.
    """
    return {
        rdataToText(rrType, rdata) for rrset in ask(server, name, rrType).answer if rrset.rrType == rrType for rdata in rrset.rdatas
    }


def serialOf(server: UpdatableServer | ServerAddress | LivePeer, zone: str = "example.org") -> int:
    """
    Return the serial number in its answer.
    """
    return serialIn(ask(server, zone, SOA).answer[0].rdatas[0])


def run(program: str | Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """
    Run a program that reads statements.
    """
    command = [str(program), *words]
    return subprocess.run(command, input=script, capture_output=True, text=True, timeout=PATIENCE)


def txdns(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """
    Run C{txdns update}.
    """
    return subprocess.run(
        [sys.executable, "-m", "twisted_ext.apps.cli.main", "update", *words],
        input=script,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=ROOT,
    )


def target(server: UpdatableServer | ServerAddress | LivePeer, *, key: bool = True) -> str:
    """
    Return the statements that name the server, the zone and the key.
    """
    signed = f"key hmac-sha256:dhcp.example.org {SECRET}\n" if key else ""
    return f"server {server.address} {server.port}\nzone example.org\n{signed}"


CHANGES = """\
prereq nxdomain new.example.org.
prereq yxrrset mail.example.org. A
update add new.example.org. 60 A 192.0.2.9
update add new.example.org. 60 TXT "one" "two three"
update add deep.er.example.org. 60 MX 5 mail.example.org.
update delete www.example.org. CNAME
update delete mail.example.org. A 192.0.2.3
update add mail.example.org. 60 A 192.0.2.33
send
"""


def check(server: UpdatableServer | ServerAddress | LivePeer) -> None:
    """
    Check that L{CHANGES} were made.
    """
    assert found(server, "new.example.org", A) == {"192.0.2.9"}
    assert found(server, "new.example.org", TXT) == {'"one" "two three"'}
    assert found(server, "deep.er.example.org", MX) == {"5 mail.example.org."}
    assert found(server, "mail.example.org", A) == {"192.0.2.33"}
    assert ask(server, "er.example.org", A).rcode == Rcode.NOERROR
    assert ask(server, "www.example.org", A).rcode == Rcode.NXDOMAIN
    assert serialOf(server) > 10


@pytest.mark.parametrize("program", ["nsupdate", "knsupdate"])
@pytest.mark.parametrize("stream", [False, True])
def test_otherClientsUpdateOurZone(ours: UpdatableServer, program: str, stream: bool) -> None:
    """
    The clients of BIND and Knot change our zone over UDP and TCP, and get an error for each refused update.
    """
    command = peer(program)
    words = ["-v"] if stream else []
    done = run(command, target(ours) + CHANGES, *words)
    assert (done.returncode, done.stderr) == (0, ""), done
    check(ours)
    again = run(command, target(ours) + CHANGES, *words)
    assert again.returncode != 0 and "YXDOMAIN" in again.stdout + again.stderr, again
    unsigned = run(command, target(ours, key=False) + CHANGES.replace("nxdomain new", "nxdomain no"), *words)
    assert unsigned.returncode != 0 and "REFUSED" in unsigned.stdout + unsigned.stderr, unsigned
    wrong = target(ours).replace(SECRET, "d3Jvbmc=")
    bad = run(command, wrong + CHANGES, *words)
    assert bad.returncode != 0, bad
    outside = run(command, target(ours) + "update add www.example.com. 60 A 192.0.2.1\nsend\n", *words)
    assert outside.returncode != 0 and "NOTZONE" in outside.stdout + outside.stderr, outside
    local = run(command, target(ours, key=False) + "update add x.dyn.example.org. 60 A 192.0.2.7\nsend\n", *words)
    assert local.returncode == 0, local
    assert found(ours, "x.dyn.example.org", A) == {"192.0.2.7"}


def test_serverKeepsUpdatesAfterKill(tmp_path: Path) -> None:
    """
    C{twistd txdns serve} accepts updates according to its settings, transfers them by IXFR, and still has them after a kill.
    """
    (tmp_path / "zone").write_text(ZONE)
    key = subprocess.run(
        [sys.executable, "-m", "twisted_ext.apps.cli.main", "zone", "keygen", "-o", str(tmp_path / "key"), "dhcp.example.org"], cwd=ROOT
    )
    assert key.returncode == 0
    settings = f"""
role = "serve"
state = "{tmp_path}/state"
key-file = "{tmp_path}/key"
[[zone]]
name = "example.org"
file = "{tmp_path}/zone"
update = ["key dhcp.example.org subtree dyn A TXT"]
allow-transfer = ["127.0.0.0/8"]
"""
    (tmp_path / "settings.toml").write_text(settings)
    server = ServerAddress(tmp_path)
    for number in range(3):
        with Twistd(tmp_path, "--config", str(tmp_path / "settings.toml"), port=server.port) as twistd:
            wait(lambda: ask(server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
            for before in range(number):
                assert found(server, f"n{before}.dyn.example.org", A) == {"192.0.2.9"}
            assert serialOf(server) == 10 + number
            statements = f"server 127.0.0.1 {server.port}\nzone example.org\nupdate add n{number}.dyn.example.org. 60 A 192.0.2.9\nsend\n"
            done = run(peer("nsupdate"), statements, "-k", str(tmp_path / "key"))
            assert (done.returncode, done.stderr) == (0, ""), done
            done = run(peer("nsupdate"), statements.replace(".dyn", ""), "-k", str(tmp_path / "key"))
            assert done.returncode and "REFUSED" in done.stderr
            os.kill(twistd.pid, signal.SIGKILL)
    with Twistd(tmp_path, "--config", str(tmp_path / "settings.toml"), port=server.port) as twistd:
        wait(lambda: ask(server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
        transfer = [str(peer("dig")), "-p", str(server.port), "@127.0.0.1", "example.org", "IXFR=10", "+short"]
        lines = subprocess.run(transfer, capture_output=True, text=True, timeout=PATIENCE).stdout.splitlines()
        assert [line for line in lines if "ns1" not in line] == ["192.0.2.9"] * 3
        assert len(lines) == 7


def test_restartKeepsUpdates(ours: UpdatableServer) -> None:
    """
    The updated zone survives a restart.
    """
    assert txdns(target(ours) + CHANGES).returncode == 0
    serial = serialOf(ours)
    ours.stop()
    ours.start()
    check(ours)
    assert serialOf(ours) == serial


def _bind() -> LivePeer:
    allowed = "allow-update { key dhcp.example.org; };"
    server = bind({"example.org": ZONE}, zoneExtra=allowed)
    configure = server._configure
    server._configure = lambda peer: (
        f'key "dhcp.example.org" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n{configure(peer)}'
    )
    return server


def _knot() -> LivePeer:
    extra = f"""\
key:
  - id: dhcp.example.org
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: update
    key: dhcp.example.org
    action: update
"""
    return knot({"example.org": ZONE}, extra=extra, zoneExtra="acl: [loopback, update]\n")


@pytest.mark.parametrize("make", [_bind, _knot])
@pytest.mark.parametrize("stream", [False, True])
def test_txdnsUpdatesOtherServers(make: Callable[[], LivePeer], stream: bool) -> None:
    """
    C{txdns update} changes zones of BIND and Knot DNS, and reports each refusal in one line.
    """
    words = ["-v"] if stream else []
    with make() as server:
        done = txdns(target(server) + CHANGES, *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        check(server)
        again = txdns(target(server) + CHANGES, *words)
        assert again.returncode == 2 and "YXDOMAIN" in again.stderr, again
        assert len(again.stderr.splitlines()) == 1
        unsigned = txdns(target(server, key=False) + "update add n.example.org 60 A 192.0.2.1\nsend\n", *words)
        assert unsigned.returncode == 2, unsigned
        wrong = txdns(target(server).replace(SECRET, "d3Jvbmc=") + CHANGES, *words)
        assert wrong.returncode != 0, wrong
        # Without a zone name, the command queries the server for it.
        script = f"server {server.address} {server.port}\nkey dhcp.example.org {SECRET}\nupdate add z.example.org 60 A 192.0.2.1\n\n"
        assert txdns(script, *words).returncode == 0
        assert found(server, "z.example.org", A) == {"192.0.2.1"}


def test_killLosesNoAcknowledgedUpdate(ours: UpdatableServer) -> None:
    """
    A server that is killed at any moment during updates has every acknowledged update after its restart.
    """
    acknowledged = 0
    for round_ in range(6):
        serial = serialOf(ours)
        with socket.create_connection((ours.address, ours.port), PATIENCE) as stream, stream.makefile("rb") as reading:
            sent = acknowledged
            # The number of updates that one client may have waiting, so that the server is always writing.
            for _ in range(80):
                sent += 1
                name = nameFromText(f"n{sent}.dyn.example.org")
                record = RRSet(name, TXT, 1, 60, (rdataFromText(TXT, f"t{sent}"),))
                message = Message(sent & 0xFFFF, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (record,))
                stream.sendall(frame(buildMessage(message)))
            for _ in range(1 + 13 * round_):
                size = int.from_bytes(reading.read(2), "big")
                reply = Message.fromWire(reading.read(size))
                assert reply.rcode == Rcode.NOERROR
                acknowledged = max(acknowledged, reply.id)
            ours.stop(signal.SIGKILL)
        ours.start()
        assert serialOf(ours) > serial
        for number in range(1, acknowledged + 1):
            assert found(ours, f"n{number}.dyn.example.org", TXT) == {f'"t{number}"'}, number
        # Unacknowledged updates may be there or not, but not out of order.
        while found(ours, f"n{acknowledged + 1}.dyn.example.org", TXT):
            acknowledged += 1
