"""
C{getaddrinfo} as a coroutine and as a Deferred, beside the event loop's own and that of aiodns, against NSD.

    python -m benchmarks.addresses [--rounds N] [--names N] [--only WAY,WAY] [--json [FILE]] [--record]

Each way has a process of its own on the first core, NSD has the last; rounds go round the ways. It takes a machine of its own, by
namespaces of Linux, whose C{resolv.conf} names NSD: so C{loop.getaddrinfo} asks it, too. Where the system allows none, that way is left
out, and C{system} asks by description. Rows have the median of all rounds: microseconds of processor time for each call, in which both
families were wanted (threads and the kernel's part count), and the median of the ratios to aiodns' C{getaddrinfo} in the same round.

C{hit}: one name again and again, one call after the other. C{miss}: every name another one, a hundred calls under way. C{udp} has nothing
but the server, as what C{benchmarks.uncached} asks, and has the budget of two such look-ups and one call: 2 · 20 + 15. C{system} has what
shares look-ups and keeps answers, hosts file, search list and special names before it: what that costs where it does not help is told
beside, for somebody pays it with each new name, and has no budget.

C{--record} writes what C{docs/howto/asyncio.rst} says of it, and C{benchmarks/addresses.json}.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.metadata
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.peering import CORES, alone, names, pin
from benchmarks.served import machine
from tests.peers import nsd
from tests.tour.machine import UNSHARE, usable

__all__ = ["BUDGETS", "PAGE", "RECORD", "WAYS", "block", "main", "replaced", "verdicts"]

RECORD: Final = Path(__file__).with_suffix(".json")
PAGE: Final = Path(__file__).parent.parent / "docs" / "howto" / "asyncio.rst"

#: What C{--record} writes stands between these.
_MARKS: Final = (
    ".. addresses begins: python -m benchmarks addresses --record writes this\n\n",
    "\n.. addresses ends\n",
)

STAGES: Final = ("hit", "miss")

#: Who is measured, and what that is.
WAYS: Final = {
    "system": "``looping.getaddrinfo``",
    "udp": "``looping.getaddrinfo``, ``udp:``",
    "deferred": "``client.getaddrinfo``",
    "deferred-udp": "``client.getaddrinfo``, ``udp:``",
    "aiodns": "aiodns, ``getaddrinfo``",
    "aiodns-queries": "aiodns, two ``query_dns``",
    "loop": "``loop.getaddrinfo``",
}

#: Microseconds that a call of ours may take.
BUDGETS: Final = {"hit": 15.0, "miss": 55.0}

#: Whom others are compared with.
_OTHER: Final = "aiodns"

#: Who has a cache, with who has none: each has one of the two budgets.
_OURS: Final = {"system": "udp", "deferred": "deferred-udp"}
_UNCACHED: Final = tuple(_OURS.values())

_WINDOW: Final = 100
_INSIDE: Final = "TXDNS_BENCHMARK_INSIDE"
_SERVER: Final = "127.0.0.53"

_SIOCADDRT: Final = 0x890B
_SIOCSIFADDR: Final = 0x8916
_SIOCSIFFLAGS: Final = 0x8914
_UP_AND_RUNNING: Final = 0x41

_HEAD: Final = (
    "$ORIGIN example.test.\n$TTL 3600\n@ SOA ns1 hostmaster 1 3600 900 604800 300\n@ NS ns1\nns1 A 10.0.0.1\n"
)

_FILES: Final = {
    "resolv.conf": f"nameserver {_SERVER}\nsearch .\n",
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "hosts: files dns\nservices: files\n",
}

#: A way to look one name up.
Look: TypeAlias = "Callable[[str], Awaitable[object]]"

#: By stage and way, microseconds for each call in each round.
Figures: TypeAlias = "dict[str, dict[str, list[float]]]"


def _looker(way: str, host: str, port: int) -> Look:
    """
    @return: the way for a loop that runs.
    """
    if way in ("aiodns", "aiodns-queries"):
        import aiodns

        other = aiodns.DNSResolver(nameservers=[host], udp_port=port, tcp_port=port)
        if way == "aiodns":
            return lambda name: other.getaddrinfo(name, socket.AF_UNSPEC, 443, type=socket.SOCK_STREAM)

        async def both(name: str) -> object:
            first, second = other.query_dns(name, "A"), other.query_dns(name, "AAAA")
            return (await first).answer and (await second).answer

        return both
    import asyncio

    if way == "loop":
        loop = asyncio.get_running_loop()
        return lambda name: loop.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
    from twisted_ext import asyncio as looping

    description = _description(way, host, port)
    return lambda name: looping.getaddrinfo(name, 443, type=socket.SOCK_STREAM, resolver=description)


def _description(way: str, host: str, port: int) -> str:
    if way in _UNCACHED:
        return f"udp:{host}:{port}"
    return "system" if _INSIDE in os.environ else f"cache:udp:{host}:{port}"


async def _askAll(look: Look, wanted: Iterator[str]) -> None:
    for name in wanted:
        if not await look(name):
            raise RuntimeError(f"{name} has no address")


def _report(count: int, used: float) -> None:
    print(json.dumps((time.process_time() - used) / count * 1e6))


def _asked(stage: str, count: int) -> tuple[list[Iterator[str]], str]:
    """
    @return: what each worker asks for, and what is asked for before.
    """
    if stage == "hit":
        return [iter(["h0.example.test"] * count)], "h0.example.test"
    # New names are not divided between the workers beforehand: each takes the next one when it is free.
    return [iter(names(count))] * _WINDOW, f"h{count}.example.test"


def _runAsyncio(way: str, stage: str, count: int, host: str, port: int) -> None:
    import asyncio

    async def run() -> None:
        look = _looker(way, host, port)
        wanted, first = _asked(stage, count)
        await look(first)
        used = time.process_time()
        await asyncio.gather(*[_askAll(look, each) for each in wanted])
        _report(count, used)

    asyncio.run(run())


def _runTwisted(way: str, stage: str, count: int, host: str, port: int) -> None:
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred, gatherResults
    from twisted.python.failure import Failure

    from twisted_ext import client

    resolver = client.resolverFromString(reactor, _description(way, host, port))

    def look(name: str) -> Awaitable[object]:
        return client.getaddrinfo(name, 443, type=socket.SOCK_STREAM, resolver=resolver)

    async def run() -> None:
        wanted, first = _asked(stage, count)
        await look(first)
        used = time.process_time()
        await gatherResults([Deferred.fromCoroutine(_askAll(look, each)) for each in wanted])
        _report(count, used)

    def begin() -> None:
        Deferred.fromCoroutine(run()).addErrback(Failure.printTraceback).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()


def _zone(count: int) -> str:
    """
    @return: a zone whose hosts have one address of each family, sixteen of them in the same networks.
    """
    lines = [_HEAD]
    for index in range(count + 1):
        network, host = divmod(index, 16)
        high, low = divmod(network, 0x100)
        lines.append(f"h{index} A 10.{high + 1}.{low}.{host}\nh{index} AAAA 2001:db8:{network:x}::{host + 1:x}\n")
    return "".join(lines)


def measured(rounds: int, count: int, ways: list[str], say: Callable[[str], object]) -> Figures:
    """
    @param count: different names in one round.

    @return: what each round gave.
    """
    figures: Figures = {stage: {} for stage in STAGES}
    inside = _INSIDE in os.environ
    with nsd({"example.test": _zone(count)}, extra=f"ip-address: {_SERVER}@53" if inside else "") as server:
        pin(server.pid, CORES[-1])
        os.sched_setaffinity(0, {CORES[0]})
        host, port = (_SERVER, 53) if inside else server.server
        for number in range(1, rounds + 1):
            for stage in STAGES:
                for way in ways:
                    if stage == "hit" and way in _UNCACHED:
                        continue
                    calls = count // 4 if way == "loop" else count
                    words = ["--child", way, stage, str(calls), host, str(port)]
                    done = subprocess.run(
                        [sys.executable, "-m", "benchmarks.addresses", *words],
                        capture_output=True,
                        text=True,
                        timeout=600,
                    )
                    if done.returncode == 0 and done.stdout:
                        figures[stage].setdefault(way, []).append(float(done.stdout))
                    elif number == 1:
                        say(
                            f"{way}, {stage}: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}; it is left out"
                        )
            say(f"round {number} of {rounds}")
    return figures


def _median(figures: Figures, stage: str, way: str) -> float | None:
    values = figures.get(stage, {}).get(way)
    return statistics.median(values) if values else None


def _ratio(figures: Figures, stage: str, way: str) -> float | None:
    of = figures.get(stage, {})
    ratios = [one / other for one, other in zip(of.get(way, []), of.get(_OTHER, []), strict=False)]
    return statistics.median(ratios) if ratios else None


def _rows(figures: Figures) -> Iterator[tuple[str, list[str]]]:
    for way in WAYS:
        cells: list[str] = []
        for stage in STAGES:
            for value, form in ((_median(figures, stage, way), ".1f"), (_ratio(figures, stage, way), ".2f")):
                cells.append("-" if value is None else format(value, form))
        if cells != ["-"] * 4:
            yield way, cells


def verdicts(figures: Figures) -> list[str]:
    """
    @return: whether ours keep to the budgets, a line each, and what a cache and all that costs where it does not help.
    """
    said: list[str] = []
    for stage, ways in (("hit", _OURS), ("miss", _UNCACHED)):
        for way in ways:
            value = _median(figures, stage, way)
            if value is not None:
                most = BUDGETS[stage]
                said.append(
                    f"{way}, {stage}: {value:.1f} µs of at most {most:g}: {'held' if value <= most else 'missed'}"
                )
    for way, other in _OURS.items():
        value, least = _median(figures, "miss", way), _median(figures, "miss", other)
        if value is not None and least is not None:
            said.append(f"{way}, miss: {value:.1f} µs, {value - least:.1f} of them before the server is asked and behind its answer")
    return said


def block(report: dict[str, object], figures: Figures) -> str:
    """
    @return: what the page says of it.
    """
    lines = [
        f"Measured on {report['machine']}, {report['date']}, microseconds of processor time:",
        "",
        ".. list-table::",
    ]
    lines += [
        "   :header-rows: 1",
        "",
        "   * - Look-up",
        "     - cached",
        "     - to aiodns",
        "     - not cached",
        "     - to aiodns",
    ]
    for way, cells in _rows(figures):
        lines += [f"   * - {WAYS[way]}", *[f"     - {cell}" for cell in cells]]
    return "\n".join([*lines, ""])


def replaced(page: str, said: str) -> str:
    """
    @return: the page with this between the marks.
    """
    before, begins, rest = page.partition(_MARKS[0])
    _, ends, after = rest.partition(_MARKS[1])
    if not begins or not ends:
        raise ValueError("the page has no place for what was measured")
    return before + begins + said + ends + after


def _enter() -> None:
    """
    Go on in a machine of its own.
    """
    words = [sys.executable, "-m", "benchmarks.addresses", *sys.argv[1:]]
    # Once inside, this may not be asked for any more.
    alone()
    os.execvpe(UNSHARE[0], [*UNSHARE, *words], {**os.environ, _INSIDE: "1"})


def _settle(folder: str) -> None:
    """
    Bring this machine's interface up, with an address of each family and a route to where the zone's hosts are, and put its files in place.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))
        four = struct.pack("16sHH4s16x", b"lo:0", socket.AF_INET, 0, socket.inet_aton("10.0.0.1"))
        fcntl.ioctl(control, _SIOCSIFADDR, four)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, socket.inet_pton(socket.AF_INET6, "2001:db8:ffff::1") + struct.pack("=Ii", 64, 1))
        to = socket.inet_pton(socket.AF_INET6, "2001:db8::")
        fcntl.ioctl(control, _SIOCADDRT, struct.pack("16s32xIHHILIi", to, 0, 32, 0, 1, 0, 1, 1))
    for name, text in _FILES.items():
        instead = Path(folder, name)
        instead.write_text(text)
        subprocess.run(["mount", "--bind", str(instead), f"/etc/{name}"], check=True)


