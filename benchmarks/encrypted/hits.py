"""
What an answer from the cache costs the server, over TCP, TLS, HTTPS and QUIC, beside Unbound, Knot Resolver and dnsdist.

Each server runs on the first core, dnsperf and NSD on the last. Of QUIC, which dnsperf does not speak, our client makes the load, and kdig
reports how long its queries take.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.encrypted.servers import NAME, Ports, encryptedKinds
from benchmarks.loads import HOT, Load, Transport, dnsperf, written
from benchmarks.peering import CORES, zoneServer
from benchmarks.servers import OURS, PATH, UNBOUND, Kind, Server

__all__ = ["TRANSPORTS", "measure", "ratio", "show"]

#: Transports of dnsperf, and queries under way at once.
TRANSPORTS: Final[dict[Transport, int]] = {"tcp": 200, "dot": 100, "doh": 80}

#: Queries of our client over QUIC, and of kdig.
_BY_QUIC: Final = 7000
_BY_KDIG: Final = 100

#: By transport and server, microseconds of processor time for an answer and answers per second, of each round.
Costs = dict[tuple[str, str], list[tuple[float, float]]]


def _load(transport: Transport, ports: Ports, plain: int, path: Path, seconds: float) -> Load:
    port = {"tcp": plain, "dot": ports.tls, "doh": ports.https}[transport]
    options = f"-O doh-uri=https://127.0.0.1:{port}/dns-query" if transport == "doh" else ""
    return dnsperf(port, path, seconds, {CORES[-1]}, transport=transport, window=TRANSPORTS[transport], options=options)


def _cost(server: Server, load: Callable[[], tuple[int, float]]) -> tuple[float, float]:
    before = server.cpu()
    answered, seconds = load()
    return (server.cpu() - before) / max(answered, 1) * 1e6, answered / seconds


def _quic(ports: Ports, plain: int) -> tuple[int, float]:
    """
    Ask over QUIC with our client.
    """
    words = [OURS, "quic", "100", ports.description("quic", plain), str(ports.quic), str(ports.authority), str(_BY_QUIC)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.encrypted", "--child", *words],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: os.sched_setaffinity(0, {CORES[-1]}),
    )
    speed = float(done.stdout.strip().rpartition(",")[2].rstrip("]"))
    return _BY_QUIC, _BY_QUIC / speed


def kdigMilliseconds(ports: Ports) -> float | None:
    """
    Return the median time of kdig's queries over QUIC on one connection, or L{None} without kdig or its QUIC.
    """
    kdig = shutil.which("kdig", path=PATH)
    if kdig is None:
        return None
    # What TLS needs comes first: it chooses TLS.
    names = [f"h{number}.example.test" for number in range(_BY_KDIG)]
    words = ["@127.0.0.1", "-p", str(ports.quic), f"+tls-ca={ports.authority}", f"+tls-hostname={NAME}", "+quic", "+keepopen", *names]
    said = subprocess.run([kdig, *words], capture_output=True, text=True, timeout=60).stdout
    took = [float(each) for each in re.findall(r"in ([\d.]+) ms", said)]
    return statistics.median(took) if len(took) > _BY_KDIG // 2 else None


def measure(rounds: int, seconds: float, transports: Iterable[str], report: Callable[[str], None]) -> tuple[Costs, float | None]:
    """
    @param report: called with what is left out or invalid.

    @return: the costs, and milliseconds of a query of kdig over QUIC.
    """
    costs: Costs = {}
    kdig: float | None = None
    wanted = [each for each in TRANSPORTS if each in transports]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="txdns-encrypted-")))
        zone = stack.enter_context(zoneServer(HOT))
        os.sched_setaffinity(0, {CORES[-1]})
        running: list[tuple[Kind, Ports, Server]] = []
        for kind, ports in encryptedKinds(folder):
            try:
                running.append((kind, ports, stack.enter_context(Server(kind, zone.server, {CORES[0]}))))
            except OSError as error:
                report(f"{error}; it is left out")
        hot, warm = written(folder, "plain", 200_000), written(folder, "each", HOT)
        for _, _, server in running:
            for _ in range(2):
                dnsperf(server.port, warm, 20, {CORES[-1]}, clients=1, window=50, once=True)
        for transport in wanted:
            for number in range(rounds + 1):
                for kind, ports, server in running:
                    before = server.cpu()
                    found = _load(transport, ports, server.port, hot, seconds if number else 1)
                    spent = server.cpu() - before
                    objection = found.objection()
                    if number and objection:
                        report(f"{kind.name}, {transport}: {objection}; it is left out")
                    elif number:
                        costs.setdefault((transport, kind.name), []).append(
                            (spent / found.answered * 1e6, found.answered / found.seconds)
                        )
        for kind, ports, server in running:
            if kind.name == OURS and "quic" in transports:
                costs["quic", OURS] = [_cost(server, partial(_quic, ports, server.port)) for _ in range(rounds)]
                kdig = kdigMilliseconds(ports)
    return costs, kdig


def ratio(costs: Costs, transport: str, other: str = UNBOUND) -> float | None:
    """
    Return the median of the ratios of our cost to that of another server in the same round.
    """
    pairs = zip(costs.get((transport, OURS), []), costs.get((transport, other), []), strict=False)
    ratios = [ours[0] / theirs[0] for ours, theirs in pairs if theirs[0]]
    return statistics.median(ratios) if ratios else None


def show(costs: Costs) -> list[list[str]]:
    """
    Return the lines of a table.
    """
    lines = [["transport", "server", "µs each", "answers/s"]]
    for (transport, name), runs in costs.items():
        cost, speed = (statistics.median([run[place] for run in runs]) for place in (0, 1))
        lines.append([transport, name, f"{cost:.1f}", f"{speed:.0f}"])
    return lines
