"""
Queries that get lost during a flood: our server in one process beside others, each on one core.

    python -m benchmarks.floods [--seconds S] [--only NAME,NAME] [--stages STAGE,STAGE]

The server runs on the first core; the flood, what is forwarded to, and a client that asks for a few names at a fixed rate run on the last
one. The client's names are in the server's cache or zone, and it asks each of them twice before the flood. What it gets no answer to within
a second is lost. Stages:

C{cookies}: a forwarder gets queries for one cached name, each with another client cookie. C{names}: a forwarder gets names that it has
never seen. C{nxdomain}: an authoritative server gets names that its zone does not have.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from struct import pack
from typing import Final

from benchmarks.commandline import lacks, words
from benchmarks.loads import addressOf, query, right
from benchmarks.peering import CORES, zoneServer
from benchmarks.servers import KINDS, OURS, UNBOUND, Kind, Place, Server

__all__ = ["STAGES", "Outcome", "Stage", "flood", "main", "measure", "probe", "show"]

#: Names of the zone, and those of them that the client asks for.
_NAMES: Final = 1000
_ASKED: Final = 100

#: Queries of the client in a second, and seconds until one of them is lost.
_RATE: Final = 200
_PATIENCE: Final = 1.0

#: Seconds from the beginning of the flood until the client begins.
_BEFORE: Final = 0.5

#: Niceness of everything that takes part.
_PRIORITY: Final = -15

#: Different packets of a flood; it takes them in turn, with another id each time.
_PACKETS: Final = 1 << 18


def _nsd(place: Place) -> list[str]:
    text = f"""\
