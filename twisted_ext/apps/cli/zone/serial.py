"""
C{txdns zone serial}: prints the serial of a zone, or increments it in place in the master file, leaving the rest of the file unchanged.
"""

from __future__ import annotations

import sys
from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError
from twisted_ext.apps.cli.zone.args import BAD_ZONE, ZoneWord, wordsOf
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.zone.zonefile.locations import Place

__all__ = ["main", "raised"]

HELP: Final = """\
Usage: txdns zone serial [NAME=]FILE [--bump HOW] [--set NUMBER] [--json]

Shows the serial number of a zone. With --bump or --set it is changed in the master file, where
it stands, and nothing else is: comments and columns stay.

  txdns zone serial example.org.zone
  txdns zone serial example.org.zone --bump auto
  txdns zone serial example.org=/etc/zones/primary --set 2026112001

  --bump   auto: as the number looks; increment: one more; dateserial: the day and two digits,
           such as 2026112000; unixtime: seconds since 1970. One more in any case where that
           would not be later (RFC 1982)
  --set    this number, whatever the old one is
  --json   one object: zone, serial, and before where it was changed

Exit codes: 0 it is done, 1 wrong usage, 2 there is no such zone in the file, 8 the file cannot
be read or written.
"""

_USAGE: Final = "txdns zone serial [NAME=]FILE [--bump auto] [--set NUMBER]"


def main(words: list[str]) -> int:
    """
    @param words: those behind C{txdns zone serial}.

    @return: the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    given = wordsOf(words, ("json",), {"bump": "auto, increment, dateserial or unixtime", "set": "a number"}, _USAGE)
    if given.has("bump"):
        # Or a file behind it would be taken for one, and found to be missing.
        _known(given.values["bump"])
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"{'two zones' if given.bare else 'no zone'}; write: {_USAGE}")
    if given.has("bump") and given.has("set"):
        raise ExitError(USAGE, "--bump and --set; give one of them")
    zone = ZoneWord(given.bare[0])
    changing = given.has("bump") or given.has("set")
    if not changing:
        serial = zone.version().serial
        print(dumps({"zone": nameToText(zone.apex), "serial": serial}) if given.has("json") else serial)
        sys.stdout.flush()
        return OK
    if zone.path == "-":
        raise ExitError(USAGE, "standard input cannot be changed in place; give a file")
    zone.readable()

    from twisted_ext.zone.zonefile.locations import serialPlace

    place = serialPlace(zone.path, zone.apex)
    if place is None:
        raise ExitError(BAD_ZONE, f"{zone.path}: no SOA record of {nameToText(zone.apex)} whose serial number could be changed")
    before = place.serial
    after = _set(given.values["set"]) if given.has("set") else raised(before, given.values["bump"], time())
    _write(place, after)
    said = {"zone": nameToText(zone.apex), "serial": after, "before": before}
    print(dumps(said) if given.has("json") else f"{before} -> {after}")
    sys.stdout.flush()
    return OK


def _set(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**32):
        raise ExitError(USAGE, f"--set {text}: write a number up to {2**32 - 1}")
    return int(text)


def raised(serial: int, way: str, now: float) -> int:
    """
    @param way: C{auto}, or one of L{SERIALS<twisted_ext.zone.store.serials.SERIALS>}.
    @param now: seconds since 1970.

    @return: the next serial number.

    @raise ExitError: there is no such way.
    """
    from twisted_ext.zone.store.serials import nextSerial

    _known(way)
    if way == "auto":
        way = "dateserial" if _isDay(serial // 100) else "increment"
    return nextSerial(serial, way, now)


def _known(way: str) -> None:
    from twisted_ext.zone.store.serials import SERIALS

    if way not in ("auto", *SERIALS):
        raise ExitError(USAGE, f"--bump {way}: write one of auto, {', '.join(SERIALS)}")


def _isDay(number: int) -> bool:
    return 1990 <= number // 10000 <= 2100 and 1 <= number // 100 % 100 <= 12 and 1 <= number % 100 <= 31


def _write(place: Place, serial: int) -> None:
    from twisted_ext.apps.cli.zone.format import replaceFile

    try:
        with open(place.path, "rb") as file:
            octets = file.read()
    except OSError as error:
        raise ExitError(BATCH, f"{place.path}: {error.strerror or error}") from error
    if octets[place.begin : place.end] != place.text:
        raise ExitError(BATCH, f"{place.path} has changed meanwhile; try again")
    number = str(serial).encode()
    behind = octets[place.end :]
    if len(number) < len(place.text):
        number = number.ljust(len(place.text))
    else:
        # A comment in a column of its own stays there.
        spare = len(number) - len(place.text)
        if behind[: spare + 1] == b" " * (spare + 1):
            behind = behind[spare:]
    replaceFile(place.path, octets[: place.begin] + number + behind)
