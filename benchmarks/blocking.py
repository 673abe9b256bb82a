"""
Block lists of a million names: memory, time to load, the longest pause of the server meanwhile, and what answers cost with and without.

    python -m benchmarks.blocking [--names N] [--rounds N]

Three servers, two of them without a list, take turns of a second in random order. Each round gives ratios of their processor time for an
answer, of which the median is printed; that of the two without a list shows how much such a ratio varies by itself. The process that reads
the list shares the core of its server.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from benchmarks.loads import dnsperf, query, written
from benchmarks.peering import zoneServer
from benchmarks.servers import KINDS, OURS, Server

__all__ = ["Timing", "listed", "main", "median", "rcodeOf", "until"]

#: Names of the zone that is forwarded to.
_ZONE: Final = 8000

#: Seconds that a list gets to be read.
_PATIENCE: Final = 120.0

#: Queries in a second while a list is read, beside those whose replies are timed.
_RATE: Final = 2000

#: Seconds between two of the latter.
_EVERY: Final = 0.002

_WORDS: Final = "ad track pixel click cdn metrics stat data news shop app log beacon sync tag promo web net media cloud go my best".split()
_ENDINGS: Final = ["com"] * 10 + "net org info biz ru de xyz top online site cn io co.uk com.br fr jp live icu".split()


def listed(number: int, seed: int = 4) -> list[str]:
    """
    Return different names that look like those in published lists: two to four labels.
    """
    dice = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < number:
        name = f"{''.join(dice.choices(_WORDS, k=dice.randint(1, 3)))}{dice.randrange(10_000)}.{dice.choice(_ENDINGS)}"
        for _ in range(dice.choice((0, 0, 1, 1, 1, 2))):
            name = f"{dice.choice(_WORDS)}{dice.choice(('', f'-{dice.choice(_WORDS)}', f'{dice.getrandbits(32):x}'))}.{name}"
        found[name] = None
    return list(found)


def median(ratios: Iterable[float]) -> str:
    """
    Return the median and the range of ratios, as text.
    """
    ordered = sorted(ratios)
    return f"{statistics.median(ordered):.3f} ({ordered[0]:.3f} to {ordered[-1]:.3f})"


def rcodeOf(port: int, name: str, patience: float = 5.0) -> int | None:
    """
    Return the rcode of the reply to a query; L{None} without one.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(patience)
        with suppress(OSError):
            asking.connect(("127.0.0.1", port))
            asking.send(query(7, name))
            return asking.recv(4096)[3] & 15
    return None


def until(port: int, name: str, rcode: int) -> float:
    """
    Return the seconds until a name gets a reply with this rcode.
    """
    began = time.perf_counter()
    while rcodeOf(port, name) != rcode:
        if time.perf_counter() - began > _PATIENCE:
            raise OSError(f"{name} never got the rcode {rcode}")
        time.sleep(0.01)
    return time.perf_counter() - began


