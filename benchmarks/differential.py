"""
Our recursion compared with Unbound, BIND, PowerDNS Recursor and Knot Resolver on 20,000 names of an internet in a network namespace.

    python -m benchmarks.differential [--names NUMBER] [--json [FILE]] [--record]

NSD, Knot DNS and BIND serve the ordinary zones, our own servers those with faults. Rcode, answer section and AD are compared. Each
difference needs a reason in C{tests.live.differential.reasons}, with the section of an RFC. A run takes eight minutes, because some
servers never reply.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Final

from benchmarks.served import machine
from benchmarks.servers import KINDS, OURS
from tests.live.differential.judging import Difference, bogusWithoutReason, differencesIn, falselySecure
from tests.live.differential.namespace import PROGRAMS, Comparison, compare, isUsable
from tests.live.differential.reasons import REASONS
from tests.live.differential.resolvers import RESOLVERS
from tests.peers import programPath

__all__ = ["RECORD", "main", "reportOf", "show"]

RECORD: Final = Path(__file__).with_name("differential.json")

_JSON = dict[str, object]


def reportOf(comparison: Comparison, seconds: float) -> _JSON:
    """
    Return all figures.
    """
    results = comparison.results
    differences = list(differencesIn(results))
    versions = {kind.program: kind.installedVersion() for kind in KINDS if kind.program in RESOLVERS}
    versions[OURS] = next(kind.installedVersion() for kind in KINDS if kind.name == OURS)
    peers = {peer: [each for each in differences if each.peer == peer] for peer in RESOLVERS[1:]}
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions,
        "names": len(results),
        "seconds": round(seconds),
        "alike": sum(all(reply.agrees(replies[0]) for reply in replies) for _, replies in results),
        "answered": sum(replies[0].status != "SERVFAIL" for _, replies in results),
        "secure": sum(replies[0].ad for _, replies in results),
        "bogus": sum(bool(replies[0].ede) and case.world.startswith("bogus/") for case, replies in results),
        "bogusWithoutReason": bogusWithoutReason(results),
        "falselySecure": falselySecure(results),
        "unchecked": comparison.unchecked,
        "unknown": [str(each) for each in differences if each.reason is None],
        "differences": {peer: len(each) for peer, each in peers.items()},
        "reasons": _reasons(differences),
    }


def _reasons(differences: list[Difference]) -> list[_JSON]:
    rows: list[_JSON] = []
    for reason in REASONS:
        peers = Counter(each.peer for each in differences if each.reason is reason)
        if peers:
            example = next(each for each in differences if each.reason is reason)
            rows.append(
                {"section": reason.section, "text": reason.text, "right": reason.right, "peers": dict(peers), "example": str(example)}
            )
    return rows


def show(report: _JSON) -> None:
    """
    Print a table of the reasons, with the number of differences for each resolver.
    """
    print(f"{report['names']:,} names, {report['alike']:,} with the same answer of all; {report['secure']:,} secure by ours")
    print(f"{'':30} {'right':7}" + "".join([f"{peer:>15}" for peer in RESOLVERS[1:]]))
    reasons = report["reasons"]
    assert isinstance(reasons, list)
    for row in reasons:
        counts = "".join([f"{row['peers'].get(peer, 0):15}" for peer in RESOLVERS[1:]])
        print(f"{row['section']:30} {row['right']:7}{counts}\n    {row['text']}")
    totals = report["differences"]
    assert isinstance(totals, dict)
    print(f"{'all':38}" + "".join([f"{totals[peer]:15}" for peer in RESOLVERS[1:]]))
    for key, words in (
        ("unknown", "without a reason"),
        ("falselySecure", "answered or with AD by ours, but not to be trusted"),
        ("unchecked", "bogus, and answered by ours after a query with CD"),
        ("bogusWithoutReason", "failed by ours without an extended error"),
    ):
        found = report[key]
        assert isinstance(found, list)
        print(f"{len(found)} {words}" + "".join([f"\n    {each}" for each in found]))


def main() -> int:
    """
    Return the exit code: 1 if there is a difference without a reason.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.differential", description="Our recursion beside that of others.")
    parser.add_argument("--names", type=int, default=20_000, help="names to ask for (20000)")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write all figures, to standard output without FILE")
    parser.add_argument("--record", action="store_true", help="write benchmarks/differential.json")
    asked = parser.parse_args()
    if asked.names < 1:
        parser.error(f"--names takes a number from 1 on, not {asked.names}")
    lacking = [program for program in PROGRAMS if programPath(program) is None]
    if lacking or not isUsable():
        why = f"not installed: {', '.join(lacking)}" if lacking else "this user cannot make network namespaces here"
        print(f"differential: {why}; nothing is compared without that", file=sys.stderr)
        return 0
    began = time.monotonic()
    comparison = compare(asked.names, shown=True)
    report = reportOf(comparison, time.monotonic() - began)
    written = json.dumps(report, indent=1) + "\n"
    if asked.record:
        RECORD.write_text(written, "utf-8")
    if asked.json == "-":
        print(written, end="")
    else:
        if asked.json:
            Path(asked.json).write_text(written, "utf-8")
        show(report)
    return 1 if report["unknown"] or report["falselySecure"] or report["bogusWithoutReason"] or report["unchecked"] else 0


if __name__ == "__main__":
    sys.exit(main())