def main() -> int:
    """
    @return: the exit code.
    """
    if sys.argv[1:2] == ["--child"]:
        way, stage, count, host, port = sys.argv[2:]
        alone()
        if way.startswith("deferred"):
            _runTwisted(way, stage, int(count), host, int(port))
        else:
            _runAsyncio(way, stage, int(count), host, int(port))
        return 0
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks addresses", description="Ours beside the event loop's and aiodns."
    )
    parser.add_argument("--rounds", type=int, default=5, help="of everything (5)")
    parser.add_argument("--names", type=int, default=10_000, help="of each round (10000)")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=list(WAYS), metavar="WAY,WAY", help=", ".join(WAYS)
    )
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="write all figures, to standard output without FILE"
    )
    parser.add_argument(
        "--record", action="store_true", help="write benchmarks/addresses.json, and what the page says of it"
    )
    asked = parser.parse_args()
    if unknown := set(asked.only) - set(WAYS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; ways are {', '.join(WAYS)}")
    if asked.rounds < 1 or asked.names < 1:
        parser.error("at least one round of one name")
    if _INSIDE not in os.environ and usable():
        _enter()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    ways = [way for way in WAYS if way in asked.only]
    with tempfile.TemporaryDirectory() as folder:
        if _INSIDE in os.environ:
            _settle(folder)
        elif "loop" in ways:
            ways.remove("loop")
            say("loop: this system allows no machine of its own (unshare); it is left out")
        figures = measured(asked.rounds, asked.names, ways, say)
    versions = {name: importlib.metadata.version(name) for name in ("twisted", "aiodns")}
    report: dict[str, object] = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "rounds": asked.rounds,
        "names": asked.names,
    }
    rounded = {
        stage: {way: [round(value, 2) for value in values] for way, values in of.items()}
        for stage, of in figures.items()
    }
    written = (
        json.dumps({**report, "versions": versions, "figures": rounded, "verdicts": verdicts(rounded)}, indent=1)
        + "\n"
    )
    if asked.record:
        RECORD.write_text(written, "utf-8")
        PAGE.write_text(replaced(PAGE.read_text("utf-8"), block(report, rounded)), "utf-8")
    if asked.json == "-":
        print(written, end="")
        return 0
    if asked.json:
        Path(asked.json).write_text(written, "utf-8")
    print(f"{'':16} {'hit, µs':>9} {'to aiodns':>9} {'miss, µs':>9} {'to aiodns':>9}")
    for way, cells in _rows(figures):
        print(f"{way:16} " + " ".join([f"{cell:>9}" for cell in cells]))
    print("\n".join(verdicts(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
