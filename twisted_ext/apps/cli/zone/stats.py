"""
C{txdns zone stats}: prints statistics of a zone.
"""

from __future__ import annotations

import sys
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, flag
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import OK
from twisted_ext.apps.cli.zone.args import oneZone
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.zone.check.statistics import Statistics

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns zone stats [NAME=]FILE [--json]

Prints statistics of a zone: names, records by type, octets, TTLs, delegations, wildcards, the
deepest name and the largest RRset.

  txdns zone stats example.org.zone
  txdns zone stats example.org=/var/lib/txdns/example.org.image --json | jq .types

Exit codes: 0 done, 1 wrong usage, 2 the file does not hold a valid zone of this name, 8 the file
cannot be read.
"""

_JSON: Final = flag("--json", "print one JSON object")

ARGUMENTS: Final = Arguments(_HELP, _JSON)

#: The length of the longest bar in characters.
_BAR: Final = 30


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    zone = oneZone(given, ARGUMENTS)

    from twisted_ext.zone.check.statistics import Statistics

    statistics = Statistics(zone.version())
    print(dumps(statistics.toJSON()) if given[_JSON] else "\n".join(_lines(statistics)))
    return OK


def _lines(statistics: Statistics) -> list[str]:
    palette = paletteFor(sys.stdout)
    ttls = sorted(statistics.ttls)
    octets, owner, rrType = statistics.largest
    rows = [
        ("serial", str(statistics.serial)),
        ("names", f"{statistics.names:,} with records, {statistics.empty:,} without, {statistics.wildcards:,} wildcards"),
        ("records", f"{statistics.records:,} in {statistics.octets:,} octets"),
        ("delegations", f"{statistics.delegations:,}, {statistics.secure:,} of them with DS; {statistics.hidden:,} names below"),
        ("TTLs", f"{ttls[0]:,} to {ttls[-1]:,} s, mostly {statistics.ttls.most_common(1)[0][0]:,} s"),
        ("deepest", f"{printable(nameToText(statistics.deepest[1]))}, {statistics.deepest[0]} labels"),
        ("largest", f"{printable(nameToText(owner))} {typeName(rrType)}, {octets:,} octets"),
    ]
    if statistics.subtrees:
        rows.insert(4, ("DNAMEs", f"{statistics.subtrees:,}"))
    if statistics.hashes:
        rows.insert(4, ("NSEC3", f"{statistics.hashes:,} names of hashes"))
    lines = [palette.name(printable(nameToText(statistics.apex)))]
    lines += [f"  {palette.comment(f'{what:<12}')}{said}" for what, said in rows]
    lines.append("")
    most = max(statistics.types.values())
    width = len(f"{most:,}")
    for number, count in statistics.types.most_common():
        bar = "#" * max(round(_BAR * count / most), 1)
        lines.append(f"  {palette.type(f'{typeName(number):<12}')}{count:>{width},}  {palette.comment(bar)}")
    return lines
