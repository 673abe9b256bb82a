"""
    python -m benchmarks encrypted [--stages STAGE,STAGE] [--rounds N] [--seconds S] [--count N] [--transports NAME,NAME] [--json [FILE]]

C{lookups}: what a look-up costs our client, dnspython and aiodns. C{hits}: what an answer costs our server, Unbound, Knot Resolver and
dnsdist. C{idle}: 10,000 idle connections. C{churn}: more handshakes than the server can make. C{resets}: 5,000 queries that are reset at
once. C{workers}: a worker is killed, and settings are read again, under load. C{leaks}: 100,000 look-ups with failures.

Without C{--stages} all of them are measured, which takes a quarter of an hour; each alone takes two minutes at most, but for C{leaks}.
C{--record} writes C{benchmarks/encrypted.json}, and what C{docs/measured.rst} says of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final, cast

from benchmarks.commandline import lacks, words
from benchmarks.encrypted import churn, hits, idle, leaks, lookups, resets, workers
from benchmarks.encrypted.report import RECORD, bounds, jsonOf, publish
from benchmarks.encrypted.servers import Transport
from benchmarks.served import machine

STAGES: Final = ("lookups", "hits", "idle", "churn", "resets", "workers", "leaks")

#: What processes of this benchmark do, by their first argument.
_CHILDREN: Final[dict[str, Callable[[list[str]], None]]] = {
    "--child": lookups.child,
    "--abandon": churn.abandon,
    "--leaks": leaks.child,
}

#: Look-ups of a round for each library, and of a transport for leaks; seconds of each kind of churn, and of each disturbance of workers.
_LOOKUPS: Final = 3000
_LEAKS: Final = 100_000
_CHURN: Final = 30.0
_WORKERS: Final = 6.0


def _print(lines: Iterable[Iterable[object]]) -> None:
    rows = [[str(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]).rstrip())
    print(flush=True)


def _table(found: Iterable[object]) -> list[dict[str, object]]:
    """
    Print outcomes, and return them for JSON.
    """
    rows = [cast("dict[str, object]", asdict(each)) for each in cast("Iterable[leaks.Leaks]", found)]
    if rows:
        _print([list(rows[0]), *[[f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row.values()] for row in rows]])
    return rows


def _measured(stage: str, asked: argparse.Namespace) -> object:
    rounds, seconds = int(asked.rounds), asked.seconds
    if stage == "lookups":
        found = lookups.measure(rounds, asked.count or _LOOKUPS)
        _print(lookups.show(found))
        return [[*row, runs] for row, runs in found.items()]
    if stage == "hits":
        costs, kdig = hits.measure(rounds, seconds or 2.0, asked.transports or [*hits.TRANSPORTS, "quic"], print)
        _print(hits.show(costs))
        ratios = {transport: hits.ratio(costs, transport) for transport in hits.TRANSPORTS}
        shown = [f"{transport} {ratio:.2f}" for transport, ratio in ratios.items() if ratio]
        print(f"to Unbound: {', '.join(shown)}; kdig over QUIC: {'no figure' if kdig is None else f'{kdig:.1f} ms'}\n", flush=True)
        return {"costs": [[*row, runs] for row, runs in costs.items()], "ratios": ratios, "kdig": kdig}
    if stage == "idle":
        return _table([idle.measure(asked.count or 10_000)])
    if stage == "churn":
        return _table([churn.measure(kind, seconds or _CHURN) for kind in asked.transports or churn.KINDS])
    if stage == "resets":
        return _table([resets.measure()])
    if stage == "workers":
        pairs = [(event, transport) for event in workers.EVENTS for transport in asked.transports or workers.TRANSPORTS]
        return _table([workers.measure(event, transport, seconds or _WORKERS) for event, transport in pairs])
    transports = cast("Iterable[Transport]", asked.transports or leaks.TRANSPORTS)
    gone = [leaks.measure(transport, asked.count or _LEAKS) for transport in transports]
    for each in gone:
        print("\n".join(each.faults()) or f"{each.transport}: nothing is left behind")
    return _table(gone)


def main() -> int:
    """
    @return: the exit code: 1 if a bound is not held.
    """
    if sys.argv[1:2] and sys.argv[1] in _CHILDREN:
        _CHILDREN[sys.argv[1]](sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks encrypted", description="What TLS, HTTPS and QUIC cost and endure.")
    parser.add_argument("--stages", type=words, default=list(STAGES), metavar="STAGE,STAGE", help=", ".join(STAGES))
    parser.add_argument("--rounds", type=int, default=3, help="of lookups and hits (3)")
    parser.add_argument("--seconds", type=float, help="of a round, or of each load")
    parser.add_argument("--count", type=int, help="connections, or look-ups")
    parser.add_argument("--transports", type=words, metavar="NAME,NAME", help="some of those of the stage; of churn, some of its kinds")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write all figures, to standard output without FILE")
    parser.add_argument("--record", action="store_true", help="write benchmarks/encrypted.json, and what docs/measured.rst says of it")
    asked = parser.parse_args()
    if unknown := set(asked.stages) - set(STAGES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; stages are {', '.join(STAGES)}")
    if lacks("encrypted", "dnsperf", "nsd", "unbound", "openssl"):
        return 0
    figures: dict[str, object] = {"date": time.strftime("%Y-%m-%d"), "machine": machine()}
    for stage in asked.stages:
        print(f"-- {stage}", flush=True)
        figures[stage] = _measured(stage, asked)
    judged = bounds(figures)
    _print([["what", "measured", "allowed", ""], *judged] if judged else [["no bounds for these stages"]])
    if asked.record:
        former = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
        text = jsonOf({**former, **figures})
        RECORD.write_text(text, "utf-8")
        publish(json.loads(text))
    if asked.json == "-":
        print(jsonOf(figures))
    elif asked.json:
        Path(asked.json).write_text(jsonOf(figures), "utf-8")
    return 0 if all(row[-1] != "falls short" for row in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
