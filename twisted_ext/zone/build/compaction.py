"""
Builds the next image of a zone that has changed much, in a child process:
C{python -m twisted_ext.zone.build.compaction IMAGE JOURNAL SERIAL TARGET}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

from twisted_ext.errors import BudgetSpent, DNSFault, StorageFault
from twisted_ext.zone.store.steps import portions
from twisted_ext.zone.store.traversal import builderOf
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal, fingerprintOf, originOf
from twisted_ext.zone.store.version import Version

__all__ = ["brought", "compact", "main"]

#: Niceness of the process.
_NICE: Final = 5

#: Records removed and added in one step.
_STEP: Final = 8192


def brought(version: Version, differences: Iterable[Difference]) -> Version:
    """
    Apply any number of differences to a version. Where more would differ from its image than the limit, build a new image in memory.

    @raise BadChange: a difference does not apply.
    """
    for some in portions(differences, lambda difference: difference.records, _STEP):
        try:
            version = applied(version, some)
        except BudgetSpent:
            version = Version(Image(builderOf(version).finish(fingerprintOf(originOf(version.image)))))
            # Without the limit, even for a single large difference: it is on disk already and has to be applied.
            version = applied(version, some, bounded=False)
    return version


def compact(image: str, journal: str, serial: int, target: str) -> None:
    """
    Build the image of a zone at a serial number.

    @param image: the file with an earlier image, of the master file or of an earlier compaction.
    @param target: the file to write; replaced atomically.

    @raise DNSFault: the image and the journal do not lead to that serial number.
    @raise OSError: a file cannot be read or written.
    """
    version = Version(Image.open(image))
    origin = originOf(version.image)
    kept = Journal(journal, version.apexName, readOnly=True)
    try:
        differences = kept.since(version.serial)
    finally:
        kept.close()
    if differences is None:
        raise StorageFault(f"{journal}: has nothing on serial {version.serial}, which {image} has")
    # The journal may have grown meanwhile.
    ends = [difference.newSerial for difference in differences]
    if serial != version.serial:
        if serial not in ends:
            raise StorageFault(f"{journal}: does not lead from serial {version.serial} to {serial}")
        version = brought(version, differences[: ends.index(serial) + 1])
    version.compacted(target, fingerprintOf(origin))


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
    # No client waits for this process, while clients wait for the server.
    os.nice(_NICE)
    sys.exit(main(sys.argv[1:]))
