"""
Look-ups that no cache can help with, beside other client libraries, against NSD.

    python -m benchmarks.uncached [rounds] [names]

Each library has a process of its own on the first core, rounds go round the libraries, every name asked is different, a hundred look-ups
are under way, and the answers are read. Ours takes about a quarter longer where all three lists of a result are unpacked, since authority
and additional records are created then. A row has the median of all rounds: look-ups in a second, microseconds of processor time for each
(the library's own and the kernel's), and the median of the ratios to aiodns in the same round. A library that is not installed is left out.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

from benchmarks.peering import alone, names, zoneServer

WINDOW = 100

LIBRARIES = ("twisted_ext", "aiodns", "twisted.names", "dnspython")


def report(count: int, began: float, used: float) -> None:
    """
    Print what the parent process reads.
    """
    print(json.dumps([count / (time.perf_counter() - began), (time.process_time() - used) / count * 1e6]))


def runTwisted(library: str, host: str, port: int, count: int) -> None:
    """
    Look up with Deferreds.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred, gatherResults
    from twisted.python.failure import Failure

    if library == "twisted_ext":
        from twisted_ext import client as ours

        lookup = ours.resolverFromString(reactor, f"udp:{host}:{port}").lookupAddress
    else:
        from twisted.names import client as theirs

        newResolver = cast("Callable[..., ours.NamesResolver]", theirs.Resolver)
        lookup = newResolver(servers=[(host, port)], reactor=reactor).lookupAddress

    async def worker(remaining: Iterator[str]) -> None:
        for name in remaining:
            result = await lookup(name)
            assert result[0][0].payload is not None

    async def main() -> None:
        remaining = iter(names(count))
        began, used = time.perf_counter(), time.process_time()
        await gatherResults([Deferred.fromCoroutine(worker(remaining)) for _ in range(WINDOW)])
        report(count, began, used)

    def begin() -> None:
        Deferred.fromCoroutine(main()).addErrback(Failure.printTraceback).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()


def runAsyncio(library: str, host: str, port: int, count: int) -> None:
    """
    Look up with asyncio.
    """
    import asyncio

    def make() -> Callable[[str, str], Awaitable[object]]:
        if library == "aiodns":
            import aiodns

            return aiodns.DNSResolver(nameservers=[host], udp_port=port, tcp_port=port).query_dns
        import dns.asyncresolver

        other = dns.asyncresolver.Resolver(configure=False)
        other.nameservers = [host]
        other.port = port
        return other.resolve

    async def main() -> None:
        lookup = make()

        async def worker(remaining: Iterator[str]) -> None:
            for name in remaining:
                await lookup(name, "A")

        remaining = iter(names(count))
        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*[worker(remaining) for _ in range(WINDOW)])
        report(count, began, used)

    asyncio.run(main())


def measure(rounds: int = 5, count: int = 20_000) -> dict[str, tuple[float, float, float]]:
    """
    @return: by library, look-ups in a second, microseconds for each, and the ratio to aiodns.
    """
    found: dict[str, list[list[float]]] = {library: [] for library in LIBRARIES}
    with zoneServer(count) as server:
        host, port = server.server
        for _ in range(rounds):
            for library in LIBRARIES:
                number = count // 10 if library == "dnspython" else count
                command = [sys.executable, "-m", "benchmarks.uncached", "--child", library, host, str(port), str(number)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=300)
                if done.returncode == 0:
                    found[library].append(json.loads(done.stdout.splitlines()[-1]))
    table: dict[str, tuple[float, float, float]] = {}
    for library, runs in found.items():
        if runs:
            ratios = [run[1] / other[1] for run, other in zip(runs, found["aiodns"], strict=False)]
            table[library] = (
                statistics.median([run[0] for run in runs]),
                statistics.median([run[1] for run in runs]),
                statistics.median(ratios) if ratios else float("nan"),
            )
    return table


def main() -> None:
    """
    Print the rows.
    """
    if sys.argv[1:2] == ["--child"]:
        _, _, library, host, port, count = sys.argv
        alone()
        run = runTwisted if library.startswith("twisted") else runAsyncio
        run(library, host, int(port), int(count))
        return
    numbers = [int(word) for word in sys.argv[1:]]
    print(f"{'library':16} {'look-ups/s':>10} {'µs each':>8} {'to aiodns':>9}")
    for library, (speed, cost, ratio) in measure(*numbers).items():
        print(f"{library:16} {speed:10.0f} {cost:8.1f} {ratio:9.2f}")


if __name__ == "__main__":
    main()
