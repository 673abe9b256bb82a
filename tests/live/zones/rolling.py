"""
A parent that does what CDS records say, by programs of BIND, and a client that asks a validating resolver all the time.
"""

from __future__ import annotations

import random
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.peers import LivePeer, bind, peer, unbound
from twisted_ext.errors import BadMessage
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import AD, DO, RD
from twisted_ext.wire.message import Message

__all__ = ["CHILD", "ZONE", "Asking", "Parent", "anchorOf", "dug", "namedFor", "parentOf", "resolverFor", "settingsOf"]

#: An OPT record with the DO flag.
_EDNS: Final = b"\0\0\x29\x04\xd0\0\0" + DO.to_bytes(2, "big") + b"\0\0"



#: The zone whose keys are replaced.
CHILD: Final = "child.example"

_PARENT: Final = """$TTL 2
@ SOA ns hostmaster 1 3600 600 86400 2
@ NS ns
ns A 127.0.0.1
child NS ns.child
ns.child A 127.0.0.1
"""

#: The zone, with names that there are.
ZONE: Final = "$TTL 2\n@ SOA ns hostmaster 1 2 1 1209600 2\n@ NS ns\nns A 127.0.0.1\n" + "".join(
    [f"n{each} A 192.0.2.{each}\n" for each in range(20)]
)

_SETTINGS: Final = """
state = "{folder}/state"

[[zone]]
name = "{zone}"
file = "{folder}/zone"
sign = "quick"
serial = "{serial}"
allow-transfer = ["127.0.0.1"]
notify = [{notified}]

[[signing-policy]]
name = "quick"
algorithm = "{algorithm}"
keys = "{keys}"
cds = true
dnskey-ttl = "2s"
roll = true
propagation = "6s"
parent-propagation = "1s"
parent-ds-ttl = "0s"
parental-agents = ["127.0.0.1:{parent}"]
parent-check = "1s"
insecure = {insecure}
"""

#: How far the signatures of CDS records may begin before they are looked at: those of a name begin at the same time for days.
_REPLAYED: Final = 60 * 86_400


def settingsOf(
    folder: Path,
    parent: int,
    secondaries: list[int],
    keys: str = "ksk+zsk",
    algorithm: str = "ecdsap256sha256",
    serial: str = "increment",
    insecure: str = "false",
) -> str:
    """
    Return settings by which keys are replaced in seconds.

    @param parent: the port of the parent's server, and C{secondaries} those of the zone's.
    """
    notified = ", ".join([f'"127.0.0.1:{port}"' for port in secondaries])
    return _SETTINGS.format(
        folder=folder, zone=CHILD, parent=parent, notified=notified, keys=keys, algorithm=algorithm, serial=serial,
        insecure=insecure,
    )  # fmt: skip


def parentOf() -> LivePeer:
    """
    Return named with the parent zone, which it signs.
    """
    return bind({"example": _PARENT}, zoneExtra="allow-update { any; }; dnssec-policy default;")


