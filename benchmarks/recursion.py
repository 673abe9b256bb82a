"""
Our validating resolver beside other people's: what it costs to resolve a name from the root for the first time.

    python -m benchmarks.recursion [--rounds N] [--domains N] [--only NAME,NAME] [--stages STAGE,STAGE] [--json [FILE]] [--record]

A small internet, signed throughout, is made and served by NSD on loopback addresses, in a network namespace. Each resolver that is
installed is started anew for each round, on the first core; NSD and dnsperf share the last one. It knows the top-level domains when the
measurement begins, so a name takes a query for the delegation, one for the keys of the domain and one for the address, and three
signatures. Rounds go round the resolvers: ratios are of the same round, and say more than figures.

C{cold}: processor time of the resolver for each name, and packets that it sends. C{plain}: the same of ours without validation. C{late}:
the time in which 99 of 100 names are resolved while each link takes 20 ms to a server and back. C{many}: 100,000 names, and the memory
with them.

C{--record} writes what C{docs/measured.rst} says of it, and C{benchmarks/recursion.json}.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.commandline import endsLikeControlC, lacks, words
from benchmarks.internets import HOSTS, TLDS, Internet, isolated, packetsSent
from benchmarks.loads import Load, dnsperf, query
from benchmarks.peering import CORES
from benchmarks.served import installed, machine, replaced
from benchmarks.servers import KINDS, OURS, UNBOUND, Kind, Place, Server
from benchmarks.verdicts import Budget, Report, shown, simpleTable, verdict, verdicts, wrapped

__all__ = ["BUDGETS", "RECORD", "STAGES", "block", "kindsFor", "main", "percentile"]

RECORD: Final = Path(__file__).with_suffix(".json")
_PAGE: Final = Path(__file__).parent.parent / "docs" / "measured.rst"

STAGES: Final = ("cold", "plain", "late", "many")

#: Ours without validation.
PLAIN: Final = "not validated"

#: Domains of all top-level domains together: with all hosts, 100,000 names.
_DOMAINS: Final = 4000

#: Seconds that a link takes in one direction, queries that are sent each second over such links, and how many.
_LINK: Final = 0.01
_RATE: Final = 100
_LATE: Final = 1000

#: Seconds in which all names have to be asked for.
_LONG: Final = 300

_SERVED, _ASKING = {CORES[0]}, {CORES[-1]}

BUDGETS: Final = (
    Budget("cold name, CPU, by Unbound's", lambda it: it.ratio("cold", "cpu"), most=1.5),
    Budget("cold name not validated, CPU, by our validated one's", lambda it: it.ratio("plain", "cpu", OURS, OURS, "cold"), most=0.6),
    # A hundredth more, for queries that are repeated because the machine was busy.
    Budget("cold name, packets, by Unbound's", lambda it: it.ratio("cold", "packets"), most=1.01),
    Budget("cold name, 99 of 100 over 20 ms links, beyond Unbound's", lambda it: _beyond(it), most=20, unit=" ms"),
    Budget("100,000 names, memory", lambda it: it.middle("many", "memory"), most=150, unit=" MB"),
)


def _beyond(report: Report) -> float | None:
    ours, theirs = report.middle("late", "latency"), report.middle("late", "latency", UNBOUND)
    return None if ours is None or theirs is None else ours - theirs


def percentile(values: Sequence[float], part: float) -> float:
    """
    Return the least value that is not exceeded by this part of all values.
    """
    ordered = sorted(values)
    return ordered[min(max(-int(-part * len(ordered)), 1), len(ordered)) - 1]


def kindsFor(internet: Internet) -> list[Kind]:
    """
    Return the resolvers of L{KINDS} that recurse, configured for this internet.
    """
    commands: dict[str, Callable[[Internet, Place], list[str]]] = {
        UNBOUND: _unbound,
        "BIND": _bind,
        "PowerDNS": _powerDNS,
        OURS: _ours,
    }
    return [
        Kind(kind.name, kind.program, kind.package, kind.version, partial(commands[kind.name], internet))
        for kind in KINDS
        if kind.name in commands
    ]


def _unbound(internet: Internet, place: Place) -> list[str]:
    text = f"""\
server:
  interface: 127.0.0.1@{place.port}
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  root-hints: "{internet.hints}"
  trust-anchor-file: "{internet.ds}"
  num-threads: 1
  msg-cache-size: 64m
  rrset-cache-size: 128m
  directory: "{place.folder}"
  pidfile: ""
  username: ""
  chroot: ""
  logfile: ""
  use-syslog: no
  do-daemonize: no
remote-control:
  control-enable: no
