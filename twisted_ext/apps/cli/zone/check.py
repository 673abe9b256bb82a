"""
C{txdns zone check}: reports errors in a zone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.colors import Palette, paletteFor
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.apps.cli.zone.args import BAD_ZONE, Progress, ZoneWord, wordsOf
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zonefile.findings import Report

__all__ = ["main"]

HELP: Final = """\
Usage: txdns zone check [NAME=]FILE [--json] [--strict] [--time WHEN] [--no-time] [--checks]
                        [--verbose | --quiet]

Reads a master file, or an image of one, and reports all errors: lines that are not valid, and
inconsistent records. The server performs the same checks: it does not serve a zone with fatal
findings, and logs the other findings.

  txdns zone check example.org.zone
  txdns zone check example.org=/etc/zones/primary --strict
  txdns zone check example.org.zone --json | jq .findings

  --json      one object: zone, file, serial, records, fatal, warnings, findings (each with
              check, level, text, and if known name, type, path, line), omitted
  --strict    warnings also change the exit code
  --time      check the validity of signatures at this time: seconds since 1970, or
              20261231235959
  --no-time   do not check whether signatures have expired
  --checks    list all checks with a description of each
  --verbose   print the number of findings for each check, including those without any
  --quiet     print nothing; there is only the exit code

As for kzonecheck, -o NAME is the zone, -t WHEN the time and -v is --verbose; as for
named-checkzone, NAME and FILE may be two arguments, and -q is --quiet.

Signatures are not verified cryptographically; for that use delv or ldns-verify-zone.

Exit codes: 0 the zone can be served (with --strict: and has no warnings), 1 wrong usage, 2 it
cannot (with --strict: or has warnings), 8 the file cannot be read.
"""

_USAGE: Final = "txdns zone check [NAME=]FILE [--json] [--strict]"


def main(words: list[str]) -> int:
    """
    Run the command with its arguments, and return the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    flags = ("json", "strict", "no-time", "checks", "verbose", "quiet")
    given = wordsOf(_translated(words), flags, {"time": "a time such as 20261231235959"}, _USAGE)
    if given.has("checks"):
        _list(given.has("json"))
        return OK
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"{'two zones' if given.bare else 'no zone'}; write: {_USAGE}")
    zone = ZoneWord(given.bare[0])
    now = None if given.has("no-time") else _moment(given.values["time"]) if given.has("time") else time()
    progress = Progress(f"checking {nameToText(zone.apex)}")
    report, version = _report(zone, now, progress)
    progress.end()
    if given.has("json"):
        print(dumps(_data(zone, report, version)))
    elif not given.has("quiet"):
        palette = paletteFor(sys.stdout)
        for line in _table(report, palette) if palette.on else [printable(finding.labelled) for finding in report.findings]:
            print(line)
        if given.has("verbose"):
            for check in _checks():
                print(f"{check:<15} {report.counts.get(check, 0) or 'none'}")
        print(_summary(zone, report, version, palette))
    sys.stdout.flush()
    return BAD_ZONE if report.fatal or (given.has("strict") and report.warnings) else OK


def _translated(words: list[str]) -> list[str]:
    """
    Translate the arguments of C{kzonecheck} and C{named-checkzone} to those of this command.
    """
    said: list[str] = []
    bare: list[str] = []
    name = ""
    remaining = iter(words)
    for word in remaining:
        if word in ("-o", "-t"):
            value = next(remaining, "")
            if not value:
                raise ExitError(USAGE, f"{word} needs {'the name of the zone' if word == '-o' else 'a time'} behind it")
            name, said = (value, said) if word == "-o" else (name, [*said, f"--time={value}"])
        elif word == "--time":
            said += [word, *[value for value in [next(remaining, "")] if value]]
        elif word in ("-v", "-q"):
            said.append("--verbose" if word == "-v" else "--quiet")
        elif word.startswith("-") and word != "-":
            said.append(word)
        else:
            bare.append(word)
    if not name and len(bare) == 2 and "=" not in bare[0] and not os.path.exists(bare[0]):
        name = bare.pop(0)
    return [*said, *([f"{name}={bare[0]}", *bare[1:]] if name and bare else bare)]