def dug(port: int, *words: str) -> str:
    """
    Return the records of a reply.
    """
    command = [str(peer("dig")), "@127.0.0.1", "-p", str(port), "+norec", "+noall", "+answer", "+time=2", "+tries=1", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def anchorOf(parent: LivePeer) -> str:
    """
    Return the DNSKEY record that validators trust.
    """
    giveUp = time.monotonic() + parent.patience
    while time.monotonic() < giveUp:
        for line in dug(parent.port, "example", "DNSKEY").splitlines():
            if " 257 " in " ".join(line.split()):
                return " ".join(line.split())
        time.sleep(0.1)
    raise AssertionError(f"the parent is not signed: {parent.log()}")


def resolverFor(anchor: str, parent: int, servers: list[int]) -> LivePeer:
    """
    Return Unbound, which validates, and asks these servers of the zone.
    """
    lines = [
        f'trust-anchor: "{anchor}"', "module-config: \"validator iterator\"", "ede: yes", "val-bogus-ttl: 1", "infra-host-ttl: 1",
        "cache-max-negative-ttl: 2", "val-log-level: 2",
        "stub-zone:", '  name: "example"', f"  stub-addr: 127.0.0.1@{parent}",
        "stub-zone:", f'  name: "{CHILD}"', *[f"  stub-addr: 127.0.0.1@{port}" for port in servers],
    ]  # fmt: skip
    return unbound(extra="\n".join(lines))


def namedFor(anchor: str, parent: int, servers: list[int]) -> LivePeer:
    """
    Return named, which does the same.
    """
    flags, protocol, algorithm, *key = anchor.split(" DNSKEY ")[1].split()

    def configure(server: LivePeer) -> str:
        folder = server.folder
        said = " ".join([f"127.0.0.1 port {port};" for port in servers])
        lines = [
            f'options {{ directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";',
            f'managed-keys-directory "{folder}"; listen-on port {server.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};',
            "recursion yes; allow-query { any; }; dnssec-validation yes; empty-zones-enable no; servfail-ttl 0; max-cache-size 64m; };",
            f'trust-anchors {{ "example" static-key {flags} {protocol} {algorithm} "{"".join(key)}"; }};',
            f'zone "example" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {parent}; }}; }};',
            f'zone "{CHILD}" {{ type forward; forward only; forwarders {{ {said} }}; }};',
            "controls { };",
        ]
        return "\n".join([*lines, ""])

    return LivePeer("named", ["-g", "-n", "1"], configure, "127.0.0.1", {})


class _Running:
    """
    Something that goes on in a thread.
    """

    #: Seconds between two turns.
    pause = 0.0

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(self.pause):
            self.turn()

    def turn(self) -> None:
        """
        Do it once.
        """
        raise NotImplementedError


class Parent(_Running):
    """
    Has C{dnssec-cds} judge the CDS records that the zone shows, and C{nsupdate} bring what follows to the parent.

    @ivar said: what it did, and what it refused to do.
    """

    pause = 0.5

    def __init__(self, folder: Path, parent: int, child: int) -> None:
        super().__init__()
        self.said: list[str] = []
        self._parent = parent
        self._child = child
        self._shown = folder / "shown"
        self._set = folder / "dsset"

    def begin(self, ds: str) -> None:
        """
        Take the first DS record, as from a registrar.
        """
        self._update(f"update add {CHILD}. 2 DS {ds}\nsend\n")

    def _update(self, text: str) -> None:
        text = f"server 127.0.0.1 {self._parent}\nzone example\n{text}"
        done = subprocess.run([str(peer("nsupdate"))], input=text, capture_output=True, text=True, check=False)
        self.said.append(f"{text}{done.stderr}")

    def turn(self) -> None:
        held = dug(self._parent, CHILD, "DS")
        shown = "".join([dug(self._child, "+dnssec", CHILD, kind) for kind in ("DNSKEY", "CDS", "CDNSKEY")])
        if not held or "CDS" not in shown:
            return
        self._set.write_text("\n".join([" ".join(line.split()) for line in held.splitlines()]) + "\n")
        self._shown.write_text(shown)
        words = ["-u", "-T", "2", "-s", f"-{_REPLAYED}", "-f", str(self._shown), "-d", str(self._set), CHILD]
        done = subprocess.run([str(peer("dnssec-cds")), *words], capture_output=True, text=True, check=False)
        if done.returncode:
            self.said.append(done.stderr)
        elif done.stdout.strip():
            self._update(done.stdout)


class Asking(_Running):
    """
    Asks a resolver for names that there are, and that there are not.

    @ivar counts: the replies, by what they say.
    @ivar wrong: those that are not as they should be.
    @ivar isSecure: whether they are to be secure from now on.
    """

    pause = 0.05

    def __init__(self, port: int) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.isSecure = False
        self._dice = random.Random(1)
        self._asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._asking.connect(("127.0.0.1", port))
        self._asking.settimeout(5)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        super().__exit__(kind, error, traceback)
        self._asking.close()

    def turn(self) -> None:
        dice, wanted = self._dice, self.isSecure
        name, rcode = (f"n{dice.randrange(20)}", 0) if dice.random() < 0.5 else (f"x{dice.randrange(1 << 30)}", 3)
        id = dice.randbytes(2)
        self._asking.send(id + buildQuery(RD, questionOf(f"{name}.{CHILD}").toWire(), _EDNS))
        said = "timeout"
        with suppress(OSError, BadMessage):
            octets = b""
            while octets[:2] != id:
                octets = self._asking.recv(4096)
            reply = Message.fromWire(octets)
            said = f"rcode {reply.rcode}{' secure' if reply.flags & AD else ''}"
            if reply.rcode != rcode or (wanted and not reply.flags & AD):
                told = () if reply.edns is None else reply.edns.options
                self.wrong.append(f"{time.strftime('%H:%M:%S')} {name}: {said} {told}")
        self.counts[said] += 1
