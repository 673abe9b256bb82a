"""
Our forwarding cache beside other people's: what a hit costs the server, by UDP and TCP, and what else users wait or pay for.

    python -m benchmarks.served [--rounds N] [--seconds S] [--only NAME,NAME] [--stages STAGE,STAGE] [--json [FILE]] [--record]

Servers that are installed run on the first core; dnsperf, and NSD whom they ask, on the last. The servers take turns, so that what
else the machine does meets all alike: ratios are of the same round, and say more than figures. The processor time is that of all processes
of a server, from C{/proc}, by the answers that it gave: it does not depend on how much dnsperf can ask for. Stages:

C{start}: from the start of the process to the first answer. C{udp}, C{tcp}: 8,000 names again and again, some more often. C{case}: these
in random case, no datagram twice. C{cookie}: each query with a cookie of one of 1,000 clients. C{light}: latency at 2,000 queries a second.
C{many}: 100,000 names, each twice, and the memory with them. C{worker}: one of C{--workers 2} at a time, on the first core, beside one
process, with one client each. C{workers}: both at once, each on a core of its own, which they share with dnsperf.

C{--record} writes what C{docs/measured.rst} says of it, and C{benchmarks/served.json}.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, Literal

from benchmarks.authorities import NSD
from benchmarks.commandline import endsLikeControlC, lacks, words
from benchmarks.loads import HOT, Load, Transport, cookies, dnsperf, written, wrongAmong
from benchmarks.peering import CORES, zoneServer
from benchmarks.servers import KINDS, OURS, UNBOUND, Kind, Server, processorTime
from benchmarks.variants import COMPILED
from benchmarks.verdicts import ALONE, BOTH, WORKERS, Report, block, suffixOf, table, verdict, verdicts
from tests.peers import freePort

__all__ = ["RECORD", "installed", "machine", "main", "replaced"]

RECORD: Final = Path(__file__).with_suffix(".json")
_PAGE: Final = Path(__file__).parent.parent / "docs" / "measured.rst"

#: What C{--record} of a benchmark writes stands between these.
_MARKS: Final = (".. {name} begins: python -m benchmarks {name} --record writes this\n\n", "\n.. {name} ends\n")

STAGES: Final = ("start", "udp", "case", "cookie", "tcp", "light", "many", "worker", "workers")

#: Names of the zone.
_NAMES: Final = 100_000

#: Lines for names that are hot, and for each second of names in random case.
_LINES: Final = 200_000
_LINES_PER_SECOND: Final = 200_000

#: Servers that are asked in random case and with cookies.
_CLOSEST: Final = (UNBOUND, NSD, OURS, COMPILED)

#: Queries in a second that count as little.
_LIGHT: Final = 2000

#: Queries in random case, or with cookies, after which more of them are nothing new.
_LEARNED: Final = 120_000

#: Seconds in which all of these, or all names twice, have to be asked.
_LONG: Final = 60

#: Clients that make both workers be asked, and ports that are tried until each has been.
_CLIENTS: Final = 64
_PORTS: Final = 24

_SERVED, _ASKING = {CORES[0]}, {CORES[-1]}


def machine() -> str:
    """
    @return: what class of machine this is.
    """
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    shared = " of a virtual machine" if " hypervisor" in text else ""
    return f"{len(CORES)} cores{shared} ({model[1].strip() if model else platform.machine()}), Python {platform.python_version()}"


def replaced(page: str, said: str, name: str = "served") -> str:
    """
    @return: the page of figures with this between the marks of a benchmark.
    """
    before, begins, rest = page.partition(_MARKS[0].format(name=name))
    _, ends, after = rest.partition(_MARKS[1].format(name=name))
    if not begins or not ends:
        raise ValueError("docs/measured.rst has no place for what was measured")
    return before + begins + said + ends + after


def _transport(stage: str) -> Transport:
    return "tcp" if stage == "tcp" else "udp"


class Measurement:
    """
    All stages, one after the other.
    """

    def __init__(self, report: Report, kinds: Iterable[Kind], upstream: tuple[str, int], folder: Path) -> None:
        self.report = report
        self._kinds = list(kinds)
        self._upstream = upstream
        self._folder = folder
        self._hot = written(folder, "plain", _LINES)
        self._warm = written(folder, "each", HOT)
        self._clock = time.monotonic()

    def say(self, text: str) -> None:
        """
        Tell who waits.
        """
        print(f"{time.monotonic() - self._clock:5.0f} s  {text}", file=sys.stderr, flush=True)

    def remark(self, text: str) -> None:
        """
        Tell, and keep it in the report.
        """
        self.report.remarks.append(text)
        self.say(text)

    def objected(self, name: str, stage: str, objection: str | None) -> None:
        """
        Say it if there is one and this has not had another one.
        """
        start = f"{name}, {stage}: "
        if objection and not any(remark.startswith(start) for remark in self.report.remarks):
            self.remark(f"{start}{objection}.")

    def _started(self, stack: ExitStack) -> list[Server]:
        running = []
        for kind in list(self._kinds):
            try:
                server = stack.enter_context(Server(kind, self._upstream, _SERVED))
            except OSError as error:
                self.remark(f"{error}; it is left out.")
                self._kinds.remove(kind)
            else:
                self.report.keep("start", kind.name, start=server.took)
                running.append(server)
        return running

    def starts(self) -> None:
        """
        Start and end each, as often as there are rounds; once more is done anyway.
        """
        for _ in range(self.report.rounds - 1):
            for kind in list(self._kinds):
                with ExitStack() as stack:
                    before, self._kinds = self._kinds, [kind]
                    self._started(stack)
                    self._kinds = before if self._kinds else [each for each in before if each is not kind]

    def _cost(self, stage: str, name: str, server: Server, load: Callable[[], Load]) -> Load:
        before = server.cpu()
        found = load()
        spent = server.cpu() - before
        self.objected(name, stage, found.objection())
        if found.answered:
            self.report.keep(stage, name, cpu=spent / found.answered * 1e6, speed=found.answered / found.seconds)
        return found

    def _asked(self, server: Server, stage: str, number: int) -> Load:
        """
        @param number: of the round. Before the first one, which is no. 1, there is one that does not count. Where queries differ it takes
            as long as so many of them need: what a server learns of them it has learned then, however slow the machine is.
        """
        seconds = self.report.seconds if number else 1.0
        if stage == "cookie":
            return cookies(server.port, seconds, number) if number else cookies(server.port, _LONG, number, _LEARNED)
        if stage == "case":
            path = written(self._folder, "case", round(_LINES_PER_SECOND * seconds) if number else _LEARNED, number)
            seconds = seconds if number else _LONG
            return dnsperf(server.port, path, seconds, _ASKING, once=True)
        return dnsperf(server.port, self._hot, seconds, _ASKING, transport=_transport(stage))

    def hits(self, stages: Iterable[str]) -> None:
        """
        Measure what is asked for again and again.
        """
        with ExitStack() as stack:
            servers = self._started(stack)
            for server in servers:
                self._warmed(server)
            for stage in stages:
                self.say(stage)
                few = [server for server in servers if stage not in ("case", "cookie") or server.kind.name in _CLOSEST]
                if stage == "light":
                    self._light(few)
                    continue
                if stage != "udp":
                    for server in few:
                        self._asked(server, stage, 0)
                for number in range(1, self.report.rounds + 1):
                    for server in few:
                        self._cost(stage, server.kind.name, server, partial(self._asked, server, stage, number))
                if stage == "cookie":
                    continue
                for server in few:
                    wrong = wrongAmong(server.port, self._hot, _ASKING, transport=_transport(stage), case=stage == "case")
                    if wrong:
                        self.objected(server.kind.name, f"{stage}, sampled", f"of 1,000 answers sampled {wrong} missing or not the zone's")

    def _warmed(self, server: Server, cores: Iterable[int] = _ASKING, clients: int = 1) -> None:
        for _ in range(2 if clients == 1 else 6):
            dnsperf(server.port, self._warm, 20, cores, clients=clients, window=50, once=True)
        dnsperf(server.port, self._hot, 1, cores, clients=max(clients, 8))

    def _light(self, servers: Iterable[Server]) -> None:
        servers = list(servers)
        for _ in range(self.report.rounds):
            for server in servers:
                found = dnsperf(server.port, self._hot, 1, _ASKING, clients=4, window=8, rate=_LIGHT)
                self.objected(server.kind.name, "light", found.objection())
                self.report.keep("light", server.kind.name, latency=found.latency * 1e6)

    def many(self) -> None:
        """
        Ask all names of the zone, and ask again. Once: a server has to be new for it.
        """
        self.say("many")
        path = self._folder / "many"
        path.write_text(written(self._folder, "each", self.report.names).read_text() * 2)
        with ExitStack() as stack:
            for server in self._started(stack):
                asked = self._cost("many", server.kind.name, server, partial(dnsperf, server.port, path, _LONG, _ASKING, once=True))
                if asked.sent < 2 * self.report.names:
                    self.objected(server.kind.name, "many, all", f"only {asked.sent} queries in {_LONG} s, so not all names")
                self.report.keep("many", server.kind.name, memory=server.memory())

    def workers(self, stages: Collection[str]) -> None:
        """
        Compare two workers with one process, in each build of ours.
        """
        for kind in self._kinds:
            if kind.name in (OURS, COMPILED):
                self._workers(stages, kind, suffixOf(kind.name))

    def _workers(self, stages: Collection[str], kind: Kind, suffix: str) -> None:
        with ExitStack() as stack:
            one = stack.enter_context(Server(kind, self._upstream, _SERVED))
            two = stack.enter_context(Server(kind, self._upstream, CORES, ["--workers", "2"]))
            for server in (one, two):
                self._warmed(server, CORES, 16)
            # The first is the parent, which answers nothing itself.
            workers = two.processes[1:]
            if "worker" in stages:
                self.say(f"worker{suffix}")
                self._oneByOne(one, two, workers, suffix)
            if "workers" in stages:
                self.say(f"workers{suffix}")
                for place, worker in enumerate(workers):
                    os.sched_setaffinity(worker, {CORES[place % len(CORES)]})
                for _ in range(self.report.rounds):
                    for name, server in ((ALONE, one), (BOTH, two)):
                        load = partial(dnsperf, server.port, self._hot, self.report.seconds, CORES, clients=_CLIENTS)
                        self._cost("workers", name + suffix, server, load)

    def _oneByOne(self, one: Server, two: Server, workers: list[int], suffix: str) -> None:
        """
        Measure with one client each, from a port whose queries the system hands to that worker.
        """
        for worker in workers:
            os.sched_setaffinity(worker, _SERVED)
        ports: dict[int, int] = {}
        for _ in range(_PORTS):
            port = freePort("127.0.0.1")
            before = {worker: _taken(worker) for worker in workers}
            dnsperf(two.port, self._warm, 5, _ASKING, clients=1, once=True, source=port)
            ports.setdefault(max(workers, key=lambda worker: _taken(worker) - before[worker]), port)
            if len(ports) == len(workers):
                break
        source = freePort("127.0.0.1")
        names = dict(zip(workers, WORKERS, strict=False))
        for _ in range(self.report.rounds):
            asked = [(ALONE, one, source), *[(names[worker], two, port) for worker, port in sorted(ports.items())]]
            for name, server, port in asked:
                load = partial(dnsperf, server.port, self._hot, self.report.seconds, _ASKING, clients=1, source=port)
                self._cost("worker", name + suffix, server, load)


def _taken(process: int) -> float:
    return processorTime([Path(f"/proc/{process}/stat").read_text()])


def installed(report: Report, kinds: Iterable[Kind]) -> list[Kind]:
    """
    Say in the report which are there, in what version, and which are not.

    @return: those that are.
    """
    found = []
    for kind in kinds:
        if kind.found():
            found.append(kind)
            report.versions[kind.name] = kind.installedVersion()
        else:
            how = f"Debian: apt install {kind.package}" if kind.package else "make compiled"
            report.remarks.append(f"{kind.name} is not installed ({how}); it is left out.")
            print(report.remarks[-1], file=sys.stderr)
    return found


def measured(rounds: int, seconds: float, stages: Collection[str], only: Collection[str]) -> Report:
    """
    Measure.

    @param only: servers, in lower case; all if there are none.
    """
    report = Report(time.strftime("%Y-%m-%d"), machine(), rounds, seconds, _NAMES)
    kinds = installed(report, [kind for kind in KINDS if kind.name.lower() in only or not only])
    if CORES[0] == CORES[-1]:
        report.remarks.append("There is one core only: servers share it with dnsperf.")
    with tempfile.TemporaryDirectory(prefix="txdns-served-") as folder, zoneServer(_NAMES) as upstream:
        # What asks is with dnsperf: the first core is the server's.
        os.sched_setaffinity(0, _ASKING)
        measurement = Measurement(report, kinds, upstream.server, Path(folder))
        if "start" in stages:
            measurement.say("start")
            measurement.starts()
        hits = [stage for stage in STAGES if stage in stages and stage in ("udp", "case", "cookie", "tcp", "light")]
        if hits:
            measurement.hits(hits)
        if "many" in stages:
            measurement.many()
        if "worker" in stages or "workers" in stages:
            measurement.workers(stages)
        measurement.say("done")
    return report


def show(report: Report) -> None:
    """
    Print tables: for people on a terminal, plain ones elsewhere or without rich.
    """
    headings, rows = table(report)
    judged = [
        [budget.what, "" if figure is None else f"{figure:.2f}{budget.unit}", budget.bound, verdict(held)]
        for budget, figure, held in verdicts(report)
    ]
    tables = ((headings, rows), (["what", "measured", "allowed", ""], judged))
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        terminal = False
    else:
        terminal = sys.stdout.isatty()
    for heads, lines in tables:
        if terminal:
            made = Table(box=None, padding=(0, 1, 0, 0))
            for place, head in enumerate(heads):
                # Figures stand below each other, and their headings take little room.
                side: Literal["left", "right"] = "right" if place and lines is rows else "left"
                made.add_column(head.replace(" ", "\n"), justify=side, no_wrap=place > 0 or lines is rows)
            for line in lines:
                made.add_row(*line, style={"falls short": "red", "held": "green"}.get(line[-1]))
            Console().print(made, "")
            continue
        widths = [max([len(line[place]) for line in [heads, *lines]]) for place in range(len(heads))]
        for line in [heads, *lines]:
            print("  ".join([cell.ljust(width) for cell, width in zip(line, widths, strict=True)]).rstrip())
        print()
    print(", ".join([f"{name} {version}".strip() for name, version in report.versions.items()]))
    for remark in report.remarks:
        print(remark)


def record(report: Report) -> None:
    """
    Keep the report, and say in the page of figures what it says.
    """
    written = report.toJSON()
    RECORD.write_text(written, "utf-8")
    # From the recorded figures, which are rounded: the exact ones could be shown differently.
    _PAGE.write_text(replaced(_PAGE.read_text("utf-8"), block(Report.fromJSON(written))), "utf-8")


def main() -> int:
    """
    @return: the exit code: 0 whatever the verdicts, 2 for words that mean nothing here, 130 when interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks served", description="Our forwarding cache beside other people's.")
    parser.add_argument("--rounds", type=int, default=3, help="of each stage, for each server (3)")
    parser.add_argument("--seconds", type=float, default=2, help="of each round (2)")
    parser.add_argument("--only", type=words, default=[], metavar="NAME,NAME", help="some of the servers")
    parser.add_argument("--stages", type=words, default=list(STAGES), metavar="STAGE,STAGE", help=", ".join(STAGES))
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write all figures, to standard output without FILE")
    parser.add_argument("--record", action="store_true", help="write benchmarks/served.json, and what docs/measured.rst says of it")
    asked = parser.parse_args()
    names = [kind.name for kind in KINDS]
    if unknown := [*(set(asked.stages) - set(STAGES)), *(set(asked.only) - {name.lower() for name in names})]:
        parser.error(f"there is no {', '.join(unknown)}; stages are {', '.join(STAGES)}; servers are {', '.join(names)}")
    if asked.rounds < 1 or asked.seconds < 1:
        parser.error("at least one round of one second")
    if lacks("served", "dnsperf", "nsd"):
        return 0
    endsLikeControlC()
    try:
        report = measured(asked.rounds, asked.seconds, asked.stages, asked.only)
    except KeyboardInterrupt:
        print("served: interrupted; all servers have ended", file=sys.stderr)
        return 130
    if asked.record:
        record(report)
    if asked.json == "-":
        print(report.toJSON(), end="")
        return 0
    if asked.json:
        Path(asked.json).write_text(report.toJSON(), "utf-8")
    show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
