"""
A signed internet on loopback addresses for benchmarks of recursive resolvers: a root, top-level domains and domains, served by NSD.

It takes a network namespace of its own, because its servers are at port 53; see L{isolated}.
"""

from __future__ import annotations

import heapq
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from benchmarks.loads import query, right
from benchmarks.peering import CORES
from benchmarks.servers import PATH
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.testing.internet.seededsigner import SigningKey, signZone
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS, NS, SOA, A, typeName

__all__ = ["HOSTS", "TLDS", "Internet", "isolated", "packetsSent"]

#: Top-level domains, and hosts of each domain.
TLDS: Final = 8
HOSTS: Final = 25

#: The addresses of the servers of the root, of top-level domains and of domains.
_ROOT, _TLD, _LEAF = "127.1.0.1", "127.1.1.1", "127.1.2.1"

_TTL: Final = 3600
_DAYS: Final = 86_400

#: The environment variable that says that this process is in its namespace.
_INSIDE: Final = "TXDNS_BENCHMARK_NAMESPACE"

#: Seconds that servers get to load all zones.
_LOADING: Final = 60.0

#: The port of the servers while a relay in front of them delays all datagrams.
_BEHIND: Final = 5353


def isolated(module: str) -> str | None:
    """
    Run this program again in a network namespace of its own, unless it is in one.

    @param module: its name.

    @return: why that is not possible; L{None} inside of the namespace.
    """
    if os.environ.get(_INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return None
    unshare = shutil.which("unshare", path=PATH)
    if unshare is None:
        return "unshare is not installed (Debian: apt install util-linux)"
    words = [unshare, "--net"] if os.geteuid() == 0 else [unshare, "--net", "--map-root-user"]
    if subprocess.run([*words, "true"], capture_output=True).returncode:
        return "this user may not make a network namespace"
    os.environ[_INSIDE] = "1"
    os.execv(unshare, [*words, sys.executable, "-m", module, *sys.argv[1:]])


def packetsSent() -> int:
    """
    Return how many UDP datagrams have been sent in this namespace.
    """
    heads, values = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:")]
    return int(values[heads.index("OutDatagrams")])


@dataclass(frozen=True)
class Internet:
    """
    The zones, in a folder.

    @ivar domains: how many there are in each top-level domain.
    """

    folder: Path
    domains: int

    @property
    def hints(self) -> Path:
        return self.folder / "hints"

    @property
    def ds(self) -> Path:
        return self.folder / "anchor.ds"

    @property
    def key(self) -> Path:
        return self.folder / "anchor.key"

    def names(self, hosts: Sequence[int]) -> list[str]:
        """
        Return the names of these hosts of all domains except the first of each top-level domain, whose names are for warming up.
        """
        return [f"h{host}.d{domain}.t{tld}" for host in hosts for domain in range(1, self.domains) for tld in range(TLDS)]

    def answers(self, port: int, name: str = "h0.d0.t0", wait: float = 2.0) -> bool:
        """
        Return whether a resolver gives the address of a name.
        """
        host, domain, tld = [int(label[1:]) for label in name.split(".")]
        asked = query(1, name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(wait)
            with suppress(OSError):
                asking.connect(("127.0.0.1", port))
                asking.send(asked)
                return right(asked, asking.recv(4096), _address(tld, domain, host))
        return False

    def build(self) -> None:
        """
        Write all zones, signed with one key (ECDSA P-256, NSEC), the hints and the trust anchor.
        """
        key = SigningKey.generate(ECDSA_P256, "benchmark")
        root = _apex(".", "a.root.", _ROOT)
        for tld in range(TLDS):
            name = f"t{tld}."
            root += _delegation(name, _TLD, key)
            below = _apex(name, f"ns.{name}", _TLD)
            for number in range(self.domains):
                domain = f"d{number}.{name}"
                below += _delegation(domain, _LEAF, key)
                hosts = [_set(f"h{host}.{domain}", A, _address(tld, number, host)) for host in range(HOSTS)]
                self._write(domain, [*_apex(domain, f"ns.{domain}", _LEAF), *hosts], key)
            self._write(name, below, key)
        self._write(".", root, key)
        self.hints.write_text(f". 3600000 IN NS a.root.\na.root. 3600000 IN A {_ROOT}\n")
        self.ds.write_text(f". {_TTL} IN DS {rdataToText(DS, key.ds(nameFromText('.')))}\n")
        self.key.write_text(f". {_TTL} IN DNSKEY {rdataToText(DNSKEY, key.dnskey)}\n")

    def _write(self, zone: str, sets: Sequence[RRSet], key: SigningKey) -> None:
        now = int(time.time())
        signed = signZone(sets, [key], nameFromText(zone), now - _TTL, now + 30 * _DAYS)
        lines = [
            f"{nameToText(rrset.name)} {rrset.ttl} IN {typeName(rrset.rrType)} {rdataToText(rrset.rrType, rdata)}\n"
            for rrset in signed
            for rdata in rrset.rdatas
        ]
        self._file(zone).write_text("".join(lines))

    def _file(self, zone: str) -> Path:
        return self.folder / f"{zone.rstrip('.') or 'root'}.zone"

    @contextmanager
    def served(self, delay: float = 0.0) -> Iterator[None]:
        """
        Serve all zones from the last core.

        @param delay: seconds by which each datagram is delayed, in both directions.
        """
        tlds = [f"t{tld}." for tld in range(TLDS)]
        leaves = [f"d{domain}.{tld}" for tld in tlds for domain in range(self.domains)]
        running: list[subprocess.Popen[bytes]] = []
        try:
            for address, zones in ((_ROOT, ["."]), (_TLD, tlds), (_LEAF, leaves)):
                running.append(self._nsd(address, zones, _BEHIND if delay else 53))
            if delay:
                running.append(_started([sys.executable, "-m", "benchmarks.internets", str(delay)], self.folder / "relay.log"))
            self._await(running, leaves[-1])
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()

    def _nsd(self, address: str, zones: Sequence[str], port: int) -> subprocess.Popen[bytes]:
        folder = self.folder / address
        folder.mkdir(exist_ok=True)
        text = f"""\
server:
  ip-address: {address}
  port: {port}
  username: ""
  chroot: ""
  database: ""
  zonesdir: "{self.folder}"
  pidfile: "{folder}/pid"
  xfrdir: "{folder}"
  xfrdfile: "{folder}/xfrd"
  zonelistfile: "{folder}/zones"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""
        text += "".join([f'zone:\n  name: "{zone}"\n  zonefile: "{self._file(zone).name}"\n' for zone in zones])
        (folder / "conf").write_text(text)
        return _started([shutil.which("nsd", path=PATH) or "nsd", "-d", "-c", str(folder / "conf")], folder / "log")

    def _await(self, running: Sequence[subprocess.Popen[bytes]], last: str) -> None:
        asked = query(1, f"h0.{last}")
        ends = time.monotonic() + _LOADING
        while time.monotonic() < ends and all(process.poll() is None for process in running):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, suppress(OSError):
                asking.settimeout(0.2)
                asking.connect((_LEAF, 53))
                asking.send(asked)
                if asking.recv(4096)[7]:
                    return
        raise OSError("NSD does not serve the zones: see the log in its folder")


def _started(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    def prepare() -> None:
        os.sched_setaffinity(0, {CORES[-1]})

    if setpriv := shutil.which("setpriv"):
        words = [setpriv, "--pdeathsig", "KILL", "--", *words]
    with log.open("wb") as output:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=prepare)


def _address(tld: int, domain: int, host: int) -> bytes:
    return bytes((10, tld << 4 | domain >> 8, domain & 255, host))


def _set(name: str, rrType: int, rdata: bytes) -> RRSet:
    return RRSet(nameFromText(name), rrType, 1, _TTL, (rdata,))


def _apex(zone: str, server: str, address: str) -> list[RRSet]:
    soa = rdataFromText(SOA, f"{server} hostmaster.{zone if zone != '.' else 'root.'} 1 3600 900 604800 300")
    return [
        _set(zone, SOA, soa),
        _set(zone, NS, nameFromText(server)),
        _set(server, A, socket.inet_aton(address)),
    ]


def _delegation(zone: str, address: str, key: SigningKey) -> list[RRSet]:
    return [
        _set(zone, NS, nameFromText(f"ns.{zone}")),
        _set(f"ns.{zone}", A, socket.inet_aton(address)),
        _set(zone, DS, key.ds(nameFromText(zone))),
    ]


class _Relay:
    """
    Delays all datagrams between resolvers and one server.
    """

    def __init__(self, address: str, delay: float) -> None:
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind((address, 53))
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.connect((address, _BEHIND))
        self.sockets = (self.front, self.back)
        for each in self.sockets:
            each.setblocking(False)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._delay = delay
        self._number = 0
        # By the ID that the server sees: the ID and the address of the client.
        self._clients: dict[bytes, tuple[bytes, tuple[str, int]]] = {}
        self._order = 0
        self.waiting: list[tuple[float, int, bool, bytes]] = []

    def read(self, ready: socket.socket) -> None:
        due = time.monotonic() + self._delay
        with suppress(OSError):
            while True:
                octets, client = ready.recvfrom(4096)
                if ready is self.front:
                    self._number = self._number + 1 & 0xFFFF
                    key = self._number.to_bytes(2, "big")
                    self._clients[key] = octets[:2], client
                    octets = key + octets[2:]
                self._order += 1
                heapq.heappush(self.waiting, (due, self._order, ready is self.front, octets))

    def send(self) -> None:
        """
        Send what is due.
        """
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, onward, octets = heapq.heappop(self.waiting)
            with suppress(OSError):
                if onward:
                    self.back.send(octets)
                else:
                    number, client = self._clients[octets[:2]]
                    self.front.sendto(number + octets[2:], client)


def relay(delay: float) -> NoReturn:
    """
    Delay all datagrams of all servers.
    """
    relays = [_Relay(address, delay) for address in (_ROOT, _TLD, _LEAF)]
    owners = {each: relay for relay in relays for each in relay.sockets}
    while True:
        due = min([each.waiting[0][0] for each in relays if each.waiting], default=time.monotonic() + 1)
        ready, _, _ = select.select(list(owners), [], [], max(due - time.monotonic(), 0))
        for readable in ready:
            owners[readable].read(readable)
        for each in relays:
            each.send()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    relay(float(sys.argv[1]))
