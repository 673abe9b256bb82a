"""
What an answer costs as the cache, a zone, or the number of workers grows; and how long garbage collections take.

    python -m benchmarks scaling [--rounds N] [--seconds S] [--stages STAGE,STAGE] [--names N,N] [--records N,N] [--workers N,N]
                                 [--full N] [--resume] [--record]

The server has the first core, dnsperf the last one; rounds go round the builds of ours, and NSD for zones. Stages: C{cache}, C{zone},
C{workers}, and C{pauses}: garbage collections with C{--full} cached names, under a load of popular, rare and new names. With C{--record},
each size is written to C{benchmarks/scaling.json} when it is done, and at the end C{docs/scaling.svg} is drawn; C{--resume} measures only
what is missing there. 10,000,000 names take 2.5 GB of memory in each build, and 5,000,000 records of a zone as much in NSD. A size that
does not fit in the free memory is left out.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.authorities import NSD, authorities, zoneLines
from benchmarks.commandline import endsLikeControlC, lacks, parserFor, words
from benchmarks.loads import HOT, dnsperf
from benchmarks.peering import CORES
from benchmarks.scaling.curves import svg
from benchmarks.scaling.report import CACHE, LOAD, PAUSE_MOST, POPULAR, RECORD, SPREAD, WORKERS, ZONE, Scaling, block
from benchmarks.served import machine, replaced
from benchmarks.servers import KINDS, OURS, Kind, Place, Server, forwarding
from benchmarks.variants import COMPILED, MISSING, PURE, variants

__all__ = ["main", "room"]

_PAGE: Final = Path(__file__).parent.parent.parent / "docs" / "measured.rst"
_PICTURE: Final = _PAGE.with_name("scaling.svg")
_FILLED: Final = Path(__file__).with_name("filled.py")

STAGES: Final = ("cache", "zone", "workers", "pauses")

_SERVED, _ASKING = {CORES[0]}, {CORES[-1]}

#: Seconds that a server gets to fill its cache, or to load its zone.
_PATIENCE: Final = 300.0

#: Seconds in which all popular names have to be asked.
_WARMING: Final = 30.0

#: Lines of a file for dnsperf, for each second.
_LINES: Final = 200_000

#: Octets of memory for each name or record, with room to spare, and what the machine keeps.
_EACH: Final = {CACHE: 400, ZONE: 1000}
_SPARE: Final = 2 << 30

#: Clients, so that the kernel gives each worker some.
_CLIENTS: Final = 64

#: Of the names asked for while collections are watched, one in this many is rare, and one is new.
_RARE: Final = 3
_NEW: Final = 10


def room(size: int, what: str, available: int) -> bool:
    """
    @param available: octets of memory that the machine has.

    @return: whether a server with so many names or records fits, without swapping.
    """
    return size * _EACH[what] + _SPARE < available


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _popular(size: int, number: int, dice: random.Random) -> list[int]:
    order = list(range(min(size, HOT)))
    return dice.choices(order, [1 / (place + 1) for place in order], k=number)


def _asked(path: Path, size: int, which: str, number: int, seed: int) -> Path:
    """
    Write a file for dnsperf.
    """
    dice = random.Random(seed)
    indexes = _popular(size, number, dice) if which == POPULAR else dice.choices(range(size), k=number)
    path.write_text("".join([f"h{index}.example.test A\n" for index in indexes]))
    return path


def _mixed(path: Path, size: int, number: int) -> Path:
    dice = random.Random(size)
    popular, spread = _popular(size, number, dice), dice.choices(range(size), k=number)
    lines = []
    for place in range(number):
        if not place % _NEW:
            lines.append(f"n{place}.wild.example.test A\n")
        else:
            lines.append(f"h{popular[place] if place % _RARE else spread[place]}.example.test A\n")
    path.write_text("".join(lines))
    return path


def _named(kind: str) -> str:
    return PURE if kind == OURS else kind


class Measurement:
    """
    All stages, one after the other.
    """

    def __init__(self, report: Scaling, kinds: Sequence[str], folder: Path, record: bool) -> None:
        """
        @param kinds: the names of our builds.
        """
        self.report = report
        self._kinds = [kind for kind in KINDS if kind.name in kinds]
        self._folder = folder
        self._record = record
        self._clock = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._clock:5.0f} s  {text}", file=sys.stderr, flush=True)

    def _done(self) -> None:
        if self._record:
            RECORD.write_text(self.report.toJSON(), "utf-8")

    def _fits(self, size: int, what: str) -> bool:
        if room(size, what, _available()):
            return True
        self.report.remarks.append(f"{size:,} were left out of {what}: the machine has too little free memory.")
        self.say(self.report.remarks[-1])
        return False

    def _remark(self, text: str) -> None:
        self.report.remarks.append(text)
        self.say(text)

    def _round(self, curve: str, server: Server, size: int, path: Path, *, keep: bool = True, clients: int = 8) -> None:
        cores: Iterable[int] = CORES if curve == WORKERS else _ASKING
        before = server.cpu()
        load = dnsperf(server.port, path, self.report.seconds if keep else 1, cores, clients=clients)
        spent = server.cpu() - before
        if not keep:
            return
        if objection := load.objection():
            self._remark(f"{curve}, {size:,}, {_named(server.kind.name)}: {objection}.")
        if load.answered:
            self.report.keep(curve, _named(server.kind.name), size, spent / load.answered * 1e6)

    def _warm(self, servers: Iterable[Server], size: int, times: int, cores: Iterable[int], clients: int) -> None:
        # A reply is stored when its query comes for the second time.
        path = self._folder / "warm"
        path.write_text("".join([f"h{index}.example.test A\n" for index in range(min(size, HOT))]) * times)
        for server in servers:
            dnsperf(server.port, path, _WARMING, cores, clients=clients, once=True)

    def _rounds(self, what: str, servers: Sequence[Server], size: int) -> None:
        for which in (POPULAR, SPREAD):
            curve = f"{what}, {which}"
            self.report.forget(curve, size)
            if which == POPULAR:
                self._warm(servers, size, 3, _ASKING, 8)
            lines = round(_LINES * self.report.seconds)
            for number in range(self.report.rounds + 1):
                # What is popular stays so; otherwise each round has names of its own.
                seed = 0 if which == POPULAR else number
                path = _asked(self._folder / "asked", size, which, lines if number else 20_000, seed)
                for server in servers:
                    self._round(curve, server, size, path, keep=number > 0)
        for server in servers:
            self.report.memory.setdefault(what, {}).setdefault(_named(server.kind.name), {})[str(size)] = round(server.memory(), 1)

    # -- cache

    def _filling(self, kind: Kind, size: int, notes: Path) -> Kind:
        def command(place: Place) -> list[str]:
            words = forwarding(place)
            # The words of twistd follow what runs it.
            program, _, _, *rest = words
            return [program, "-P", str(_FILLED), str(size), str(notes), *rest, "--cache-size", str(max(size * 300, 64 << 20))]

        return replace(kind, command=command)

    def cache(self, sizes: Iterable[int]) -> None:
        """
        Measure caches of so many names.
        """
        for size in sizes:
            if not self._fits(size * len(self._kinds), CACHE):
                continue
            self.say(f"cache of {size:,} names")
            with ExitStack() as stack:
                servers = [
                    stack.enter_context(
                        Server(self._filling(kind, size, self._folder / "notes"), ("127.0.0.1", 9), _SERVED, patience=_PATIENCE)
                    )
                    for kind in self._kinds
                ]
                self._rounds(CACHE, servers, size)
            self._done()

    # -- zone

    def zone(self, sizes: Iterable[int]) -> None:
        """
        Measure zones of so many records.
        """
        for size in sizes:
            if not self._fits(size, ZONE):
                continue
            self.say(f"zone of {size:,} records")
            path = self._folder / "zone"
            with path.open("w") as file:
                file.writelines(zoneLines(size))
            names = {NSD, *[kind.name for kind in self._kinds]}
            self.report.forget(LOAD, size)
            with ExitStack() as stack:
                servers = []
                for kind in authorities({"example.test": path}):
                    if kind.name in names and kind.found():
                        server = stack.enter_context(Server(kind, ("127.0.0.1", 9), _SERVED, patience=_PATIENCE))
                        self.report.keep(LOAD, _named(kind.name), size, server.took)
                        servers.append(server)
                self._rounds(ZONE, servers, size)
            path.unlink()
            self._done()

    # -- workers

    def workers(self, sizes: Iterable[int], upstream: tuple[str, int]) -> None:
        """
        Measure so many processes with one socket each, which share all cores with dnsperf.
        """
        path = _asked(self._folder / "popular", HOT, POPULAR, _LINES, 0)
        for size in sizes:
            self.say(f"{size} workers")
            self.report.forget(WORKERS, size)
            with ExitStack() as stack:
                servers = [
                    stack.enter_context(Server(kind, upstream, CORES, ["--workers", str(size)], patience=_PATIENCE)) for kind in self._kinds
                ]
                for server in servers:
                    for place, worker in enumerate(server.processes[1:]):
                        os.sched_setaffinity(worker, {CORES[place % len(CORES)]})
                    # Each worker has replies of its own.
                    self._warm([server], HOT, 3 * size, CORES, _CLIENTS)
                for _ in range(self.report.rounds):
                    for server in servers:
                        self._round(WORKERS, server, size, path, clients=_CLIENTS)
            self._done()

    # -- pauses

    def pauses(self, size: int, upstream: tuple[str, int], seconds: float) -> None:
        """
        Watch the collections of a server with a full cache, and force a full one under load.
        """
        if not self._fits(size, CACHE):
            return
        self.report.full = size
        path = _mixed(self._folder / "mixed", size, round(_LINES * seconds))
        for kind in self._kinds:
            self.say(f"collections with {size:,} names, {_named(kind.name)}")
            notes = self._folder / f"notes-{kind.name}"
            with Server(self._filling(kind, size, notes), upstream, _SERVED, patience=_PATIENCE) as server:
                dnsperf(server.port, path, seconds, _ASKING)
                time.sleep(1.5)
                before = json.loads(notes.read_text())["pauses"]
                for process in server.processes[:1]:
                    os.kill(process, signal.SIGUSR2)
                dnsperf(server.port, path, 2, _ASKING)
                time.sleep(1.5)
                after = json.loads(notes.read_text())["pauses"]
            full = after.get("2", [])
            self.report.pauses[_named(kind.name)] = {**before, "forced": full[len(before.get("2", [])) :][:1]}
            self._done()


def _numbers(text: str) -> list[int]:
    return [int(word.replace("_", "")) for word in text.split(",")]


def _missing(report: Scaling, curve: str, sizes: Sequence[int], wanted: Iterable[str]) -> list[int]:
    found = report.middles(curve)
    return [size for size in sizes if any(size not in found.get(name, {}) for name in wanted)]


def record(report: Scaling) -> None:
    """
    Write the report, the picture, and the section of the page of figures.
    """
    RECORD.write_text(report.toJSON(), "utf-8")
    _PICTURE.write_text(svg(report), "utf-8")
    _PAGE.write_text(replaced(_PAGE.read_text("utf-8"), block(report), "scaling"), "utf-8")


def main() -> int:
    """
    @return: the exit code: 1 if a collection took too long, 2 for wrong words, 130 when interrupted.
    """
    parser = parserFor("scaling", __doc__, 3)
    parser.add_argument("--stages", type=words, default=list(STAGES), metavar="STAGE,STAGE", help=", ".join(STAGES))
    parser.add_argument("--names", type=_numbers, default=[10**power for power in range(3, 8)], help="in the cache")
    parser.add_argument("--records", type=_numbers, default=[1000, 10_000, 100_000, 1_000_000, 5_000_000], help="of the zone")
    parser.add_argument("--workers", type=_numbers, default=[1, 2, 4])
    parser.add_argument("--full", type=int, default=10_000_000, help="names in the cache while collections are watched")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.stages) - set(STAGES)):
        parser.error(f"{', '.join(unknown)}: not stages; stages are {', '.join(STAGES)}")
    if lacks("scaling", "dnsperf", "nsd"):
        return 0
    endsLikeControlC()
    builds = [OURS if build.name == PURE else build.name for build in variants()]
    report = Scaling(time.strftime("%Y-%m-%d"), machine(), asked.rounds, asked.seconds)
    if RECORD.exists() and (asked.resume or set(asked.stages) < set(STAGES)):
        # The other stages stay as they were measured.
        report = replace(Scaling.fromJSON(RECORD.read_text("utf-8")), date=report.date, machine=report.machine, remarks=[])
    if COMPILED not in builds:
        print(f"scaling: {MISSING}", file=sys.stderr)
    wanted = [_named(build) for build in builds]
    names, records, workers = asked.names, asked.records, asked.workers
    if asked.resume:
        names = _missing(report, f"{CACHE}, {SPREAD}", names, wanted)
        records = _missing(report, f"{ZONE}, {SPREAD}", records, wanted)
        workers = _missing(report, WORKERS, workers, wanted)
    os.sched_setaffinity(0, _ASKING)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="txdns-scaling-")))
            measurement = Measurement(report, builds, folder, asked.record)
            upstream = ("127.0.0.1", 9)
            if {"workers", "pauses"} & set(asked.stages):
                zone = folder / "upstream"
                zone.write_text("".join(zoneLines(HOT)))
                kind = next(kind for kind in authorities({"example.test": zone}) if kind.name == NSD)
                upstream = ("127.0.0.1", stack.enter_context(Server(kind, upstream, _ASKING)).port)
            stages = {
                "cache": partial(measurement.cache, names),
                "zone": partial(measurement.zone, records),
                "workers": partial(measurement.workers, workers, upstream),
                "pauses": partial(measurement.pauses, asked.full, upstream, 4 * asked.seconds),
            }
            for stage in STAGES:
                if stage in asked.stages and not (stage == "pauses" and asked.resume and set(wanted) <= set(report.pauses)):
                    stages[stage]()
            measurement.say("done")
    except KeyboardInterrupt:
        print("scaling: interrupted; all servers have ended", file=sys.stderr)
        return 130
    if asked.record:
        record(report)
    with suppress(BrokenPipeError):
        print(block(report))
    return int(any(report.longest(build) > PAUSE_MOST for build in report.pauses))


if __name__ == "__main__":
    sys.exit(main())
