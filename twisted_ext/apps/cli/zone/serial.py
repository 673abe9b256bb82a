"""
C{txdns zone serial}: prints the serial of a zone, or changes it in the master file and leaves the rest of the file unchanged.
"""

from __future__ import annotations

from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag, whole
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, fileErrors
from twisted_ext.apps.cli.zone.args import BAD_ZONE, oneZone
from twisted_ext.errors import BadDescription
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.zone.zonefile.locations import NumberPosition

__all__ = ["ARGUMENTS", "main", "raised"]

_HELP: Final = """\
Usage: txdns zone serial [NAME=]FILE [--bump HOW] [--set NUMBER] [--json]

Prints the serial of a zone. With --bump or --set the serial is changed in the master file; the
rest of the file, including comments and columns, is left unchanged.

  txdns zone serial example.org.zone
  txdns zone serial example.org.zone --bump auto
  txdns zone serial example.org=/etc/zones/primary --set 2026112001

{options}

Exit codes: 0 done, 1 wrong usage, 2 the file does not hold a valid zone of this name, 8 the file
cannot be read or written.
"""


def _known(way: str) -> str:
    from twisted_ext.zone.store.serials import SERIALS

    if way not in ("auto", *SERIALS):
        raise BadDescription(f"{way!r} is not a way to increase a serial; write one of auto, {', '.join(SERIALS)}")
    return way


_BUMP: Final = Option(
    "--bump HOW",
    "increment: add 1; dateserial: the date and two digits, such as 2026112000; unixtime: seconds since 1970; auto: dateserial if the"
    " serial begins with a date, else increment. If the result would not be greater (RFC 1982), 1 is added instead",
    "",
    _known,
    what="auto, increment, dateserial or unixtime",
    words=("auto", "increment", "dateserial", "unixtime"),
)
_SET: Final = Option[int | None](
    "--set NUMBER", "use this number, whatever the old one is", None, whole(0, 2**32 - 1), what="a number"
)
_JSON: Final = flag("--json", "one object: zone, serial, and before if it was changed")

ARGUMENTS: Final = Arguments(_HELP, _BUMP, _SET, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    zone = oneZone(given, ARGUMENTS)
    way, number = given[_BUMP], given[_SET]
    if way and number is not None:
        raise ExitError(USAGE, "--bump and --set exclude each other; write one of them")
    if not way and number is None:
        serial = zone.version().serial
        print(dumps({"zone": nameToText(zone.apex), "serial": serial}) if given[_JSON] else serial)
        return OK
    if zone.path == "-":
        raise ExitError(USAGE, "standard input cannot be changed in place; write a file")
    zone.readable()

    from twisted_ext.zone.zonefile.locations import serialPlace

    place = serialPlace(zone.path, zone.apex)
    if place is None:
        raise ExitError(BAD_ZONE, f"{zone.path}: no SOA record of {nameToText(zone.apex)} whose serial can be changed")
    before = place.serial
    after = raised(before, way, time()) if number is None else number
    _write(place, after)
    said = {"zone": nameToText(zone.apex), "serial": after, "before": before}
    print(dumps(said) if given[_JSON] else f"{before} -> {after}")
    return OK


def raised(serial: int, way: str, now: float) -> int:
    from twisted_ext.zone.store.serials import nextSerial

    if way == "auto":
        way = "dateserial" if _isDay(serial // 100) else "increment"
    return nextSerial(serial, way, now)


def _isDay(number: int) -> bool:
    return 1990 <= number // 10000 <= 2100 and 1 <= number // 100 % 100 <= 12 and 1 <= number % 100 <= 31


def _write(place: NumberPosition, serial: int) -> None:
    from twisted_ext.apps.cli.zone.format import replaceFile

    with fileErrors(place.path), open(place.path, "rb") as file:
        octets = file.read()
    if octets[place.begin : place.end] != place.text:
        raise ExitError(BATCH, f"{place.path} has changed meanwhile; try again")
    number = str(serial).encode()
    behind = octets[place.end :]
    if len(number) < len(place.text):
        number = number.ljust(len(place.text))
    else:
        # Keep a comment behind the number in its column.
        spare = len(number) - len(place.text)
        if behind[: spare + 1] == b" " * (spare + 1):
            behind = behind[spare:]
    replaceFile(place.path, octets[: place.begin] + number + behind)
