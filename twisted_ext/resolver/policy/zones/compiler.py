"""
The child process that reads response policy zones and writes the table of their rules, while the server goes on answering:
C{python -m twisted_ext.resolver.policy.zones.compiler}. Its input is JSON: C{{"table": PATH, "former": PATH, "lists": [...]}}. C{former}
is the table in force, or empty; the zones are as L{wordFor} makes them.

A zone whose file has not changed since the former table was made is not read again. One that cannot be read, or holds nothing but errors,
keeps the rules that it had in the former table.

The result is that of L{twisted_ext.resolver.policy.rules.compiler}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted_ext.errors import BadDescription, BadImage
from twisted_ext.files import openNow
from twisted_ext.limits import BLOCK_LIST_OCTETS, BLOCK_NAMES
from twisted_ext.resolver.policy.rules.compiler import Unusable, begun, isUnchanged, lastingState, report, writeTable
from twisted_ext.resolver.policy.rules.table import PolicyTable, RuleList
from twisted_ext.resolver.policy.zones.reading import RulesOfZone
from twisted_ext.resolver.policy.zones.rules import PolicyZones, PolicyZonesBuilder
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster

__all__ = ["complaintsIn", "compileZones", "main", "wordFor"]


def wordFor(name: str, apex: bytes, path: str) -> str:
    """
    Return what stands for a zone in L{RuleList}. It changes with all that its rules are read by.

    @param name: by which people know it.
    @param apex: its name in the DNS, folded.
    @param path: that of its master file.
    """
    return f"zone.{apex.hex()}:{name}={path}"


def _apexOf(word: str) -> bytes:
    return bytes.fromhex(word.partition(":")[0].partition(".")[2])


def complaintsIn(content: MasterFileContent, rules: RulesOfZone) -> tuple[int, list[str]]:
    """
    Return how much of a master file cannot be used, and the first of that, one line each.

    @param rules: what was read from it.
    """
    said = [*map(str, content.complaints), *[text.removeprefix("line 0: ") for text in rules.complaints.texts]]
    return len(content.complaints) + content.unsaid + rules.complaints.count, said


def _read(builder: PolicyZonesBuilder, word: str, now: Callable[[], int]) -> RuleList:
    """
    Add the rules of a zone.

    @param now: the time of files in nanoseconds.

    @raise Unusable: it cannot be read, or has no rules but errors. Nothing has been added then.
    """
    known, apex = RuleList(word), _apexOf(word)
    most = int(BLOCK_LIST_OCTETS.default)
    try:
        with open(known.path, "rb", opener=openNow) as file:
            found = os.fstat(file.fileno())
            if found.st_size > most:
                raise Unusable(f"has more than {most} octets")
            state = lastingState(found, now)
        content = readMaster(known.path, apex)
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    rules = RulesOfZone(content.records(), apex)
    every = list(rules)
    wrong, said = complaintsIn(content, rules)
    if wrong and not every:
        raise Unusable(f"has no rules: {said[0]}")
    if builder.count + len(every) > int(BLOCK_NAMES.default):
        raise Unusable(f"has more rules than fit: all zones together may have {int(BLOCK_NAMES.default)}")
    told = builder.add(word, every)
    if rules.soa is not None:
        builder.describe(rules.soa)
    told.wrong, told.said, told.state = wrong, said[0] if said else "", state if len(content.sources) < 2 else ()
    return told


def compileZones(path: str, former: str, words: Sequence[str], now: Callable[[], int] = time.time_ns) -> list[RuleList]:
    """
    Read zones, and write their table to a new file.

    @param former: the path of the table in force, or C{""}.
    @param words: the zones, as in the input.
    @param now: the time of files in nanoseconds.

    @raise OSError: the table cannot be written.
    """
    before: PolicyZones | None = None
    with suppress(OSError, BadImage):
        before = PolicyZones(PolicyTable.map(former)) if former else None
    builder = PolicyZonesBuilder(b"" if before is None else before.table.key)
    results: list[RuleList] = []
    for word in words:
        there = -1 if before is None else before.table.numberOf(word)
        known = RuleList(word) if before is None or there < 0 else before.zones[there]
        if there < 0 or not isUnchanged(known, known.path):
            try:
                results.append(_read(builder, word, now))
                continue
            except (Unusable, BadDescription) as error:
                known = RuleList(word, known.names, 0, str(error), True)
        if before is not None and there >= 0:
            builder.copy(before, there)
        else:
            builder.add(word, ())
        results.append(known)
    writeTable(path, builder.pack(results))
    return results


def main(job: Mapping[str, Any]) -> None:
    begun(job)
    report(compileZones(job["table"], job["former"], job["lists"]))


if __name__ == "__main__":
    main(json.load(sys.stdin))
