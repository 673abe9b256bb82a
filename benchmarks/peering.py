"""
NSD on the second core, with a zone of any number of hosts: what is looked up by the other benchmarks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.peers import LivePeer, nsd

__all__ = ["CORES", "alone", "names", "pin", "zoneServer"]

#: Of processes that have a core to themselves; the lowest will do.
_PRIORITY = 1

CORES = sorted(os.sched_getaffinity(0))

_HEAD = """\
$ORIGIN example.test.
$TTL 3600
@ SOA ns1 hostmaster 1 3600 900 604800 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
"""


def names(number: int) -> list[str]:
    """
    @return: names that the zone has.
    """
    return [f"h{index}.example.test" for index in range(number)]


def pin(group: int, core: int) -> None:
    """
    Keep all processes of a group on one core.
    """
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rpartition(")")[2].split()[2]) == group:
                os.sched_setaffinity(int(status.parent.name), {core})
        except (OSError, ValueError):
            continue


def alone() -> None:
    """
    Let nobody else have this process's core while it has something to do, where this user may ask for that. Whoever comes in between drives
    out of the core's caches what this process had there, and to fetch it again would count for it.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))


@contextmanager
def zoneServer(number: int) -> Iterator[LivePeer]:
    """
    Run NSD with C{number} hosts on the last core; this process keeps to the first.
    """
    zone = _HEAD + "".join([f"h{index} A 10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}\n" for index in range(number)])
    with nsd({"example.test": zone}) as server:
        pin(server.pid, CORES[-1])
        os.sched_setaffinity(0, {CORES[0]})
        yield server
