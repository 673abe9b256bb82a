"""
NSD on the second core, with a zone of any number of hosts: what is looked up by the other benchmarks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.authorities import HEAD
from tests.peers import LivePeer, nsd

__all__ = ["CORES", "alone", "names", "pin", "zoneServer"]

#: Of processes that have a core to themselves; the lowest will do.
_PRIORITY = 1

CORES = sorted(os.sched_getaffinity(0))


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
    Give this process real-time priority on its core, where the user has the right to. A process that ran in between would replace its data
    in the core's caches, and the time to load them again would be counted for it.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))


@contextmanager
def zoneServer(number: int) -> Iterator[LivePeer]:
    """
    Run NSD with C{number} hosts on the last core; this process keeps to the first.
    """
    zone = HEAD + "".join([f"h{index} A 10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}\n" for index in range(number)])
    with nsd({"example.test": zone}) as server:
        pin(server.pid, CORES[-1])
        os.sched_setaffinity(0, {CORES[0]})
        yield server
