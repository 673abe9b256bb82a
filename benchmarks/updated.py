"""
Servers that sign a zone and let it be changed, ours and others, and C{nsupdate} that changes it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.authorities import KNOT, zoneLines
from benchmarks.servers import OURS, PATH, Kind, Place
from benchmarks.variants import COMPILED, compiledPython

__all__ = ["BIND", "changed", "signers"]

BIND: Final = "BIND"

_ZONE: Final = "example.test"

_HOSTS: Final = 10_000

#: Seconds for all updates of one client.
_LONG: Final = 120

_VERSION: Final = ("-c", "from twisted_ext._version import __version__; print(__version__)")


def _master(place: Place) -> Path:
    """
    Write the master file. Each server has one of its own, as BIND writes to it.
    """
    path = place.folder / "zone"
    path.write_text("".join(zoneLines(_HOSTS)))
    return path


def _bind(place: Place) -> list[str]:
    text = f"""\
options {{
  directory "{place.folder}"; pid-file none; session-keyfile none; key-directory "{place.folder}"; recursion no;
  listen-on port {place.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
}};
controls {{ }};
zone {_ZONE} {{ type primary; file "{_master(place)}"; dnssec-policy default; allow-update {{ 127.0.0.1; }}; }};
"""
    return [place.program, "-n", "1", "-g", "-c", place.configured(text)]


def _knot(place: Place) -> list[str]:
    text = f"""\
server:
  rundir: {place.folder}
  listen: 127.0.0.1@{place.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {place.folder}
policy:
  - id: p
    algorithm: ecdsap256sha256
    single-type-signing: on
acl:
  - id: a
    address: 127.0.0.1
    action: update
zone:
  - domain: {_ZONE}
    file: {_master(place)}
    dnssec-signing: on
    dnssec-policy: p
    acl: a
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
"""
    return [place.program, "-c", place.configured(text)]


def _ours(place: Place) -> list[str]:
    text = f"""\
interface = ["127.0.0.1"]
port = {place.port}
control = ""
state = "{place.folder}/state"

[[zone]]
name = "{_ZONE}"
file = "{_master(place)}"
sign = "default"
update = ["address 127.0.0.1 zone ANY"]
"""
    words = ["-n", "--pidfile=", "txdns", "serve", "--config", place.configured(text, "settings.toml")]
    return [place.program, "-c", "from twisted.scripts.twistd import run; run()", *words]


def signers() -> tuple[Kind, ...]:
    """
    Return the servers: each signs a zone of ten thousand names with one key (ECDSA P-256, NSEC).
    """
    return (
        Kind(BIND, "named", "bind9", ("-v",), _bind),
        Kind(KNOT, "knotd", "knot", ("-V",), _knot),
        Kind(OURS, sys.executable, "", _VERSION, _ours),
        Kind(COMPILED, compiledPython(), "", _VERSION, _ours),
    )


def _send(port: int, names: Iterable[str]) -> None:
    lines = [f"server 127.0.0.1 {port}", f"zone {_ZONE}"]
    for name in names:
        lines += [f"update add {name}.{_ZONE} 300 A 192.0.2.1", "send"]
    words = ["nsupdate", "-t", "20"]
    done = subprocess.run(
        words, input="\n".join([*lines, ""]), text=True, capture_output=True, timeout=_LONG, env={"PATH": PATH}
    )
    if done.returncode:
        raise OSError(f"nsupdate: {(done.stderr or done.stdout).strip().splitlines()[-1]}")


def changed(port: int, clients: int, count: int, number: int) -> None:
    """
    Add names: one with each update.

    @param clients: how many add so many each, at the same time.
    @param number: that of the round, so that names are new.

    @raise OSError: an update was refused, or had no reply.
    """
    names = [[f"u{number}-{client}-{each}" for each in range(count)] for client in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(partial(_send, port), names))
