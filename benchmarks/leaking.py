"""
Memory of a server in one process over 10 million packets: of all kinds, with and without a cached reply, valid and malformed.

    python -m benchmarks.leaking [packets]

The same packets pass again and again, so that what is cached does not grow after the first time. Where the interpreter counts references
(C{sys.gettotalrefcount} of a debug build), their number is shown as well. It grows with compiled code: an object keeps its reference to its
class when it is freed, and calls of a class from interpreted code one to L{None}, which takes no memory. The exit code is 1 if memory or
that number grows.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, cast

from benchmarks.cachememory import residentOctets
from tests.packetcache.pairs import Pair, packets

__all__ = ["Round", "grown", "rounds"]

#: Different packets, and how often they pass in one round.
_PACKETS: Final = 2000
_ROUNDS: Final = 20

#: Octets of memory for each packet, between the second round and the last one, that count as a leak: the smallest object takes 16. Growth
#: below this many octets in all may be fragmentation.
_LEAK: Final = 1.0
_FRAGMENTS: Final = 2 << 20

#: References for each packet that count as a leak.
_REFERENCES: Final = 0.01


@dataclass(frozen=True, slots=True)
class Round:
    """
    The process after some packets.

    @ivar resident: its memory in octets.
    @ivar references: the number of references to all objects; 0 if the interpreter does not count them.
    """

    packets: int
    resident: int
    references: int


def _references() -> int:
    count = cast("Callable[[], int] | None", getattr(sys, "gettotalrefcount", None))
    return count() if count is not None else 0


def rounds(count: int) -> Iterator[Round]:
    """
    Send that many packets to two servers, one with and one without a packet cache, and yield the state after each round.
    """
    pair = Pair()
    kinds = list(packets(_PACKETS, 1))
    sent = 0
    try:
        for number in range(1, _ROUNDS + 1):
            while sent < count * number // _ROUNDS:
                for packet, client, stream, passes in kinds:
                    pair.replies(packet, client, stream=stream, passes=passes)
                sent += len(kinds)
                # What the upstream and the network in memory record.
                pair.upstream.asked.clear()
                pair.network.sent.clear()
            gc.collect()
            yield Round(sent, residentOctets(), _references())
    finally:
        pair.close()


def grown(earlier: Round, later: Round) -> bool:
    """
    Return whether memory or references have grown with the packets between two rounds.
    """
    packets = later.packets - earlier.packets
    octets = later.resident - earlier.resident
    return (octets > _FRAGMENTS and octets / packets > _LEAK) or (later.references - earlier.references) / packets > _REFERENCES


def main() -> int:
    count = int((*sys.argv[1:], "10000000")[0])
    began = time.process_time()
    found: list[Round] = []
    for each in rounds(count):
        found.append(each)
        row = f"{each.packets:10} packets  {each.resident / 2**20:8.2f} MB  {time.process_time() - began:6.0f} s"
        print(row + (f"  {each.references} references" if each.references else ""), flush=True)
    if grown(found[len(found) // 4], found[-1]):
        print("memory grows", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
