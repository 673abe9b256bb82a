"""
Secondaries of many small zones of one primary: how long they take to get all zones, and to get all of them again after each has changed.
The primary is our server or Knot DNS. The secondaries are NSD, BIND, Knot DNS and PowerDNS.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.live.twistds import twistd
from tests.pdns import hasPowerDNS
from tests.peers import LivePeer, freePort, living, peer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.rrtypes import SOA

__all__ = ["ADDRESS", "FOLLOWERS", "PRIMARIES", "Durations", "followerOf", "hasFollower", "measure", "measureRounds"]

ADDRESS: Final = "127.0.0.1"

PRIMARIES: Final = ("ours", "knotd")
FOLLOWERS: Final = ("nsd", "named", "knotd", "pdns_server")

#: Outstanding queries to a server.
_WINDOW: Final = 100

#: Seconds between two rounds of queries.
_PAUSE: Final = 0.25


@dataclass
class Durations:
    """
    Seconds.

    @ivar first: from the start of the server that follows until it has all zones.
    @ivar changed: from the order to the primary to read its files again until all zones have been fetched again.
    """

    first: float
    changed: float


def hasFollower(program: str) -> bool:
    """
    Return whether the program is installed. PowerDNS needs its module for master files as well.
    """
    return hasPowerDNS() if program == "pdns_server" else bool(peer(program))


def names(count: int) -> list[str]:
    """
    Return the names of the zones.
    """
    return [f"zone{number}.test" for number in range(count)]


def _write(folder: Path, zones: Sequence[str], serial: int) -> None:
    for name in zones:
        beside = folder / f".{name}"
        beside.write_text(
            f"$ORIGIN {name}.\n$TTL 300\n@ SOA ns mail {serial} 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.{serial}\n"
            "@ MX 10 mail\nmail A 192.0.2.25\n"
        )
        beside.rename(folder / f"{name}.zone")


def _current(address: str, port: int, zones: Sequence[str], serial: int) -> set[str]:
    """
    Return which of these zones a server has with this serial number.
    """
    found: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((address, port))
        for begin in range(0, len(zones), _WINDOW):
            some = zones[begin : begin + _WINDOW]
            for number, name in enumerate(some, begin):
                try:
                    asking.send(number.to_bytes(2, "big") + buildQuery(0, questionOf(name, "SOA").toWire(), b""))
                except ConnectionError:
                    return found
            left = len(some)
            good = 0
            while left and select.select([asking], [], [], 0.5)[0]:
                try:
                    reply = asking.recv(4096)
                except ConnectionError:
                    return found
                left -= 1
                # Count replies with one answer and the right serial number.
                if reply[3] & 15 == 0 and reply[7] == 1 and _serialIn(reply) == serial:
                    good += 1
                    found.add(zones[int.from_bytes(reply[:2], "big")])
            if not good:
                # The server has none of them yet.
                return found
    return found


def _serialIn(reply: bytes) -> int:
    from twisted_ext.wire.message import Message
    from twisted_ext.zone.store.serials import serialIn

    return serialIn(next(rrset for rrset in Message.fromWire(reply).answer if rrset.rrType == SOA).rdatas[0])


def _until(port: int, zones: Sequence[str], serial: int, patience: float, lastWords: Callable[[], str]) -> None:
    missing = list(zones)
    end = time.monotonic() + patience
    while missing:
        found = _current(ADDRESS, port, missing, serial)
        missing = [name for name in missing if name not in found]
        if missing:
            assert time.monotonic() < end, f"{len(missing)} of {len(zones)} zones are missing: {lastWords()[-2000:]}"
            time.sleep(_PAUSE)


# -- primaries


@contextmanager
def _ours(folder: Path, zones: Sequence[str], port: int, followers: Sequence[int]) -> Iterator[Callable[[], object]]:
    notified = ", ".join([f'"{ADDRESS}:{follower}"' for follower in followers])
    terms = f'allow-transfer = ["127.0.0.0/8"]\nnotify = [{notified}]\n'
    lines = [f'state = "{folder}/state"\nwatch = false\n']
    lines += [f'[[zone]]\nname = "{name}"\nfile = "{folder}/{name}.zone"\n{terms}' for name in zones]
    settings = folder / "settings"
    settings.write_text("".join(lines))
    (folder / "state").mkdir()
    where = ["--interface", ADDRESS, "--port", str(port), "--control", "", "--hosts-file", ""]
    words = twistd("-n", "--pidfile", str(folder / "pid"), "txdns", *where, "serve", "--config", str(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        yield lambda: process.send_signal(signal.SIGHUP)
    finally:
        process.terminate()
        process.wait(60)
        for each in living(process.pid):
            os.kill(each, signal.SIGKILL)


@contextmanager
def _knot(folder: Path, zones: Sequence[str], port: int, followers: Sequence[int]) -> Iterator[Callable[[], object]]:
    notified = ", ".join([f"follower{follower}" for follower in followers])
    lines = [
        f'server:\n  rundir: "{folder}"\n  listen: {ADDRESS}@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1',
        f'control:\n  listen: "{folder}/knot.sock"\ndatabase:\n  storage: "{folder}"',
        "log:\n  - target: stderr\n    any: warning",
        "remote:",
        *[f"  - id: follower{follower}\n    address: {ADDRESS}@{follower}" for follower in followers],
        "acl:\n  - id: all\n    address: 127.0.0.0/8\n    action: transfer",
        f'template:\n  - id: default\n    storage: "{folder}"\n    acl: all\n    notify: [{notified}]\n    file: "%s.zone"',
        "    zonefile-load: difference",
        "zone:",
        *[f"  - domain: {name}" for name in zones],
    ]
    (folder / "knot.conf").write_text("\n".join([*lines, ""]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(peer("knotd")), "-c", str(folder / "knot.conf")], cwd=folder, stdout=log, stderr=log, start_new_session=True
        )

    def reload() -> None:
        subprocess.run([str(peer("knotc")), "-s", str(folder / "knot.sock"), "zone-reload"], check=True, stdout=subprocess.DEVNULL)

    try:
        yield reload
    finally:
        process.terminate()
        process.wait(60)


# -- secondaries, at a port that the primary knows before they start


def _nsd(primary: int, zones: Sequence[str], port: int) -> LivePeer:
    def configure(server: LivePeer) -> str:
        server.port = port
        head = [
            f"server:\n  ip-address: {ADDRESS}@{server.port}\n  zonesdir: \"{server.folder}\"\n  pidfile: \"{server.folder}/nsd.pid\"",
            f'  xfrdir: "{server.folder}"\n  xfrdfile: "{server.folder}/xfrd.state"\n  zonelistfile: "{server.folder}/zone.list"',
            '  database: ""\n  username: ""\n  chroot: ""\n  server-count: 1\n  rrl-ratelimit: 0\n  verbosity: 1',
            "remote-control:\n  control-enable: no",
            f"pattern:\n  name: follow\n  request-xfr: {ADDRESS}@{primary} NOKEY\n  allow-notify: {ADDRESS} NOKEY\n  zonefile: \"\"",
        ]
        return "\n".join([*head, *[f"zone:\n  name: {name}\n  include-pattern: follow" for name in zones], ""])

    return LivePeer("nsd", ["-d"], configure, ADDRESS, {})


def _bind(primary: int, zones: Sequence[str], port: int) -> LivePeer:
    def configure(server: LivePeer) -> str:
        server.port = port
        head = [
            "options {",
            f'  directory "{server.folder}"; pid-file "{server.folder}/named.pid"; session-keyfile "{server.folder}/session.key";',
            f'  managed-keys-directory "{server.folder}"; listen-on port {server.port} {{ {ADDRESS}; }}; listen-on-v6 {{ none; }};',
            "  recursion no; allow-query { any; }; dnssec-validation no; empty-zones-enable no; notify no;",
            "  serial-query-rate 10000; transfers-in 100; transfers-per-ns 100; tcp-clients 1000;",
            "};\ncontrols { };",
        ]
        zone = f"type secondary; primaries {{ {ADDRESS} port {primary}; }};"
        return "\n".join([*head, *[f'zone "{name}" {{ {zone} file "{name}.copy"; }};' for name in zones], ""])

    return LivePeer("named", ["-g", "-n", "1"], configure, ADDRESS, {})


def _follower(primary: int, zones: Sequence[str], port: int) -> LivePeer:
    def configure(server: LivePeer) -> str:
        server.port = port
        lines = [
            f'server:\n  rundir: "{server.folder}"\n  listen: {ADDRESS}@{server.port}',
            "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1",
            f'control:\n  listen: "{server.folder}/knot.sock"\ndatabase:\n  storage: "{server.folder}"',
            "log:\n  - target: stderr\n    any: warning",
            f"remote:\n  - id: primary\n    address: {ADDRESS}@{primary}",
            "acl:\n  - id: all\n    address: 127.0.0.0/8\n    action: notify",
            f'template:\n  - id: default\n    storage: "{server.folder}"\n    acl: all\n    master: primary\n    zonefile-sync: -1',
            "    journal-content: none",
            "zone:",
            *[f"  - domain: {name}" for name in zones],
        ]
        return "\n".join([*lines, ""])

    return LivePeer("knotd", [], configure, ADDRESS, {})


class _PowerDNS(LivePeer):
    @property
    def _configurationFile(self) -> Path:
        return self.folder / "pdns.conf"

    @property
    def _command(self) -> list[str]:
        return [str(self.executable), *self._arguments, f"--config-dir={self.folder}"]


def _powerDNS(primary: int, zones: Sequence[str], port: int) -> LivePeer:
    def configure(server: LivePeer) -> str:
        server.port = port
        listed = server.folder / "zones.conf"
        zone = f"type slave; masters {{ {ADDRESS}:{primary}; }};"
        listed.write_text("".join([f'zone "{name}" {{ {zone} file "{server.folder}/{name}.copy"; }};\n' for name in zones]))
        return "\n".join(
            [
                f"launch=bind\nbind-config={listed}\nlocal-address={ADDRESS}\nlocal-port={server.port}\nsocket-dir={server.folder}",
                "secondary=yes\nxfr-cycle-interval=1\nretrieval-threads=4\nguardian=no\ndaemon=no\nloglevel=3\nreceiver-threads=1",
                "distributor-threads=1\ncache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0",
                "bind-check-interval=0\n",
            ]
        )

    return _PowerDNS("pdns_server", [], configure, ADDRESS, {})


_PRIMARIES: Final = {"ours": _ours, "knotd": _knot}
_FOLLOWERS: Final = {"nsd": _nsd, "named": _bind, "knotd": _follower, "pdns_server": _powerDNS}


def followerOf(program: str, primary: int, zones: Sequence[str], port: int) -> LivePeer:
    """
    Return a server that is a secondary of these zones.

    @param primary: the port of their primary.
    @param port: its own port.
    """
    return _FOLLOWERS[program](primary, zones, port)


def measure(primary: str, follower: str, count: int, patience: float = 120.0) -> Durations:
    """
    Measure how one server follows another one.

    @param count: the number of zones.
    @param patience: seconds for each of the two steps.
    @raise AssertionError: not all zones have come by then.
    """
    first, changed = measureRounds(primary, [follower], count, 1, patience)
    return Durations(first[0], changed[0])


def measureRounds(primary: str, followers: Sequence[str], count: int, rounds: int, patience: float = 120.0) -> list[list[float]]:
    """
    Measure how servers with one address follow another one.

    @param count: the number of zones.
    @param rounds: how often all of them are changed.
    @param patience: seconds for each step.

    @return: seconds for each server until it has all zones: after their start, and after each change.

    @raise AssertionError: not all zones have come by then.
    """
    zones = names(count)
    with TemporaryDirectory(prefix="txdns-following-") as path, ExitStack() as stack:
        folder = Path(path)
        _write(folder, zones, 1)
        port, ports = freePort(ADDRESS), [freePort(ADDRESS) for _ in followers]
        following = [followerOf(follower, port, zones, each) for follower, each in zip(followers, ports, strict=True)]
        reload = stack.enter_context(_PRIMARIES[primary](folder, zones, port, ports))
        log = folder / "log"
        _until(port, zones, 1, patience, lambda: log.read_text("utf-8", "replace"))
        taken: list[list[float]] = []
        for serial in range(1, rounds + 2):
            began = time.monotonic()
            if serial == 1:
                for server in following:
                    stack.enter_context(server)
            else:
                _write(folder, zones, serial)
                began = time.monotonic()
                reload()
            row = []
            for server, each in zip(following, ports, strict=True):
                _until(each, zones, serial, patience, server.log)
                row.append(time.monotonic() - began)
            taken.append(row)
        return taken
