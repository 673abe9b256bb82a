"""
Builds the next image of a zone that has changed much, in a child process:
C{python -m twisted_ext.zone.build.compaction IMAGE JOURNAL SERIAL TARGET}.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from twisted_ext.errors import DNSFault
from twisted_ext.zone.store.image import Image, compactedFrom
from twisted_ext.zone.store.journaled import journaled

__all__ = ["compact", "main"]


def compact(image: str, journal: str, serial: int, target: str) -> None:
    """
    Build the image of a zone at a serial number.

    @param image: the file with an earlier image, of the master file or of an earlier compaction.
    @param target: the file to write; replaced atomically.

    @raise DNSFault: the image and the journal do not lead to that serial number.
    @raise OSError: a file cannot be read or written.
    """
    origin = Image.open(image, checked=False).origin
    version = journaled(image, journal, serial)
    version.compacted(target, compactedFrom(origin))


def main(words: list[str]) -> int:
    try:
        image, journal, serial, target = words
        compact(image, journal, int(serial), target)
    except (DNSFault, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{serial}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
