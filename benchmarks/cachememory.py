"""
Memory per cached set of records: the process's own, over 100,000 names, beside what the cache counts.

    python -m benchmarks.cachememory [names [megabytes]]

Shapes: C{address} (one A record), C{web} (an alias and two addresses), C{denied} (no such data, with its SOA record), C{mixed}.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys

from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.cache.store import Store
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet

SHAPES = ("address", "web", "denied", "mixed")


def residentOctets() -> int:
    """
    @return: memory of this process that is in use, in octets.
    """
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def learned(number: int, shape: str) -> tuple[Question, Answer]:
    """
    @return: a question and what a server would say to it, of objects of their own as a reply's are.
    """
    if shape == "mixed":
        shape = SHAPES[number % 3]
    name = nameFromText(f"host{number}.customer{number % 977}.example.com")
    origin = Origin("udp", "192.0.2.1:53", 1, 0.01)
    address = number.to_bytes(4, "big")
    if shape == "address":
        return Question(name, 1), Answer(Outcome.DATA, (RRSet(bytes(bytearray(name)), 1, 1, 3600, (address,)),), origin=origin)
    if shape == "web":
        target = nameFromText(f"edge{number}.cdn.example.net")
        sets = (RRSet(name, 5, 1, 3600, (target,)), RRSet(target, 1, 1, 60, (address, address[::-1])))
        return Question(name, 1), Answer(Outcome.DATA, sets, origin=origin)
    soa = recordFromText("example.com. 3600 IN SOA ns1.example.com. hostmaster.example.com. 1 7200 3600 1209600 3600")
    soa = RRSet(bytes(bytearray(soa.name)), 6, 1, 3600, (bytes(bytearray(soa.rdatas[0])),))
    return Question(name, 28), Answer(Outcome.NODATA, (), (soa,), origin=origin)


def measure(names: int, megabytes: int, shape: str) -> str:
    """
    @return: one line of results.
    """
    # Everything that is imported on demand, and the allocator's first arenas, are there before.
    warm = Store()
    for number in range(2000):
        question, answer = learned(number, shape)
        warm.keep(question, b"", answer, 0.0)
    del warm
    gc.collect()
    store = Store(megabytes * 2**20)
    before = residentOctets()
    sets = 0
    for number in range(names):
        question, answer = learned(number, shape)
        sets += len(answer.answer) + len(answer.authority)
        store.keep(question, b"", answer, 0.0)
    gc.collect()
    used = residentOctets() - before
    counted = store.octets
    return (
        f"{shape:8} {names} names, {sets} sets: {used / 2**20:6.1f} MB of process, {used / sets:5.0f} octets per set "
        f"({used / names:.0f} per answer); counted {counted / 2**20:.1f} MB, {counted / used:.2f} of it"
    )


def main() -> None:
    if len(sys.argv) == 4:
        print(measure(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
        return
    names = sys.argv[1] if len(sys.argv) > 1 else "100000"
    megabytes = sys.argv[2] if len(sys.argv) > 2 else "1024"
    for shape in SHAPES:
        # Each in a process of its own, so that none finds the memory of another one free.
        subprocess.run([sys.executable, __file__, names, megabytes, shape], check=True)


if __name__ == "__main__":
    main()
