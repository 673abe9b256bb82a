"""
A slow name server in a process of its own, which counts the ports that queries come from and the queries of each port that wait for their
replies at the same time.

    python -m tests.live.lookups.counting ADDRESS SECONDS

It prints its port and replies to each query after that many seconds. When its standard input ends it prints the counts as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter, deque
from typing import Final

__all__ = ["main"]

#: Size of the receive buffer.
_ROOM: Final = 1 << 22

#: One A record after the question: a pointer to its name, type, class, TTL, length, address.
_ANSWER: Final = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x50"


def _reply(query: bytes) -> bytes:
    end = query.index(b"\x00", 12) + 5
    return query[:2] + b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:end] + _ANSWER


def main(address: str, seconds: float) -> None:
    """
    Serve until standard input ends.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        listening.setblocking(False)
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        queries: Counter[int] = Counter()
        outstanding: Counter[int] = Counter()
        most: Counter[int] = Counter()
        identifiers: set[tuple[int, bytes]] = set()
        waiting: deque[tuple[float, bytes, tuple[str, int]]] = deque()
        while True:
            wait = None if not waiting else max(0.0, waiting[0][0] - time.monotonic())
            readable, _, _ = select.select([listening, sys.stdin], [], [], wait)
            if sys.stdin in readable:
                break
            while True:
                try:
                    query, sender = listening.recvfrom(4096)
                except BlockingIOError:
                    break
                port = sender[1]
                queries[port] += 1
                outstanding[port] += 1
                most[port] = max(most[port], outstanding[port])
                identifiers.add((port, query[:2]))
                waiting.append((time.monotonic() + seconds, _reply(query), sender))
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, reply, sender = waiting.popleft()
                outstanding[sender[1]] -= 1
                listening.sendto(reply, sender)
    counted = {
        "queries": sum(queries.values()),
        "ports": len(queries),
        "mostOutstanding": max(most.values(), default=0),
        "mostOfOnePort": max(queries.values(), default=0),
        "distinct": len(identifiers),
        "lowest": min(queries, default=0),
        "highest": max(queries, default=0),
    }
    sys.stdout.write(json.dumps(counted) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
