"""
Questions lost by forwarders whose upstream loses queries or fails them, ours beside Unbound and BIND.

    python -m benchmarks.unreliable [--questions N] [--window N] [--share 0.5] [--only NAME,...]

The upstream is a small server on loopback that, for a share of the queries that it gets, does not reply or replies SERVFAIL; the dice are
the same for each forwarder. So many different names are asked, so many at a time, each once, and waited for five seconds. A row has what
came: answers, SERVFAIL, nothing; the median and the 99th percentile of the time to an answer; and the queries that the upstream got for
each name. Forwarders that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from benchmarks.loads import addressOf, query, right
from benchmarks.peering import CORES
from benchmarks.servers import KINDS, OURS, UNBOUND, Kind, Server

__all__ = ["Came", "Trouble", "asked", "measured", "replyTo", "row"]

#: What an upstream does with a share of its queries.
TROUBLES: Final = ("none", "loss", "servfail")

#: Seconds that a question is waited for: what a stub resolver has.
_WAIT: Final = 5.0

_BUFFER: Final = 1 << 20
_SEED: Final = 1


@dataclass
class Came:
    """
    What came of the questions.

    @ivar times: seconds to each answer.
    @ivar failed: replies with SERVFAIL.
    @ivar lost: questions without any reply.
    @ivar wrong: replies that are neither right nor SERVFAIL.
    @ivar queries: what the upstream got.
    """

    times: list[float] = field(default_factory=list)
    failed: int = 0
    lost: int = 0
    wrong: int = 0
    queries: int = 0

    def percentile(self, share: float) -> float:
        """
        @return: seconds within which that share of the answers came; NaN without any.
        """
        times = sorted(self.times)
        return times[min(len(times) - 1, int(len(times) * share))] if times else float("nan")


class Trouble:
    """
    Decides what happens to each query.
    """

    def __init__(self, kind: str, share: float, seed: int = _SEED) -> None:
        self.kind = kind
        self._share = share
        self._dice = random.Random(seed)

    def strikes(self) -> bool:
        """
        @return: whether this query is lost or failed.
        """
        return self.kind != "none" and self._dice.random() < self._share


def replyTo(asked: bytes, trouble: Trouble) -> bytes | None:
    """
    @return: the reply to a query: the address that its name stands for, or SERVFAIL; L{None} for none.
    """
    end = 12
    while asked[end]:
        end += asked[end] + 1
    question = asked[12 : end + 5]
    struck = trouble.strikes()
    if struck and trouble.kind == "loss":
        return None
    if struck:
        return asked[:2] + b"\x81\x82\x00\x01" + bytes(6) + question
    first = asked[13 : 13 + asked[12]]
    index = int(first[1:]) if first[:1].lower() == b"h" and first[1:].isdigit() else 0
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04" + addressOf(index)
    return asked[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question + record


def serve(trouble: Trouble) -> None:
    """
    Be the upstream: print the port, reply until SIGTERM, then print how many queries there were.
    """
    count = 0

    def end(number: int, frame: object) -> None:
        print(json.dumps(count), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listening.bind(("127.0.0.1", 0))
        print(listening.getsockname()[1], flush=True)
        while True:
            octets, sender = listening.recvfrom(4096)
            count += 1
            reply = replyTo(octets, trouble)
            if reply is not None:
                listening.sendto(reply, sender)


@contextmanager
def upstream(kind: str, share: float, came: Came) -> Iterator[int]:
    """
    Run the upstream on the last core.

    @return: its port.
    """
    command = [sys.executable, "-m", "benchmarks.unreliable", "--serve", kind, "--share", str(share)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            os.sched_setaffinity(process.pid, {CORES[-1]})
            yield int(process.stdout.readline())
        finally:
            process.terminate()
            came.queries = int(process.stdout.read() or 0)


def asked(port: int, questions: int, window: int, came: Came) -> None:
    """
    Ask a forwarder for so many names, so many at a time, each once.
    """
    waiting: dict[int, tuple[float, bytes, bytes]] = {}
    number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        asking.connect(("127.0.0.1", port))
        while number < questions or waiting:
            now = time.perf_counter()
            while number < questions and len(waiting) < window:
                octets = query(number, f"h{number}.example.test")
                waiting[number] = now, octets, addressOf(number)
                asking.send(octets)
                number += 1
            readable, _, _ = select.select([asking], [], [], 0.05)
            now = time.perf_counter()
            if readable:
                reply = asking.recv(4096)
                begun = waiting.pop(int.from_bytes(reply[:2], "big"), None)
                if begun is None:
                    continue
                at, octets, address = begun
                if right(octets, reply, address):
                    came.times.append(now - at)
                elif reply[3] & 15 == 2:
                    came.failed += 1
                else:
                    came.wrong += 1
            for key in [key for key, (at, _, _) in waiting.items() if now - at > _WAIT]:
                del waiting[key]
                came.lost += 1


def measured(kind: Kind, trouble: str, share: float, questions: int, window: int) -> Came:
    """
    Run one forwarder in front of one upstream.
    """
    came = Came()
    with upstream(trouble, share, came) as port, Server(kind, ("127.0.0.1", port), {CORES[0]}) as server:
        asked(server.port, questions, window, came)
    return came


def row(name: str, trouble: str, questions: int, came: Came) -> str:
    """
    @return: one line of the table.
    """
    return (
        f"{trouble:9} {name:14} {len(came.times):9} {came.failed:9} {came.lost:6} {came.wrong:6} {came.percentile(0.5) * 1e3:9.1f} "
        f"{came.percentile(0.99) * 1e3:9.1f} {came.queries / questions:9.2f}"
    )


def main() -> int:
    """
    Print the table.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unreliable", description="forwarders in front of unreliable upstreams")
    parser.add_argument("--questions", type=int, default=1000, help="names to ask (1000)")
    parser.add_argument("--window", type=int, default=50, help="of these at a time (50)")
    parser.add_argument("--share", type=float, default=0.5, help="of the queries that the upstream loses or fails (0.5)")
    parser.add_argument("--only", default=f"{UNBOUND},BIND,{OURS}", help="forwarders, with commas between them")
    parser.add_argument("--serve", choices=TROUBLES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Trouble(options.serve, options.share))
        return 0
    if not 0 < options.questions <= 65_536 or options.window < 1 or not 0 <= options.share < 1:
        parser.error("it takes 1 to 65536 questions, a window of at least 1 and a share from 0 to below 1")
    wanted = options.only.split(",")
    known = {kind.name: kind for kind in KINDS}
    for name in wanted:
        if name not in known:
            parser.error(f"there is no forwarder {name!r}; there are {', '.join(known)}")
    heads = f"{'answered':>9} {'SERVFAIL':>9} {'lost':>6} {'wrong':>6} {'p50 ms':>9} {'p99 ms':>9} {'queries':>9}"
    print(f"{'upstream':9} {'forwarder':14} {heads}")
    for trouble in TROUBLES:
        for name in wanted:
            if known[name].found():
                came = measured(known[name], trouble, options.share, options.questions, options.window)
                print(row(name, trouble, options.questions, came), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
