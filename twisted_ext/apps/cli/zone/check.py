"""
C{txdns zone check}: reports errors in a zone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import INTERNAL, OK, ExitError
from twisted_ext.apps.cli.zone.args import BAD_ZONE, Percentage, ZoneWord, oneZone
from twisted_ext.drawing.palette import Palette
from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.zone.check.verified import Verified
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zonefile.findings import Report

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns zone check [NAME=]FILE [--json] [--strict] [--time WHEN] [--no-time] [--no-verify]
                        [--checks] [--verbose | --quiet]

Reads a master file, or an image of one, and reports all errors: lines that are not valid, and
inconsistent records. The server performs the same checks, except that it verifies no signatures:
it does not serve a zone with fatal findings, and logs the other findings.

  txdns zone check example.org.zone
  txdns zone check example.org=/etc/zones/primary --strict
  txdns zone check example.org.zone --json | jq .findings

{options}

-t, -v, -q and -o are those of kzonecheck and named-checkzone; as for named-checkzone, NAME and
FILE may be two arguments.

Each signature is verified with the keys of the zone, on all cores. That the parent's DS record
leads to these keys is not checked; for that use txdns query.

Exit codes: 0 the zone can be served (with --strict: and has no warnings), 1 wrong usage, 2 it
cannot (with --strict: or has warnings), 8 the file cannot be read.
"""


def _moment(text: str) -> float:
    from twisted_ext.wire.rdata.times import secondsFromDate

    try:
        return float(secondsFromDate(text)) if len(text) == 14 else float(int(text))
    except ValueError:
        raise BadDescription(f"{text!r} is not a time; write seconds since 1970, or a date such as 20261231235959") from None


_JSON: Final = flag(
    "--json",
    "one object: zone, file, serial, records, verified (how many signatures are right), unverified, fatal, warnings, findings (each with"
    " check, level, text, and if known name, type, path, line), omitted",
)
_STRICT: Final = flag("--strict", "warnings also change the exit code")
_TIME: Final = Option[float | None](
    "--time WHEN",
    "check the validity of signatures at this time: seconds since 1970, or 20261231235959",
    None,
    _moment,
    also="-t",
    what="a time such as 20261231235959",
)
_NO_TIME: Final = flag("--no-time", "do not check whether signatures have expired")
_NO_VERIFY: Final = flag("--no-verify", "do not verify signatures, which takes a tenth of a millisecond for each")
_CHECKS: Final = flag("--checks", "list all checks with a description of each")
_VERBOSE: Final = flag("--verbose", "print the number of findings for each check, including those without any", also="-v")
_QUIET: Final = flag("--quiet", "print nothing; there is only the exit code", also="-q")
_ORIGIN: Final = Option("-o NAME", "the name of the zone", "", str, what="the name of the zone")

ARGUMENTS: Final = Arguments(_HELP, _JSON, _STRICT, _TIME, _NO_TIME, _NO_VERIFY, _CHECKS, _VERBOSE, _QUIET, _ORIGIN)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if given[_CHECKS]:
        _list(given[_JSON])
        return OK
    name = given[_ORIGIN]
    if name and given.bare:
        given.bare[0] = f"{name}={given.bare[0]}"
    zone = oneZone(given, ARGUMENTS)
    moment = given[_TIME]
    now = None if given[_NO_TIME] else time() if moment is None else moment
    progress = Percentage(f"checking {nameToText(zone.apex)}")
    report, version = _report(zone, now, progress)
    progress.end()
    verified = None if given[_NO_VERIFY] or version is None else _verified(version, report, zone)
    if given[_JSON]:
        print(dumps(_data(zone, report, version, verified)))
    elif not given[_QUIET]:
        palette = paletteFor(sys.stdout)
        for line in _table(report, palette) if palette.on else [printable(finding.labelled) for finding in report.findings]:
            print(line)
        if given[_VERBOSE]:
            from twisted_ext.zone.zonefile.findings import CHECKS

            for check in CHECKS:
                print(f"{check:<15} {report.counts.get(check, 0) or 'none'}")
        print(_summary(zone, report, version, verified, palette))
    return BAD_ZONE if report.fatal or (given[_STRICT] and report.warnings) else OK


def _report(zone: ZoneWord, now: float | None, progress: Percentage) -> tuple[Report, Version | None]:
    from twisted_ext.zone.check.checkfile import vet
    from twisted_ext.zone.check.semantics import check

    image = zone.image()
    if image is not None:
        return check(image, now=now, progress=progress), image
    source, path = zone.source()
    return vet(source, zone.apex, path=path, now=now, progress=progress)


def _verified(version: Version, report: Report, zone: ZoneWord) -> Verified | None:
    """
    Verify the signatures of a zone that has keys.
    """
    from twisted_ext.wire.rrtypes import DNSKEY

    if version.top.of(DNSKEY) is None:
        return None
    from twisted_ext.zone.check.verified import verify

    progress = Percentage(f"verifying {nameToText(zone.apex)}")
    try:
        return verify(version, report, progress)
    except StorageFault as fault:
        raise ExitError(INTERNAL, f"{zone.path}: {fault}") from None
    finally:
        progress.end()


def _list(json: bool) -> None:
    from twisted_ext.zone.zonefile.findings import CHECKS

    for check, (level, right) in CHECKS.items():
        print(dumps({"check": check, "level": level, "right": right}) if json else f"{check:<15} {level:<8} {right}")


def _table(report: Report, palette: Palette) -> Iterator[str]:
    places = max([len(printable(finding.place)) for finding in report.findings], default=0)
    checks = max([len(finding.check) for finding in report.findings], default=0)
    for finding in report.findings:
        level = palette.error(finding.level) if finding.level == "fatal" else palette.warning(finding.level)
        place = palette.comment(f"{printable(finding.place):<{places}}")
        level += " " * (len("warning") - len(finding.level))
        check = palette.type(f"{finding.check:<{checks}}")
        subject = palette.name(printable(finding.subject))
        yield "  ".join([part for part in (place, level, check, subject, printable(finding.text)) if part])


def _summary(zone: ZoneWord, report: Report, version: Version | None, verified: Verified | None, palette: Palette) -> str:
    name = nameToText(zone.apex)
    lines = [palette.comment(f"and {count} more of {check}") for check, count in report.omitted.items()]
    if verified is not None:
        lines += [f"{count} signatures {reason}; they are not verified" for reason, count in verified.unknown.items()]
    fatal = f"{report.fatal} fatal, " if report.fatal else ""
    warnings = f"{report.warnings} warning{'' if report.warnings == 1 else 's'}" if report.warnings else "no warnings"
    if version is None:
        lines.append(f"{name} {palette.error('cannot be served')}: {fatal}{warnings}")
    else:
        verdict = palette.error("cannot be served") if report.fatal else palette.good("can be served")
        signatures = f"{verified.right} right signatures, " if verified is not None else ""
        lines.append(f"{name} {verdict}: serial {version.serial}, {version.recordCount} records, {signatures}{fatal}{warnings}")
    return "\n".join(lines)


def _data(zone: ZoneWord, report: Report, version: Version | None, verified: Verified | None) -> dict[str, object]:
    return {
        "zone": nameToText(zone.apex),
        "file": zone.path,
        "serial": None if version is None else version.serial,
        "records": None if version is None else version.recordCount,
        "verified": None if verified is None else verified.right,
        "unverified": {} if verified is None else verified.unknown,
        "fatal": report.fatal,
        "warnings": report.warnings,
        "findings": [finding.toJSON() for finding in report.findings],
        "omitted": report.omitted,
    }
