"""
Checks a master file and its zone, and reports all findings together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, NamedTuple

from twisted_ext.errors import BadChange, BadZone
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.check.semantics import check, owned
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import CNAME, DNAME, Node, decoded, gathered, keyBelow, recordsIn, unevenIn
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.findings import Report
from twisted_ext.zone.zonefile.locations import RecordLocations
from twisted_ext.zone.zonefile.reader import readMaster

__all__ = ["CheckResult", "locate", "refused", "uneven", "unlike", "vet"]

#: Octets of a master file up to which it is read again to add line numbers to findings: some seconds for the largest.
_LOCATED_OCTETS: Final = 16 << 20


class CheckResult(NamedTuple):
    """
    The findings, and the zone; L{None} if the file has none that can be built.
    """

    report: Report
    version: Version | None


def vet(
    source: bytes | str,
    apex: bytes,
    *,
    path: str = "",
    now: float | None = None,
    progress: Callable[[int, int], object] = lambda done, all: None,
) -> CheckResult:
    """
    Read a master file and check its zone.

    @param source: the content of a master file, or the path of one.
    @param path: the name of a source that is given as octets, for findings.
    @param now: seconds since 1970, for signatures; L{None} to skip their validity periods.
    @param progress: see L{check<twisted_ext.zone.check.semantics.check>}.
    """
    reading = readMaster(source, apex, path=path)
    report = Report(reading.complaints)
    unlike(reading.builder, report)
    version: Version | None = None
    try:
        version = Version(Image(reading.builder.finish()))
    except (BadZone, BadChange) as wrong:
        if reading.sound:
            report.say("soa", apex, str(wrong))
    if version is not None:
        check(version, now=now, report=report, progress=progress)
    locate(source, apex, report, path)
    report.findings.sort(key=lambda finding: (finding.path, finding.line))
    return CheckResult(report, version)


def refused(builder: ImageBuilder) -> Report:
    """
    Find fatal errors before an image is built: conflicting records at a name.
    """
    report = Report()
    for key, mark in chain(builder.marks.items(), () if b"" in builder.marks else ((b"", 0),)):
        if (mark & (CNAME | DNAME) or not key) and builder.counts.get(key, 1) > 1:
            owned(Node(key, gathered(decoded(builder.nodes[key], len(key), builder.apexName)), mark, 0), report)
    return report


def uneven(apex: bytes, sets: Iterable[tuple[bytes, int, tuple[int, ...]]], report: Report) -> None:
    """
    Report RRsets whose records have different TTLs, as L{unevenIn<twisted_ext.zone.store.nodes.unevenIn>} returns them.
    """
    for labels, rrType, ttls in sets:
        report.say("ttl-mixed", labels + apex, f"TTLs of {', '.join(map(str, ttls))} s; {ttls[0]} s is used for all", rrType)


def unlike(builder: ImageBuilder, report: Report) -> None:
    """
    Find RRsets whose records have different TTLs, and duplicate records. An image contains neither.
    """
    apex = builder.apexName
    for key in builder.mixed:
        records = builder.nodes[key]
        seen: set[tuple[int, bytes]] = set()
        twice: set[int] = set()
        for _, rrType, _, octets in recordsIn(records, len(key)):
            rdata = canonicalOf(rrType, octets)
            if (rrType, rdata) in seen:
                twice.add(rrType)
            seen.add((rrType, rdata))
        owner = records[: len(key)] + apex
        uneven(apex, unevenIn(records, len(key)), report)
        for rrType in sorted(twice):
            report.say("repeated", owner, f"the same {typeName(rrType)} record is there more than once", rrType)


def locate(source: bytes | str, apex: bytes, report: Report, path: str = "") -> None:
    """
    Add to each finding the line of the file that its records are in. Reads the file once more, record by record, unless it is very large.
    """
    folded = apex.lower()
    wanted = {}
    for finding in report.findings:
        if finding.owner and not finding.line:
            key = keyBelow(finding.owner, folded)
            if key is not None:
                wanted[finding] = key
    if not wanted:
        return
    if isinstance(source, str):
        try:
            size = os.stat(source).st_size
        except OSError:
            return
    else:
        size = len(source)
    if size > _LOCATED_OCTETS:
        return
    locating = RecordLocations(apex, set(wanted.values()))
    locating.read(source, path)
    for finding, key in wanted.items():
        found = locating.places.get((key, finding.rrType)) or locating.places.get((key, 0))
        if found is not None:
            finding.path, finding.line = found
