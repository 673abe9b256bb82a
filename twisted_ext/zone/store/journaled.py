"""
Versions that an image and a journal lead to, of whatever size.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted_ext.errors import BudgetSpent, StorageFault
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.image import Image, compactedFrom
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.steps import portions
from twisted_ext.zone.store.traversal import builderOf
from twisted_ext.zone.store.version import Version

__all__ = ["brought", "journaled"]

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
            version = Version(Image(builderOf(version).finish(compactedFrom(version.image.origin))))
            # Without the limit, even for a single large difference: it is on disk already and has to be applied.
            version = applied(version, some, bounded=False)
    return version


def journaled(image: str, journal: str, serial: int) -> Version:
    """
    Return the version of a zone at a serial number.

    @param image: the file with an earlier one.

    @raise DNSFault: the image and the journal do not lead to that serial number.
    @raise OSError: a file cannot be read.
    """
    version = Version(Image.open(image))
    if serial == version.serial:
        return version
    kept = Journal(journal, version.apexName, readOnly=True)
    try:
        differences = kept.since(version.serial)
    finally:
        kept.close()
    if differences is None:
        raise StorageFault(f"{journal}: has nothing on serial {version.serial}, which {image} has")
    # The journal may have grown meanwhile.
    ends = [difference.newSerial for difference in differences]
    if serial not in ends:
        raise StorageFault(f"{journal}: does not lead from serial {version.serial} to {serial}")
    return brought(version, differences[: ends.index(serial) + 1])
