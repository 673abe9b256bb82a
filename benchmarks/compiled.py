"""
What compiling gains on this machine: the same work done by compiled modules and by their source, without sockets.

    python -m benchmarks.compiled

It needs an installed compiled wheel, as C{make compiled} makes one. Two processes take turns, one of them with C{TXDNS_PURE=1}; a row has
microseconds of processor time, the least of all turns, and the ratio.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from benchmarks import packetcache, parsing
from twisted_ext._compiled import isCompiled
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.zonefile.reader import readMaster

#: The turns of each process.
_TURNS: Final = 3

#: The records of the zone that is read.
_RECORDS: Final = 5000

#: What the packet cache's benchmark calls its work, and what this table does.
_ROWS: Final = {
    "hit": "answer from the packet cache",
    "hit, random case": "the same, name in random case",
    "hit, cookie": "the same, with a cookie",
    "first sight of a known name": "answer from the cache",
    "found out, upstream not counted": "forward and cache, without the upstream",
}


def _least(work: Callable[[], object], count: int) -> float:
    """
    Return the microseconds that a thing takes: the least of some rounds of this many.
    """
    costs: list[float] = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(count):
            work()
        costs.append((time.process_time() - began) / count * 1e6)
    return min(costs)


def _read(octets: bytes) -> None:
    Message.fromWire(octets).check()


def measure() -> dict[str, float]:
    """
    Return microseconds by what is done, in this process.
    """
    costs = {_ROWS[what]: cost for what, cost in packetcache.measure(3).items()}
    for what, octets in parsing.messages().items():
        costs[f"read a message: {what}"] = _least(partial(_read, octets), 1000)
    lines = ["@ 3600 IN SOA ns hostmaster 1 7200 3600 1209600 3600", "@ 3600 IN NS ns"]
    lines += [f"host{number} 3600 IN A 192.0.2.{number % 250}" for number in range(_RECORDS)]
    text, origin = "\n".join([*lines, ""]).encode("ascii"), nameFromText("example.test")
    costs["read a record of a zone file"] = _least(lambda: readMaster(text, origin), 1) / _RECORDS
    return costs


def _measured(pure: bool) -> dict[str, float]:
    """
    Return what L{measure} finds in another process.
    """
    environment = {**os.environ, "TXDNS_PURE": "1" if pure else ""}
    command = [sys.executable, "-m", "benchmarks.compiled", "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return cast("dict[str, float]", json.loads(done.stdout))


def main(words: list[str]) -> int:
    """
    Print the table, and return the exit code.
    """
    if words == ["--json"]:
        print(json.dumps(measure()))
        return 0
    if not isCompiled():
        print("benchmarks.compiled: this Python has no compiled twisted_ext: run make compiled", file=sys.stderr)
        return 1
    turns = [(_measured(pure=True), _measured(pure=False)) for _ in range(_TURNS)]
    print(f"{'µs of processor time':42} {'source':>8} {'compiled':>9} {'ratio':>6}")
    for what in turns[0][0]:
        source, compiled = [min(turn[side][what] for turn in turns) for side in (0, 1)]
        print(f"{what:42} {source:8.2f} {compiled:9.2f} {compiled / source:6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
