"""
The child process that reads response policy zones and writes the table of their rules, while the server goes on answering:
C{python -m twisted_ext.resolver.policy.zones.compiler}. Its input is JSON: C{{"table": PATH, "former": PATH, "lists": [...], "images":
{...}}}. C{former} is the table in force, or empty; the zones are as L{wordFor} makes them. Of those that the server has, C{images} tells
where they are: see L{Given}.

A zone whose file has not changed since the former table was made is not read again. One that cannot be read, or holds nothing but errors,
keeps the rules that it had in the former table.

The result is that of L{twisted_ext.resolver.policy.rules.compiler}.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, TypedDict

from twisted_ext.errors import BadDescription, BadImage
from twisted_ext.files import openNow
from twisted_ext.limits import BLOCK_LIST_OCTETS, BLOCK_NAMES
from twisted_ext.resolver.policy.rules.compiler import Unusable, isUnchanged, lastingState, report, writeTable
from twisted_ext.resolver.policy.rules.table import PolicyTable, RuleList
from twisted_ext.resolver.policy.zones.changed import recordsIn
from twisted_ext.resolver.policy.zones.reading import FILE_TTL, RulesOfZone
from twisted_ext.resolver.policy.zones.rules import PolicyZones, PolicyZonesBuilder, ZoneRule
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster

__all__ = ["NOT_LOADED", "SERVED", "Given", "apexOf", "complaintsIn", "compileZones", "main", "wordFor"]

#: What stands in place of a file for a zone that the server has.
SERVED: Final = "zone"

#: What is said of one that the server does not have yet.
NOT_LOADED: Final = "is not loaded yet"


def wordFor(name: str, apex: bytes, path: str) -> str:
    """
    Return what stands for a zone in L{RuleList}. It changes with all that its rules are read by.

    @param name: by which people know it.
    @param apex: its name in the DNS, folded.
    @param path: that of its master file, or L{SERVED}.
    """
    return f"zone.{apex.hex()}:{name}={path}"


def apexOf(word: str) -> bytes:
    """
    Return the name in the DNS of a zone, folded.
    """
    return bytes.fromhex(word.partition(":")[0].partition(".")[2])


def complaintsIn(content: MasterFileContent, rules: RulesOfZone) -> tuple[int, list[str]]:
    """
    Return how much of a master file cannot be used, and the first of that, one line each.

    @param rules: what was read from it.
    """
    said = [*map(str, content.complaints), *[text.removeprefix("line 0: ") for text in rules.complaints.texts]]
    return len(content.complaints) + content.unsaid + rules.complaints.count, said


class Given(TypedDict):
    """
    Where the version of a zone is that the server has.

    @ivar path: the file with its image.
    @ivar offset: where in the file that is.
    @ivar state: the checksum of the image, and the serial number of the version.
    @ivar rows: what has changed since the image, see L{twisted_ext.resolver.policy.zones.changed}.
    """

    path: str
    offset: int
    state: list[int]
    rows: list[str]


#: There are only zones in files.
_FILES: Final[Mapping[str, Given]] = MappingProxyType({})


def _readImage(builder: PolicyZonesBuilder, word: str, given: Given) -> RuleList:
    """
    Add the rules of a zone that the server has. For the exception see L{_read}.
    """
    try:
        image = Image.open(given["path"], checked=False, offset=given["offset"])
        if image.summed != given["state"][0]:
            raise Unusable("has changed meanwhile")
        apex = apexOf(word)
        rules = RulesOfZone(recordsIn(Version(image), given["rows"], apex), apex)
        told = _add(builder, word, list(rules), rules.soa)
    except (OSError, ValueError, BadImage) as error:
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    told.wrong, told.said, told.state = rules.complaints.count, _first(rules.complaints.texts), given["state"]
    return told


def _first(said: Sequence[str]) -> str:
    return said[0].removeprefix("line 0: ") if said else ""


def _add(builder: PolicyZonesBuilder, word: str, every: Sequence[ZoneRule], soa: tuple[int, bytes] | None) -> RuleList:
    """
    @raise Unusable: there are too many.
    """
    if builder.count + len(every) > int(BLOCK_NAMES.default):
        raise Unusable(f"has more rules than fit: all zones together may have {int(BLOCK_NAMES.default)}")
    told = builder.add(word, every)
    if soa is not None:
        builder.describe(soa)
    return told


def _read(builder: PolicyZonesBuilder, word: str, now: Callable[[], int]) -> RuleList:
    """
    Add the rules of a zone in a file.

    @param now: the time of files in nanoseconds.

    @raise Unusable: it cannot be read, or has no rules but errors. Nothing has been added then.
    """
    known, apex = RuleList(word), apexOf(word)
    if known.path == SERVED:
        raise Unusable(NOT_LOADED)
    most = int(BLOCK_LIST_OCTETS.default)
    try:
        with open(known.path, "rb", opener=openNow) as file:
            found = os.fstat(file.fileno())
            if found.st_size > most:
                raise Unusable(f"has more than {most} octets")
            state = lastingState(found, now)
        content = readMaster(known.path, apex, ttl=FILE_TTL)
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    rules = RulesOfZone(content.records(), apex)
    every = list(rules)
    wrong, said = complaintsIn(content, rules)
    if wrong and not every:
        raise Unusable(f"has no rules: {said[0]}")
    told = _add(builder, word, every, rules.soa)
    told.wrong, told.said, told.state = wrong, said[0] if said else "", state if len(content.sources) < 2 else ()
    return told


def compileZones(
    path: str, former: str, words: Sequence[str], images: Mapping[str, Given] = _FILES, now: Callable[[], int] = time.time_ns
) -> list[RuleList]:
    """
    Read zones, and write their table to a new file.

    @param former: the path of the table in force, or C{""}.
    @param words: the zones, as in the input, and where those are that the server has.
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
        given = images.get(word)
        if there < 0 or not (isUnchanged(known, known.path) if given is None else [*known.state] == given["state"]):
            try:
                results.append(_read(builder, word, now) if given is None else _readImage(builder, word, given))
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
    gc.disable()
    report(compileZones(job["table"], job["former"], job["lists"], job["images"]))


if __name__ == "__main__":
    main(json.load(sys.stdin))
