"""
Servers of zones, ours and others, as the other benchmarks start them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.servers import OURS, Kind, Place
from benchmarks.variants import COMPILED, compiledPython

__all__ = ["HEAD", "KNOT", "NSD", "authorities", "zoneLines"]

NSD: Final = "NSD"
KNOT: Final = "Knot"

_VERSION: Final = ("-c", "from twisted_ext._version import __version__; print(__version__)")

#: The first lines of a zone.
HEAD: Final = """\
$ORIGIN example.test.
$TTL 3600
@ SOA ns1 hostmaster 1 3600 900 604800 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
"""


def zoneLines(hosts: int) -> Iterator[str]:
    """
    Return the text of a zone: one record for each host, and a wildcard below which all names exist.
    """
    yield f"{HEAD}*.wild A 192.0.2.4\n"
    for start in range(0, hosts, 10_000):
        numbers = range(start, min(start + 10_000, hosts))
        yield "".join([f"h{index} A 10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}\n" for index in numbers])


def _nsd(zones: Mapping[str, Path], place: Place) -> list[str]:
    text = f"""\
server:
  ip-address: 127.0.0.1
  port: {place.port}
  username: ""
  chroot: ""
  zonesdir: "{place.folder}"
  pidfile: "{place.folder}/pid"
  database: ""
  xfrdfile: "{place.folder}/xfrd.state"
  zonelistfile: "{place.folder}/zone.list"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""
    text += "".join([f"zone:\n  name: {name}\n  zonefile: {path}\n" for name, path in zones.items()])
    return [place.program, "-d", "-c", place.configured(text)]


def _knot(zones: Mapping[str, Path], place: Place) -> list[str]:
    text = f"""\
server:
  rundir: {place.folder}
  listen: 127.0.0.1@{place.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: error
database:
  storage: {place.folder}
  journal-db-max-size: 64M
template:
  - id: default
    zonefile-sync: -1
    journal-content: none
zone:
"""
    text += "".join([f"  - domain: {name}\n    file: {path}\n" for name, path in zones.items()])
    return [place.program, "-c", place.configured(text)]


def _ours(zones: Mapping[str, Path], place: Place) -> list[str]:
    words = f"-n --pidfile= txdns serve --interface 127.0.0.1 --port {place.port} --control="
    if len(zones) == 1:
        which = [word for name, path in zones.items() for word in ("--zone", f"{name}={path}")]
    else:
        which = ["--zones", str(next(iter(zones.values())).parent)]
    return [place.program, "-c", "from twisted.scripts.twistd import run; run()", *words.split(), *which]


def authorities(zones: Mapping[str, Path]) -> tuple[Kind, ...]:
    """
    Return the servers for these zones.

    @param zones: files by the names of the zones. Of several each has the name of its zone and C{.zone} in one folder.
    """
    return (
        Kind(NSD, "nsd", "nsd", ("-v",), partial(_nsd, zones)),
        Kind(KNOT, "knotd", "knot", ("-V",), partial(_knot, zones)),
        Kind(OURS, sys.executable, "", _VERSION, partial(_ours, zones)),
        Kind(COMPILED, compiledPython(), "", _VERSION, partial(_ours, zones)),
    )