class Timing:
    """
    Times the replies of a server until it is left.

    @ivar longest: the longest time for one, in seconds.
    """

    def __init__(self, port: int, path: Path, seconds: int) -> None:
        self.longest = 0.0
        self._port = port
        self._going = True
        self._threads = [
            threading.Thread(target=self._time),
            threading.Thread(target=dnsperf, args=(port, path, seconds, (0, 1)), kwargs={"rate": _RATE}),
        ]

    def __enter__(self) -> Timing:
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)
        self.longest = 0.0
        return self

    def __exit__(self, *reason: object) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()

    def _time(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(_PATIENCE)
            asking.connect(("127.0.0.1", self._port))
            asked = query(7, "h1.example.test")
            while self._going:
                began = time.perf_counter()
                asking.send(asked)
                asking.recv(4096)
                self.longest = max(self.longest, time.perf_counter() - began)
                time.sleep(_EVERY)


def _loads(server: Server, path: Path, names: list[str], folder: Path) -> None:
    """
    Have the list read again under load.
    """
    load = written(folder, "plain", 50_000)
    with Timing(server.port, load, 8) as timing:
        time.sleep(4)
    print(f"longest time for a reply in 4 s, no list being read   {timing.longest * 1000:8.1f} ms", flush=True)
    with Timing(server.port, load, 12) as timing:
        with path.open("a") as file:
            file.write("h2.example.test\n")
        took = until(server.port, "h2.example.test", 3)
    print(f"longest time for a reply while it is read again       {timing.longest * 1000:8.1f} ms", flush=True)
    print(f"from the change of the file to the new list           {took:8.1f} s", flush=True)
    assert rcodeOf(server.port, names[0]) == 3


def _answers(plain: Server, other: Server, blocking: Server, names: list[str], folder: Path, rounds: int) -> None:
    """
    Compare what answers cost.
    """
    denied = folder / "denied"
    denied.write_text("".join([f"{name} A\n" for name in random.Random(5).choices(names[:_ZONE], k=100_000)]))
    hot, each = written(folder, "plain", 200_000), written(folder, "each", _ZONE)
    for server in (plain, other, blocking):
        for path in (each, each, hot):
            dnsperf(server.port, path, 2, (1,), once=path is each)
    dnsperf(blocking.port, denied, 4, (1,))
    turns = [(plain, hot), (other, hot), (blocking, hot), (blocking, denied)]
    costs: list[list[float]] = []
    dice = random.Random(6)
    for _ in range(rounds):
        taken: dict[int, float] = {}
        for index in dice.sample(range(len(turns)), len(turns)):
            server, path = turns[index]
            before = server.cpu()
            load = dnsperf(server.port, path, 1, (1,))
            taken[index] = (server.cpu() - before) / load.answered
        costs.append([taken[index] for index in range(len(turns))])
    print(f"answers from the packet cache, microseconds           {statistics.median([cost[0] for cost in costs]) * 1e6:8.1f}")
    for index, what in ((1, "another server without a list"), (2, "with the list"), (3, "for blocked names")):
        print(f"  as a ratio to that: {what:<33} {median([cost[index] / cost[0] for cost in costs])}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """
    @return: the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blocking", description=__doc__.splitlines()[1])
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    wanted = parser.parse_args(arguments)
    ours = next(kind for kind in KINDS if kind.name == OURS)
    names = listed(wanted.names)
    with tempfile.TemporaryDirectory(prefix="txdns-blocking-") as text, zoneServer(_ZONE) as upstream, ExitStack() as stack:
        folder = Path(text)
        path = folder / "list"
        path.write_text("".join([f"{name}\n" for name in names]))
        print(f"{wanted.names:,} names, {path.stat().st_size / 1e6:.0f} MB", flush=True)

        def serving(*more: str) -> Server:
            return stack.enter_context(Server(ours, upstream.server, (0,), ["--client-rate", "0", *more]))

        plain, other = serving(), serving()
        blocking = serving("--block-list", str(path))
        assert rcodeOf(blocking.port, names[0]) == 3
        print(f"from the start to the first answer, without           {plain.took:8.1f} s")
        print(f"from the start to the first answer, with the list     {blocking.took:8.1f} s")
        both = stack.enter_context(Server(ours, upstream.server, (0, 1), ["--workers", "2", "--block-list", str(path)]))
        pair = stack.enter_context(Server(ours, upstream.server, (0, 1), ["--workers", "2"]))
        # So that the table is in memory.
        for server in (blocking, both):
            for name in names[:: max(len(names) // 20_000, 1)]:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                    asking.sendto(query(7, name), ("127.0.0.1", server.port))
        time.sleep(1)
        print(f"memory, without and with                              {plain.memory():8.1f} MB {blocking.memory():8.1f} MB")
        print(f"memory of 2 workers, shared pages counted twice       {pair.memory():8.1f} MB {both.memory():8.1f} MB", flush=True)
        _answers(plain, other, blocking, names, folder, wanted.rounds)
        _loads(blocking, path, names, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
