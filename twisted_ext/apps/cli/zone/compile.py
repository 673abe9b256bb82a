"""
C{txdns zone compile}: writes the zone image that a server maps into memory.
"""

from __future__ import annotations

import os
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError, fileErrors
from twisted_ext.apps.cli.zone.args import BAD_ZONE, oneZone
from twisted_ext.wire.names import nameToText

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns zone compile [NAME=]FILE --output IMAGE

Compiles a master file to an image, which a server maps into memory instead of reading the file.
Servers make images themselves; with this command they can be made beforehand, and checked and
compared with the other commands.

  txdns zone compile example.org.zone --output example.org.image
  txdns zone compile example.org=/etc/zones/primary --output /tmp/example.org.image
  txdns zone stats example.org=/tmp/example.org.image

{options}

An image can be used on machines with the same byte order and with this version of txdns.

Exit codes: 0 the image is written, 1 wrong usage, 2 the file does not hold a valid zone of this
name, 8 a file cannot be read or written.
"""


_OUTPUT: Final = Option("--output IMAGE", "the file to write", "", str, also="-o", what="the image's file")

ARGUMENTS: Final = Arguments(_HELP, _OUTPUT)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    zone = oneZone(given, ARGUMENTS)
    image = given[_OUTPUT]
    if not image:
        raise ExitError(USAGE, f"--output is missing; write: {ARGUMENTS.usage}")
    zone.readable()

    from twisted_ext.errors import BadZone
    from twisted_ext.zone.build.jobs import fingerprintOf
    from twisted_ext.zone.store.image import Image

    reading = zone.content()
    try:
        with fileErrors(image):
            reading.builder.finishTo(image, fingerprintOf(reading.sources))
    except BadZone as wrong:
        raise ExitError(BAD_ZONE, f"{zone.path}: {wrong}") from wrong
    made = Image.open(image)
    print(f"{nameToText(zone.apex)} serial {made.serial}: {made.records} records, {os.path.getsize(image)} octets")
    return OK
