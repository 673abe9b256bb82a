"""
The table of work and its bounds, interpreted and compiled, with other servers and libraries in the same run.

    python -m benchmarks bounds [UNIT ...] [--rounds N] [--seconds S] [--base PYTHON] [--resume] [--record]

Units: C{zone}, C{cache} (hits, random case, cookies, latency), C{first}, C{fresh}, C{missing}, C{many}, C{client}, C{parse}, C{plain},
C{signed}, C{zones}, C{update}, C{axfr}, C{bulk}; by default all, which takes about fifteen minutes. With C{--record},
C{benchmarks/bounds.json} is written after each unit and C{docs/measured.rst} and C{README.rst} at the end; C{--resume} measures only the
units that the file does not have. C{--base} is the interpreter of an environment with an earlier state of the package, which must not have
been faster by more than 3 %.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.authorities import KNOT, NSD, authorities, zoneLines
from benchmarks.bounds.table import BASE, LINES, RECORD, UNITS, block, summary
from benchmarks.commandline import endsLikeControlC, lacks, parserFor
from benchmarks.loads import addressOf, dnsperf, query, right
from benchmarks.peering import CORES
from benchmarks.served import Measurement, machine, replaced
from benchmarks.servers import KINDS, OURS, UNBOUND, Kind, Server
from benchmarks.updated import BIND, changed, signers
from benchmarks.variants import MISSING, PURE, Variant, variants
from benchmarks.verdicts import Report, suffixOf
from benchmarks.zoneloads import signed
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery

__all__ = ["Bounds", "main", "record"]

_ROOT: Final = Path(__file__).parent.parent.parent

_SERVED, _ASKING = {CORES[0]}, {CORES[-1]}

#: Hosts of the zone.
_HOSTS: Final = 100_000

#: New names of each round.
_NEW: Final = 60_000

#: Look-ups of the client, and names of bulk.
_LOOKUPS: Final = 20_000
_BULK: Final = 100_000

#: Zones, records, and delegations of the loads; six records each.
_ZONES: Final = 100_000
_RECORDS: Final = 1_000_000
_DELEGATIONS: Final = 350_000

#: Updates of each round, which eight clients share.
_UPDATES: Final = 800

#: Seconds that a server gets to load, and those after which a load is not repeated.
_PATIENCE: Final = 900.0
_ENOUGH: Final = 40.0

#: Seconds for all names.
_LONG: Final = 60

_HITS: Final = ("udp", "case", "cookie", "light")


def _asks(name: str, address: bytes, port: int) -> bool:
    asked = query(1, name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        with suppress(OSError):
            asking.connect(("127.0.0.1", port))
            asking.send(asked)
            return right(asked, asking.recv(4096), address)
    return False


def _isSigned(port: int) -> bool:
    """
    Return whether a server serves the zone, signed.
    """
    asked = b"\x00\x01" + buildQuery(0, questionOf("example.test", "DNSKEY").toWire(), b"")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        with suppress(OSError):
            asking.connect(("127.0.0.1", port))
            asking.send(asked)
            return asking.recv(4096)[6:8] != b"\x00\x00"
    return False


class Bounds:
    """
    All units, one after the other.
    """

    def __init__(self, report: Report, builds: Sequence[Variant], folder: Path) -> None:
        self.report = report
        self._builds = builds
        self._names = {PURE: OURS}
        self._folder = folder
        self._clock = time.monotonic()
        self._zone = folder / "example.test"
        self._zone.write_text("".join(zoneLines(_HOSTS)))

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._clock:5.0f} s  {text}", file=sys.stderr, flush=True)

    def _remark(self, text: str) -> None:
        self.report.remarks.append(text)
        self.say(text)

    def _name(self, build: Variant) -> str:
        return self._names.get(build.name, build.name)

    def _kinds(self, kinds: Iterable[Kind], *others: str) -> list[Kind]:
        """
        Return those servers that are installed, with our builds in place of ours.
        """
        found = []
        for kind in kinds:
            if kind.name == OURS:
                found += [replace(kind, name=self._name(build), program=build.python) for build in self._builds]
            elif kind.name in others:
                if kind.found():
                    found.append(kind)
                else:
                    self._remark(f"{kind.name} is not installed (Debian: apt install {kind.package}); it is left out.")
        return found

    def _upstream(self, stack: ExitStack) -> tuple[str, int]:
        kind = self._kinds(authorities({"example.test": self._zone}), NSD)[0]
        return "127.0.0.1", stack.enter_context(Server(kind, ("", 0), _ASKING)).port

    # -- servers

    def _hits(self, unit: str, kinds: Sequence[Kind], upstream: tuple[str, int]) -> None:
        part = Report(self.report.date, "", self.report.rounds, self.report.seconds, _HOSTS)
        measurement = Measurement(part, kinds, upstream, self._folder)
        measurement.hits(_HITS)
        for stage in _HITS:
            for name, figures in part.figures.get(stage, {}).items():
                for value in figures["latency" if stage == "light" else "cpu"]:
                    self.report.keep(f"{unit} {stage}", name, value=value)
        self.report.remarks += part.remarks

    def zone(self) -> None:
        self._hits("zone", self._kinds(authorities({"example.test": self._zone}), NSD), ("", 0))

    def cache(self) -> None:
        with ExitStack() as stack:
            self._hits("cache", self._kinds(KINDS, UNBOUND), self._upstream(stack))

    def _once(self, key: str, server: Server, path: Path, good: str = "NOERROR") -> None:
        before = server.cpu()
        load = dnsperf(server.port, path, _LONG, _ASKING, once=True, good=good)
        spent = server.cpu() - before
        if objection := load.objection():
            self._remark(f"{key}, {server.kind.name}: {objection}.")
        if load.answered:
            self.report.keep(key, server.kind.name, value=spent / load.answered * 1e6)

    def _each(self) -> Path:
        path = self._folder / "each"
        path.write_text("".join([f"h{index}.example.test A\n" for index in range(_HOSTS)]))
        return path

    def first(self) -> None:
        """
        Ask all names of servers that have just started.
        """
        path = self._each()
        for _ in range(self.report.rounds):
            for kind in self._kinds(authorities({"example.test": self._zone}), NSD):
                with Server(kind, ("", 0), _SERVED) as server:
                    self._once("first", server, path)

    def _new(self, key: str, below: str, good: str = "NOERROR") -> None:
        """
        Ask for names that nobody has asked for, others in each round.
        """
        path = self._folder / key
        with ExitStack() as stack:
            kinds = self._kinds(authorities({"example.test": self._zone}), NSD)
            servers = [stack.enter_context(Server(kind, ("", 0), _SERVED)) for kind in kinds]
            for number in range(self.report.rounds):
                path.write_text("".join([f"y{number}-{index}.{below} A\n" for index in range(_NEW)]))
                for server in servers:
                    self._once(key, server, path, good)

    def fresh(self) -> None:
        self._new("fresh", "wild.example.test")

    def missing(self) -> None:
        self._new("missing", "example.test", "NXDOMAIN")

    def many(self) -> None:
        path = self._folder / "many"
        path.write_text(self._each().read_text() * 2)
        with ExitStack() as stack:
            upstream = self._upstream(stack)
            for _ in range(self.report.rounds):
                for kind in self._kinds(KINDS, UNBOUND):
                    with Server(kind, upstream, _SERVED) as server:
                        self._once("many", server, path)

    # -- loading

    def _load(self, key: str, zones: Mapping[str, Path], ready: Callable[[int], bool], *peers: str) -> None:
        began = time.monotonic()
        done: set[str] = set()
        for _ in range(self.report.rounds):
            for kind in self._kinds(authorities(zones), *peers):
                try:
                    with Server(kind, ("", 0), CORES, ready=ready, patience=_PATIENCE) as server:
                        self.report.keep(key, kind.name, value=server.took)
                except OSError as error:
                    if kind.name not in done:
                        self._remark(f"{key}: {error}.")
                done.add(kind.name)
            if time.monotonic() - began > _ENOUGH:
                break

    def plain(self) -> None:
        path = self._folder / "plain"
        with path.open("w") as file:
            file.writelines(zoneLines(_RECORDS))
        self._load("plain", {"example.test": path}, partial(_asks, f"h{_RECORDS - 1}.example.test", addressOf(_RECORDS - 1)), NSD, KNOT)
        path.unlink()

    def signed(self) -> None:
        path = self._folder / "signed"
        with path.open("w") as file:
            file.writelines(signed(_DELEGATIONS))
        self._load("signed", {"bench.test": path}, partial(_asks, "ns1.bench.test", b"\xc0\x00\x02\x01"), NSD, KNOT)
        path.unlink()

    def zones(self) -> None:
        folder = self._folder / "zones"
        folder.mkdir()
        zones = {f"z{number}.test": folder / f"z{number}.test.zone" for number in range(_ZONES)}
        text = "@ 3600 SOA ns1 hostmaster 1 3600 900 604800 300\n@ 3600 NS ns1\nns1 3600 A 192.0.2.1\n"
        for path in zones.values():
            path.write_text(text)
        # Servers load them in orders of their own, so that each of some has to be there.
        some = [f"ns1.z{number}.test" for number in range(0, _ZONES, _ZONES // 50)]
        self._load("zones", zones, lambda port: all(_asks(name, b"\xc0\x00\x02\x01", port) for name in some), NSD, KNOT)
        shutil.rmtree(folder)

    def update(self) -> None:
        """
        Change a signed zone. The process with the keys counts as well.
        """
        for _ in range(self.report.rounds):
            for kind in self._kinds(signers(), BIND, KNOT):
                with Server(kind, ("", 0), _SERVED, ready=_isSigned, patience=_PATIENCE) as server:
                    # The first one opens the keys.
                    changed(server.port, 1, 5, 0)
                    for number, clients in enumerate((1, 8), 1):
                        before = server.cpu()
                        try:
                            changed(server.port, clients, _UPDATES // clients, number)
                        except OSError as error:
                            self._remark(f"update, {kind.name}: {error}.")
                            continue
                        spent = server.cpu() - before
                        self.report.keep(f"update {clients}", kind.name, value=spent / _UPDATES * 1e3)

    # -- in processes of their own

    def _run(self, build: Variant, words: Sequence[str]) -> str:
        with build.environment() as environment:
            done = subprocess.run(
                [build.python, "-m", *words],
                env=environment,
                cwd=_ROOT,
                capture_output=True,
                text=True,
                timeout=300,
                preexec_fn=lambda: os.sched_setaffinity(0, _SERVED),
            )
        if done.returncode:
            self._remark(f"{words[0]}, {build.name}: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}.")
            return ""
        return done.stdout.strip().splitlines()[-1]

    def _children(self, unit: str) -> None:
        for _ in range(self.report.rounds):
            for build in self._builds:
                said = self._run(build, ["benchmarks.bounds.child", unit])
                for what, value in (json.loads(said) if said else {}).items():
                    key, _, library = what.partition(" ")
                    name = self._name(build) if library in ("", "twisted_ext") else library + suffixOf(self._name(build))
                    self.report.keep(key, name, value=value)

    def parse(self) -> None:
        self._children("parse")

    def axfr(self) -> None:
        self._children("axfr")

    def client(self) -> None:
        with ExitStack() as stack:
            host, port = self._upstream(stack)
            runs = [(self._name(build), build, "twisted_ext") for build in self._builds]
            pure = self._builds[0]
            runs += [(library, pure, library) for library in ("aiodns", "twisted.names")]
            for _ in range(self.report.rounds):
                for name, build, library in runs:
                    said = self._run(build, ["benchmarks.uncached", "--child", library, host, str(port), str(_LOOKUPS)])
                    if said:
                        self.report.keep("client", name, value=json.loads(said)[1])

    def bulk(self) -> None:
        path, output = self._folder / "names", self._folder / "output"
        path.write_text("\n".join([f"h{index}.example.test" for index in range(_BULK)]))
        with ExitStack() as stack:
            host, port = self._upstream(stack)
            for _ in range(self.report.rounds):
                for build in self._builds:
                    output.unlink(missing_ok=True)
                    words = ["twisted_ext.apps.cli.main", "bulk", str(path), f"@{host}:{port}", "--output", str(output)]
                    before = resource.getrusage(resource.RUSAGE_CHILDREN)
                    subprocess.run(
                        [build.python, "-P", "-m", *words],
                        check=True,
                        stderr=subprocess.DEVNULL,
                        preexec_fn=lambda: os.sched_setaffinity(0, _SERVED),
                    )
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    found = sum([b'"data":["10.' in line for line in output.open("rb")])
                    if found < _BULK:
                        self._remark(f"bulk, {build.name}: {_BULK - found} names without their address.")
                    self.report.keep("bulk", self._name(build), value=_BULK / took)


def record(report: Report) -> None:
    """
    Write the report, and what the page of figures and the README show of it.
    """
    text = report.toJSON(())
    RECORD.write_text(text, "utf-8")
    # What was rounded when it was written: rounded twice, it could be another figure.
    written = Report.fromJSON(text)
    for path, shown in ((_ROOT / "docs" / "measured.rst", block(written)), (_ROOT / "README.rst", summary(written))):
        path.write_text(replaced(path.read_text("utf-8"), shown, "bounds"), "utf-8")


def main() -> int:
    """
    @return: the exit code: 0 whatever was measured, 2 for wrong words, 130 when interrupted.
    """
    parser = parserFor("bounds", __doc__, 5)
    parser.add_argument("units", nargs="*", metavar="UNIT", help=", ".join(UNITS))
    parser.add_argument("--base", metavar="PYTHON", help="an interpreter with an earlier state of the package")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.units) - set(UNITS)):
        parser.error(f"{', '.join(unknown)}: not units; units are {', '.join(UNITS)}")
    if lacks("bounds", "dnsperf", "nsd"):
        return 0
    endsLikeControlC()
    builds = variants()
    if len(builds) == 1:
        print(f"bounds: {MISSING}", file=sys.stderr)
    if asked.base:
        builds.append(Variant.at(BASE, asked.base))
    known = Report.fromJSON(RECORD.read_text("utf-8")) if RECORD.exists() and (asked.resume or asked.units) else None
    report = known or Report("", "", 0, 0, _HOSTS)
    report.date, report.machine, report.rounds, report.seconds = time.strftime("%Y-%m-%d"), machine(), asked.rounds, asked.seconds
    units = list(asked.units or UNITS)
    if asked.resume:
        units = [unit for unit in units if not all(line.key in report.figures for line in LINES if line.unit == unit)]
    os.sched_setaffinity(0, _ASKING)
    try:
        with tempfile.TemporaryDirectory(prefix="txdns-bounds-") as folder:
            bounds = Bounds(report, builds, Path(folder))
            for unit in units:
                bounds.say(unit)
                for line in LINES:
                    if line.unit == unit:
                        report.figures.pop(line.key, None)
                getattr(bounds, unit)()
                if asked.record:
                    RECORD.write_text(report.toJSON(()), "utf-8")
            bounds.say("done")
    except KeyboardInterrupt:
        print("bounds: interrupted; all servers have ended", file=sys.stderr)
        return 130
    if asked.record:
        record(report)
    with suppress(BrokenPipeError):
        print(block(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