server:
  ip-address: 127.0.0.1@{place.port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{place.folder}"
  zonelistfile: "{place.folder}/zone.list"
  xfrdfile: "{place.folder}/xfrd.state"
  xfrdir: "{place.folder}"
  pidfile: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: example.test
  zonefile: "{_zoneFile(place)}"
"""
    return [place.program, "-d", "-c", place.configured(text)]


def _bind(place: Place) -> list[str]:
    text = f"""\
options {{
  directory "{place.folder}";
  pid-file none;
  session-keyfile "{place.folder}/session.key";
  listen-on port {place.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  minimal-responses yes;
}};
controls {{ }};
zone "example.test" {{ type primary; file "{_zoneFile(place)}"; }};
"""
    return [place.program, "-f", "-n", "1", "-c", place.configured(text)]


def _ours(place: Place) -> list[str]:
    words = f"-n --pidfile= txdns serve --interface 127.0.0.1 --port {place.port} --zone example.test={_zoneFile(place)}"
    return [place.program, "-c", "from twisted.scripts.twistd import run; run()", *words.split(), "--control", f"{place.folder}/control"]


def _zoneFile(place: Place) -> str:
    hosts = [f"h{index} A {'.'.join(map(str, addressOf(index)))}\n" for index in range(_NAMES)]
    head = "$TTL 3600\n@ SOA ns1 host 1 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.1\n"
    return place.configured(head + "".join(hosts), "example.test.zone")


_VERSIONS: Final = {kind.name: kind.version for kind in KINDS}

_AUTHORITIES: Final = (
    Kind("NSD", "nsd", "nsd", ("-v",), _nsd),
    Kind("BIND", "named", "bind9", ("-V",), _bind),
    Kind(OURS, sys.executable, "", _VERSIONS[OURS], _ours),
)
_FORWARDERS: Final = tuple([kind for kind in KINDS if kind.name in (UNBOUND, "BIND", OURS)])


def _cookies(dice: random.Random) -> Iterator[bytes]:
    while True:
        yield query(0, "h1.example.test", dice.randbytes(8))[2:]


def _names(dice: random.Random) -> Iterator[bytes]:
    while True:
        yield query(0, f"{dice.getrandbits(48):x}.example.test")[2:]


@dataclass(frozen=True)
class Stage:
    """
    One kind of flood.

    @ivar rate: its packets in a second.
    @ivar kinds: servers that are compared.
    @ivar packets: makes its packets, without their ids.
    """

    name: str
    rate: int
    kinds: tuple[Kind, ...]
    packets: Callable[[random.Random], Iterator[bytes]]


#: Others are added here.
STAGES: Final = (
    Stage("cookies", 25_000, _FORWARDERS, _cookies),
    Stage("names", 20_000, _FORWARDERS, _names),
    Stage("nxdomain", 60_000, _AUTHORITIES, _names),
)


@dataclass(frozen=True)
class Outcome:
    """
    What came of a flood.

    @ivar flooded: packets that were sent in a second.
    @ivar asked: queries of the client.
    @ivar lost: those that got no answer, or a wrong one.
    @ivar median: seconds to an answer.
    @ivar slow: seconds that 99 of 100 answers took at most.
    @ivar cpu: share of its core that the server took.
    """

    stage: str
    server: str
    flooded: float
    asked: int
    lost: int
    median: float
    slow: float
    cpu: float


def flood(port: int, rate: int, seconds: float, made: Sequence[bytes]) -> int:
    """
    Send packets at this rate. Replies are not read.

    @param made: packets without their ids.

    @return: how many were sent.
    """
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sending.connect(("127.0.0.1", port))
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            due = min(int(passed * rate), sent + rate // 100)
            if due <= sent:
                time.sleep(0.0005)
                continue
            for number in range(sent, due):
                with suppress(OSError):
                    sending.send(pack(">H", number & 0xFFFF) + made[number % len(made)])
            sent = due
    return sent


def probe(port: int, seconds: float, rate: int = _RATE) -> tuple[int, list[float]]:
    """
    Ask for names of the zone in turn.

    @return: how many queries were sent, and how many seconds each right answer took.
    """
    waiting: dict[int, tuple[float, bytes, bytes]] = {}
    took: list[float] = []
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.connect(("127.0.0.1", port))
        asking.setblocking(False)
        began = time.perf_counter()
        while (now := time.perf_counter()) - began < seconds + _PATIENCE:
            if now - began < seconds and sent < (now - began) * rate:
                packet = query(sent, f"h{sent % _ASKED}.example.test")
                waiting[sent & 0xFFFF] = now, packet, addressOf(sent % _ASKED)
                asking.send(packet)
                sent += 1
                continue
            select.select([asking], [], [], 0.5 / rate)
            with suppress(OSError):
                while True:
                    reply = asking.recv(4096)
                    found = waiting.pop(int.from_bytes(reply[:2], "big"), None)
                    if found is not None and right(found[1], reply, found[2]):
                        took.append(time.perf_counter() - found[0])
            if not waiting and now - began >= seconds:
                break
    return sent, [each for each in took if each <= _PATIENCE]


@contextmanager
def _flooding(stage: Stage, port: int, seconds: float) -> Iterator[Callable[[], float]]:
    """
    Have another process flood.

    @return: gives its packets in a second, once it has ended.
    """
    words = [sys.executable, "-m", "benchmarks.floods", "--flood", stage.name, str(port), str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            # It has its packets now.
            process.stdout.readline()
            yield lambda: int(process.communicate("\n")[0]) / seconds
        finally:
            process.kill()


@contextmanager
def _preferred(process: int) -> Iterator[None]:
    """
    Keep other programs of the machine from taking the time of a process and of those of its session, where this user may ask for that.
    """
    path = Path(f"/proc/{process}/autogroup")
    before = 0
    with suppress(OSError, ValueError):
        before = int(path.read_text().split()[-1])
        path.write_text(str(_PRIORITY))
    try:
        yield
    finally:
        with suppress(OSError):
            path.write_text(str(before))


def measure(stage: Stage, kind: Kind, upstream: tuple[str, int], seconds: float) -> Outcome:
    """
    @raise OSError: the server cannot be started.
    """
    with Server(kind, upstream, {CORES[0]}) as server, _preferred(server.processes[0]):
        for _ in range(2):
            probe(server.port, _ASKED / _RATE)
        with _flooding(stage, server.port, seconds + _BEFORE + 0.5) as ended:
            time.sleep(_BEFORE)
            before, began = server.cpu(), time.perf_counter()
            sent, took = probe(server.port, seconds)
            cpu = (server.cpu() - before) / (time.perf_counter() - began)
            flooded = ended()
    took.sort()
    median, slow = (took[len(took) // 2], took[len(took) * 99 // 100]) if took else (0.0, 0.0)
    return Outcome(stage.name, kind.name, flooded, sent, sent - len(took), median, slow, cpu)


def show(outcomes: list[Outcome]) -> str:
    """
    @return: a table.
    """
    lines = [("flood", "server", "packets/s", "asked", "lost", "median ms", "99 % ms", "CPU")]
    for each in outcomes:
        times = f"{each.median * 1e3:.2f}", f"{each.slow * 1e3:.2f}"
        lines.append((each.stage, each.server, f"{each.flooded:,.0f}", str(each.asked), str(each.lost), *times, f"{each.cpu:.0%}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [[cell.rjust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    for cells, line in zip(shown, lines, strict=True):
        cells[:2] = [cell.ljust(width) for cell, width in zip(line[:2], widths, strict=False)]
    return "\n".join(["  ".join(cells) for cells in shown])


def main() -> int:
    """
    @return: the exit code.
    """
    stages = {stage.name: stage for stage in STAGES}
    if sys.argv[1:2] == ["--flood"]:
        stage, port, seconds = stages[sys.argv[2]], int(sys.argv[3]), float(sys.argv[4])
        os.sched_setaffinity(0, {CORES[-1]})
        made = list(islice(stage.packets(random.Random(1)), min(_PACKETS, int(stage.rate * seconds) + 1)))
        print("ready", flush=True)
        print(flood(port, stage.rate, seconds, made))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks floods", description="Count the queries that get lost during a flood.")
    parser.add_argument("--seconds", type=float, default=3.5, help="of each measurement (3.5)")
    parser.add_argument("--only", type=words, default=[], metavar="NAME,NAME", help="some of the servers")
    parser.add_argument("--stages", type=words, default=list(stages), metavar="STAGE,STAGE", help=", ".join(stages))
    asked = parser.parse_args()
    if unknown := set(asked.stages) - set(stages):
        parser.error(f"there is no {', '.join(unknown)}; stages are {', '.join(stages)}")
    if lacks("floods", "nsd"):
        return 0
    outcomes: list[Outcome] = []
    with _preferred(os.getpid()), zoneServer(_NAMES) as upstream:
        os.sched_setaffinity(0, {CORES[-1]})
        for name in asked.stages:
            for kind in stages[name].kinds:
                if asked.only and kind.name.lower() not in asked.only:
                    continue
                if not kind.found():
                    print(f"{kind.name} is not installed (Debian: apt install {kind.package}); it is left out.", file=sys.stderr)
                    continue
                outcomes.append(measure(stages[name], kind, upstream.server, asked.seconds))
    print(show(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