def _checks() -> Iterator[str]:
    from twisted_ext.zone.zonefile.findings import CHECKS

    return iter(CHECKS)


def _report(zone: ZoneWord, now: float | None, progress: Progress) -> tuple[Report, Version | None]:
    from twisted_ext.errors import BadImage
    from twisted_ext.zone.check.checkfile import vet
    from twisted_ext.zone.check.semantics import check
    from twisted_ext.zone.store.image import MAGIC, Image
    from twisted_ext.zone.store.version import Version

    zone.readable()
    octets = zone.octets()
    if octets is not None:
        vetted = vet(octets, zone.apex, path="standard input", now=now, progress=progress)
        return vetted.report, vetted.version
    with open(zone.path, "rb") as file:
        image = file.read(len(MAGIC)) == MAGIC
    if image:
        try:
            version = Version(Image.open(zone.path))
        except BadImage as wrong:
            raise ExitError(BAD_ZONE, str(wrong)) from wrong
        return check(version, now=now, progress=progress), version
    vetted = vet(zone.path, zone.apex, now=now, progress=progress)
    return vetted.report, vetted.version


def _moment(text: str) -> float:
    from twisted_ext.wire.rdata.times import secondsFromDate

    try:
        return float(secondsFromDate(text)) if len(text) == 14 else float(int(text))
    except ValueError:
        raise ExitError(USAGE, f"--time {text}: write seconds since 1970, or a date such as 20261231235959") from None


def _list(json: bool) -> None:
    from twisted_ext.zone.zonefile.findings import CHECKS

    for check, (level, right) in CHECKS.items():
        print(dumps({"check": check, "level": level, "right": right}) if json else f"{check:<15} {level:<8} {right}")


def _table(report: Report, palette: Palette) -> Iterator[str]:
    places = max([len(printable(finding.place)) for finding in report.findings], default=0)
    checks = max([len(finding.check) for finding in report.findings], default=0)
    for finding in report.findings:
        level = palette.error(finding.level) if finding.level == "fatal" else palette.status("NXDOMAIN").replace("NXDOMAIN", finding.level)
        place = palette.comment(f"{printable(finding.place):<{places}}")
        level += " " * (len("warning") - len(finding.level))
        check = palette.type(f"{finding.check:<{checks}}")
        subject = palette.name(printable(finding.subject))
        yield "  ".join([part for part in (place, level, check, subject, printable(finding.text)) if part])


def _summary(zone: ZoneWord, report: Report, version: Version | None, palette: Palette) -> str:
    name = nameToText(zone.apex)
    lines = [palette.comment(f"and {count} more of {check}") for check, count in report.omitted.items()]
    fatal = f"{report.fatal} fatal, " if report.fatal else ""
    warnings = f"{report.warnings} warning{'' if report.warnings == 1 else 's'}" if report.warnings else "no warnings"
    if version is None:
        lines.append(f"{name} {palette.error('cannot be served')}: {fatal}{warnings}")
    else:
        verdict = palette.error("cannot be served") if report.fatal else palette.status("NOERROR").replace("NOERROR", "can be served")
        lines.append(f"{name} {verdict}: serial {version.serial}, {version.recordCount} records, {fatal}{warnings}")
    return "\n".join(lines)


def _data(zone: ZoneWord, report: Report, version: Version | None) -> dict[str, object]:
    return {
        "zone": nameToText(zone.apex),
        "file": zone.path,
        "serial": None if version is None else version.serial,
        "records": None if version is None else version.recordCount,
        "fatal": report.fatal,
        "warnings": report.warnings,
        "findings": [finding.toJSON() for finding in report.findings],
        "omitted": report.omitted,
    }