"""
    return [place.program, "-d", "-c", place.configured(text)]


def _bind(internet: Internet, place: Place) -> list[str]:
    flags, protocol, algorithm, key = internet.key.read_text().split("DNSKEY")[1].split(None, 3)
    text = f"""\
options {{
  directory "{place.folder}";
  pid-file none;
  session-keyfile "{place.folder}/session.key";
  managed-keys-directory "{place.folder}";
  listen-on port {place.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  allow-query {{ localhost; }};
  dnssec-validation yes;
  empty-zones-enable no;
}};
trust-anchors {{ . static-key {flags} {protocol} {algorithm} "{"".join(key.split())}"; }};
zone "." {{ type hint; file "{internet.hints}"; }};
controls {{ }};
"""
    return [place.program, "-4", "-f", "-n", "1", "-c", place.configured(text)]


def _powerDNS(internet: Internet, place: Place) -> list[str]:
    anchor = internet.ds.read_text().split("DS", 1)[1].strip()
    lua = place.configured(f"clearTA()\naddTA('.', \"{anchor}\")\n", "anchors.lua")
    text = f"""\
local-address=127.0.0.1
local-port={place.port}
socket-dir={place.folder}
threads=1
pdns-distributes-queries=no
dnssec=validate
hint-file={internet.hints}
lua-config-file={lua}
allow-from=127.0.0.0/8
dont-query=
daemon=no
quiet=yes
disable-syslog=yes
loglevel=3
security-poll-suffix=
"""
    place.configured(text, "recursor.conf")
    return [place.program, f"--config-dir={place.folder}"]


def _ours(internet: Internet, place: Place) -> list[str]:
    words = f"-n --pidfile= txdns recurse --interface 127.0.0.1 --port {place.port} --query-localhost"
    words += f" --root-hints {internet.hints} --trust-anchor {internet.ds} --control {place.folder}/control"
    return [place.program, "-c", "from twisted.scripts.twistd import run; run()", *words.split()]


class Measurement:
    """
    All stages, one after the other.
    """

    def __init__(self, report: Report, kinds: Sequence[Kind], internet: Internet) -> None:
        self.report = report
        self._kinds = list(kinds)
        self._internet = internet
        self._clock = time.monotonic()

    def log(self, text: str) -> None:
        """
        Show what is being done.
        """
        print(f"{time.monotonic() - self._clock:5.0f} s  {text}", file=sys.stderr, flush=True)

    def remark(self, text: str) -> None:
        """
        Show a remark, and keep it in the report; once.
        """
        if text not in self.report.remarks:
            self.report.remarks.append(text)
            self.log(text)

    def _queries(self, name: str, hosts: Sequence[int], seed: int) -> Path:
        names = self._internet.names(hosts)
        random.Random(seed).shuffle(names)
        path = self._internet.folder / name
        path.write_text("".join([f"{each} A\n" for each in names]))
        return path

    def _server(self, kind: Kind, more: Sequence[str] = ()) -> Server:
        return Server(kind, ("", 0), _SERVED, more, self._internet.answers)

    def _warm(self, server: Server) -> None:
        """
        Make the resolver know the top-level domains.
        """
        for tld in range(TLDS):
            if not self._internet.answers(server.port, f"h1.d0.t{tld}"):
                raise OSError(f"{server.kind.name} does not resolve names of t{tld}")

    def _checked(self, stage: str, name: str, load: Load, server: Server, secure: bool) -> None:
        objection = load.objection()
        if objection is None and any(_isSecure(server.port, f"h2.d0.t{tld}") is not secure for tld in range(TLDS)):
            objection = "answers are not secure" if secure else "answers are secure without validation"
        if objection:
            self.remark(f"{name}, {stage}: {objection}.")

    def _each(self, stage: str, run: Callable[[Kind, Server], None], kinds: Sequence[Kind], more: Sequence[str] = ()) -> None:
        for kind in kinds:
            try:
                with self._server(kind, more) as server:
                    self._warm(server)
                    run(kind, server)
            except OSError as error:
                self.remark(f"{kind.name}, {stage}: {error}.")

    def _resolved(self, stage: str, path: Path, secure: bool, kind: Kind, server: Server) -> None:
        cpu, packets = server.cpu(), packetsSent()
        load = dnsperf(server.port, path, _LONG, _ASKING, clients=4, window=50, once=True)
        cpu, packets = server.cpu() - cpu, packetsSent() - packets
        memory = server.memory()
        self._checked(stage, kind.name, load, server, secure)
        if load.answered:
            # A query and a reply of dnsperf for each name, and a query and a reply for each packet of the resolver.
            sent = (packets / load.answered - 2) / 2
            self.report.keep(stage, kind.name, cpu=cpu / load.answered * 1e6, packets=sent, speed=load.answered / load.seconds)
            self.report.keep(stage, kind.name, memory=memory)

    def cold(self, stages: Collection[str]) -> None:
        """
        Resolve one name of each domain.
        """
        ours = [kind for kind in self._kinds if kind.name == OURS]
        for number in range(self.report.rounds):
            path = self._queries("cold", [0], number)
            if "cold" in stages:
                self.log(f"cold, round {number + 1}")
                self._each("cold", partial(self._resolved, "cold", path, True), self._kinds)
            if "plain" in stages:
                self._each("plain", partial(self._resolved, "plain", path, False), ours, ["--no-validate"])

    def late(self) -> None:
        """
        Resolve one name of each of many domains over slow links, so few at a time that none waits for another.
        """
        for number in range(self.report.rounds):
            self.log(f"late, round {number + 1}")
            self._each("late", partial(self._delayed, number), self._kinds)

    def _delayed(self, number: int, kind: Kind, server: Server) -> None:
        names = self._internet.names([0])
        random.Random(number).shuffle(names)
        times = _paced(server.port, names[:_LATE])
        if times:
            self.report.keep("late", kind.name, latency=percentile(times, 0.99) * 1000, middle=statistics.median(times) * 1000)
        if len(times) < len(names[:_LATE]):
            self.remark(f"{kind.name}, late: {len(names[:_LATE]) - len(times)} names were not resolved.")

    def many(self) -> None:
        """
        Resolve all names.
        """
        self.log("many")
        path = self._queries("many", range(HOSTS), 0)
        self._each("many", partial(self._resolved, "many", path, True), self._kinds)


def _isSecure(port: int, name: str) -> bool:
    """
    Return whether a resolver answers with AD a query that asks for it.
    """
    asked = bytearray(query(1, name))
    asked[3] |= 0x20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(3)
        asking.connect(("127.0.0.1", port))
        asking.send(asked)
        try:
            return bool(asking.recv(4096)[3] & 0x20)
        except OSError:
            return False


def _paced(port: int, names: Sequence[str]) -> list[float]:
    """
    Ask for names at a constant rate.

    @return: the seconds that each answer took.
    """
    times: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        asking.setblocking(False)
        sent: dict[int, float] = {}
        began = time.perf_counter()
        number = 0
        while number < len(names) or (sent and time.perf_counter() < began + len(names) / _RATE + 5):
            now = time.perf_counter()
            due = began + number / _RATE
            if number < len(names) and now >= due:
                sent[number] = now
                asking.send(query(number, names[number]))
                number += 1
                continue
            wait = due - now if number < len(names) else 0.5
            if select.select([asking], [], [], max(wait, 0))[0]:
                reply = asking.recv(4096)
                at = sent.pop(reply[0] << 8 | reply[1], None)
                if at is not None and not reply[3] & 15:
                    times.append(time.perf_counter() - at)
    return times


def measured(rounds: int, domains: int, stages: Collection[str], only: Collection[str]) -> Report:
    """
    Measure.

    @param domains: in all top-level domains together.
    @param only: resolvers, in lower case; all if there are none.
    """
    report = Report(time.strftime("%Y-%m-%d"), machine(), rounds, 0, domains * HOSTS)
    with tempfile.TemporaryDirectory(prefix="txdns-recursion-") as folder:
        os.chmod(folder, 0o755)
        internet = Internet(Path(folder), domains // TLDS)
        kinds = installed(report, [kind for kind in kindsFor(internet) if kind.name.lower() in only or not only])
        measurement = Measurement(report, kinds, internet)
        measurement.log(f"signing {domains} zones")
        internet.build()
        os.sched_setaffinity(0, _ASKING)
        if {"cold", "plain", "many"} & set(stages):
            with internet.served():
                measurement.cold(stages)
                if "many" in stages:
                    measurement.many()
        if "late" in stages:
            with internet.served(_LINK):
                measurement.late()
        measurement.log("done")
    return report


#: Rows of the page of figures: label, stage, measurement, digits, unit.
_PATHS: Final = (
    ("cold name, validated, CPU", "cold", "cpu", 0, " µs"),
    ("cold name, validated, packets", "cold", "packets", 2, ""),
    ("cold name, 99 of 100 with 20 ms links", "late", "latency", 0, " ms"),
    ("100,000 names, CPU of each", "many", "cpu", 0, " µs"),
    ("memory with 100,000 names", "many", "memory", 0, " MB"),
)


def _rows(report: Report) -> list[list[str]]:
    rows = []
    for label, stage, what, digits, unit in _PATHS:
        ours = report.middle(stage, what)
        if ours is not None:
            peers = [(name, report.middle(stage, what, name)) for name in report.versions if name != OURS]
            found = ", ".join([f"{name} {shown(value, digits)}" for name, value in peers if value is not None])
            rows.append([label, shown(ours, digits) + unit, found, shown(report.ratio(stage, what), 2)])
    plain = report.middle("plain", "cpu")
    if plain is not None:
        validated = f"ours validated {shown(report.middle('cold', 'cpu'), 0)}"
        rows.insert(1, ["cold name, not validated, CPU", f"{shown(plain, 0)} µs", validated, shown(BUDGETS[1].figure(report), 2)])
    return rows


def _roundsOf(report: Report) -> str:
    return "one round" if report.rounds == 1 else f"medians of {report.rounds} rounds, in which the resolvers take turns"


def block(report: Report) -> str:
    """
    Return the text on the resolver for the page of figures.
    """
    text = (
        f"A validating resolver and names that it has not seen, on a signed internet of {report.names // HOSTS:,} domains:"
        f" {report.machine}, {report.date}, {_roundsOf(report)}. The resolver has one core,"
        " dnsperf and NSD as all authoritative servers the other. Each name takes a delegation, the keys of a domain, and an address;"
        " signatures are ECDSA P-256. Ratios are those of the same round, to Unbound. ``make bench-recursion`` measures again."
    )
    lines = [*wrapped(text), "", *simpleTable([["resolver", "ours", "peers", "ratio"], *_rows(report)], 60), ""]
    if report.remarks:
        lines += [*wrapped(" ".join(["In this run:", *report.remarks])), ""]
    return "\n".join(lines)


def show(report: Report) -> None:
    """
    Print the figures and the verdicts.
    """
    judged = [
        [each.what, "" if figure is None else f"{figure:.2f}{each.unit}", each.bound, verdict(held)]
        for each, figure, held in verdicts(report, BUDGETS)
    ]
    for lines in ([["resolver", "ours", "peers", "ratio"], *_rows(report)], [["what", "measured", "allowed", ""], *judged]):
        widths = [max([len(line[place]) for line in lines]) for place in range(len(lines[0]))]
        for line in lines:
            print("  ".join([cell.ljust(width) for cell, width in zip(line, widths, strict=True)]).rstrip())
        print()
    print(", ".join([f"{name} {version}".strip() for name, version in report.versions.items()]))
    for remark in report.remarks:
        print(remark)


def record(report: Report) -> None:
    """
    Write the report, and the text on it in the page of figures.
    """
    written = report.toJSON(BUDGETS)
    RECORD.write_text(written, "utf-8")
    # The rounded figures of the record: rounding twice may give others.
    said = block(Report.fromJSON(written))
    _PAGE.write_text(replaced(_PAGE.read_text("utf-8"), said, "recursion"), "utf-8")


def main() -> int:
    """
    @return: the exit code: 0 whatever the verdicts, 2 for invalid arguments, 130 when interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks recursion", description="Our validating resolver beside other people's.")
    parser.add_argument("--rounds", type=int, default=3, help="of each stage, for each resolver (3)")
    parser.add_argument("--domains", type=int, default=_DOMAINS, help=f"of all top-level domains together ({_DOMAINS})")
    parser.add_argument("--only", type=words, default=[], metavar="NAME,NAME", help="some of the resolvers")
    parser.add_argument("--stages", type=words, default=list(STAGES), metavar="STAGE,STAGE", help=", ".join(STAGES))
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write all figures, to standard output without FILE")
    parser.add_argument("--record", action="store_true", help="write benchmarks/recursion.json, and what docs/measured.rst says of it")
    asked = parser.parse_args()
    names = [kind.name.lower() for kind in kindsFor(Internet(Path(), 0))]
    if unknown := [*(set(asked.stages) - set(STAGES)), *(set(asked.only) - set(names))]:
        parser.error(f"there is no {', '.join(unknown)}; stages are {', '.join(STAGES)}; resolvers are {', '.join(names)}")
    if asked.rounds < 1 or not 2 * TLDS <= asked.domains <= 4096 * TLDS:
        parser.error(f"at least one round, and {2 * TLDS} to {4096 * TLDS} domains")
    if lacks("recursion", "dnsperf", "nsd"):
        return 0
    objection = isolated("benchmarks.recursion")
    if objection:
        print(f"recursion: {objection}; nothing is measured without a network namespace", file=sys.stderr)
        return 0
    endsLikeControlC()
    try:
        report = measured(asked.rounds, asked.domains, asked.stages, asked.only)
    except KeyboardInterrupt:
        print("recursion: interrupted; all servers have ended", file=sys.stderr)
        return 130
    if asked.record:
        record(report)
    if asked.json == "-":
        print(report.toJSON(BUDGETS), end="")
        return 0
    if asked.json:
        Path(asked.json).write_text(report.toJSON(BUDGETS), "utf-8")
    show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
