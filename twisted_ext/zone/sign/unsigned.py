"""
Versions of zones that are signed here, as they came: in a compiled image, or, from a database or a primary, kept on disk in two files, so
that another process can sign them, again too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from twisted_ext.dnssec.privatekeys.roles import OF_KEYS
from twisted_ext.errors import BadChange, BadImage, BudgetSpent, StorageFault
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DNSKEY, NSEC, NSEC3PARAM, RRSIG, SOA, ZONEMD
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.journaled import journaled
from twisted_ext.zone.store.nodes import BETWEEN, recordsIn
from twisted_ext.zone.store.traversal import builderOf, difference
from twisted_ext.zone.store.version import Version

__all__ = ["UnsignedVersion", "changed", "inSigningOrder", "read", "served"]

#: Types that the signer adds to the apex, in this order.
_ADDED: Final = (CDS, CDNSKEY, ZONEMD, DNSKEY, NSEC3PARAM)

#: How often a reader looks while the two files are being replaced, which takes two renames.
_LOOKS: Final = 100


class UnsignedVersion:
    """
    The last version of a zone that came, in two files: an image, and a journal with what has changed since that was made. So a change of
    some records of a large zone writes only these.

    @ivar path: the image.
    @ivar changes: the journal. It names the image that it belongs to, so that files of which only one was replaced are never mixed up.
    """

    __slots__ = ("path", "changes")

    def __init__(self, path: str) -> None:
        self.path = path
        self.changes = f"{path}.changes"

    def keep(self, version: Version) -> bool:
        """
        Write a version. This waits for the disk.

        @return: whether it differs from the one that is there.

        @raise OSError: it cannot be written.
        @raise StorageFault: the same.
        """
        origin = version.image.origin
        held = self._held(version.apexName)
        if held == (origin, version.serial):
            return False
        isOther = held is None or held[0] != origin
        if isOther:
            version.image.copyTo(f"{self.path}.next")
            with open(f"{self.path}.next", "rb") as file:
                os.fsync(file.fileno())
        # First what has changed: until the image is replaced, it belongs to none.
        self._keepChanges(version, origin)
        if isOther:
            os.rename(f"{self.path}.next", self.path)
        return True

    def _held(self, apexName: bytes) -> tuple[bytes, int] | None:
        """
        Return the origin of the image that is there, and the serial of the version; L{None} if they are not whole.
        """
        try:
            image = Image.open(self.path)
            journal = Journal(self.changes, apexName, readOnly=True)
        except (OSError, BadImage, StorageFault):
            return None
        journal.close()
        origin = image.origin
        serial = image.serial if journal.newest is None else journal.newest
        return (origin, serial) if journal.origin == origin and self._isWhole(journal) else None

    @staticmethod
    def _isWhole(journal: Journal) -> bool:
        """
        Return whether all of a journal could be read.
        """
        return journal.octets == os.path.getsize(journal.path)

    def _keepChanges(self, version: Version, origin: bytes) -> None:
        beside = f"{self.changes}.next"
        with suppress(FileNotFoundError):
            os.unlink(beside)
        journal = Journal(beside, version.apexName)
        try:
            journal.clear(origin)
            if version.overlay:
                journal.append([difference(Version(version.image), version)])
        finally:
            journal.close()
        os.rename(beside, self.changes)

    def read(self) -> tuple[ImageBuilder, list[tuple[str, int, int]]]:
        """
        Return the records of the version, and the files as the sources of an image: path, octets and modification time.

        @raise StorageFault: they cannot be read, or are damaged.
        """
        try:
            for _ in range(_LOOKS):
                found = [(path, os.stat(path)) for path in (self.path, self.changes)]
                version = self._read()
                if version is not None:
                    return builderOf(version), [(path, status.st_size, status.st_mtime_ns) for path, status in found]
        except OSError as error:
            raise StorageFault(f"{error.filename}: {error.strerror or error}") from None
        except (BadImage, BudgetSpent) as fault:
            raise StorageFault(f"{self.path}: {fault}") from None
        raise StorageFault(f"{self.changes}: does not belong to {self.path}")

    def version(self) -> Version | None:
        """
        Return the version; L{None} if there is none, or it cannot be read.
        """
        try:
            return self._read()
        except (OSError, BadImage, BudgetSpent, StorageFault):
            return None

    def _read(self) -> Version | None:
        """
        Return the version; L{None} if only one of the files has been replaced yet.
        """
        image = Image.open(self.path)
        journal = Journal(self.changes, image.apexName, readOnly=True)
        try:
            if journal.origin != image.origin:
                return None
            if not self._isWhole(journal):
                raise StorageFault(f"{self.changes}: is damaged")
            return journal.replayed(Version(image))
        finally:
            journal.close()

    def remove(self) -> None:
        for path in (self.path, self.changes, f"{self.path}.next", f"{self.changes}.next"):
            with suppress(OSError):
                os.unlink(path)


def read(
    apex: bytes, path: str, offset: int | None, sources: Sequence[Sequence[object]]
) -> tuple[ImageBuilder, list[tuple[str, int, int]]]:
    """
    Return the records of a version, and what it was made from: path, octets and modification time of each file.

    @param apex: the zone's name.
    @param offset: where the image is in a file with several; L{None} for an L{UnsignedVersion}.
    @param sources: what an image was made from.

    @raise StorageFault: it cannot be read, is damaged, or is another zone's.
    """
    if offset is None:
        builder, found = UnsignedVersion(path).read()
    else:
        try:
            image = Image.open(path, offset=offset)
        except OSError as error:
            raise StorageFault(f"{path}: {error.strerror or error}") from None
        except BadImage as bad:
            raise StorageFault(str(bad)) from None
        builder, found = builderOf(Version(image)), [(str(file), int(str(size)), int(str(changed))) for file, size, changed in sources]
    if builder.apexName.lower() != apex.lower():
        raise StorageFault(f"{path}: the image is another zone's")
    return builder, found


def served(image: str, journal: str, serial: int) -> Version:
    """
    Return a signed version that is served.

    @param image: the file with an earlier version, C{journal} that with the changes since then, and C{serial} that of the version.

    @raise StorageFault: it cannot be read.
    """
    try:
        return journaled(image, journal, serial)
    except OSError as error:
        raise StorageFault(f"{error.filename}: {error.strerror or error}") from None
    except (BadImage, BadChange) as bad:
        raise StorageFault(f"{image}: {bad}") from None


def inSigningOrder(version: Version, builder: ImageBuilder) -> Image:
    """
    Return an image of a signed version with the records of each name in the order in which the signer of whole zones leaves them.

    @param builder: the records that are to be signed.
    """
    image, overlay = version.image, version.overlay
    if not overlay and not image.isCompacted:
        return image
    made = builderOf(version)
    nodes, wanted = made.nodes, builder.nodes
    for key in nodes if image.isCompacted else [key for key in {b"": None, **overlay} if key in nodes]:
        nodes[key] = _asSigned(nodes[key], len(key), wanted.get(key, b""))
    return Image(made.finish())


def changed(unsigned: ImageBuilder, version: Version) -> ImageBuilder:
    """
    Return the records of a signed version that clients have changed.

    @param unsigned: what it was signed of. The DNSKEY, CDS and CDNSKEY records that a signer makes are replaced by those of it.
    """
    builder = builderOf(version)
    builder.drop(b"", OF_KEYS)
    for _, rrType, ttl, rdata in recordsIn(unsigned.nodes[b""], 0):
        if rrType in OF_KEYS:
            builder.add(b"", rrType, ttl, rdata)
    return builder


def _asSigned(records: bytes, labels: int, wanted: bytes) -> bytes:
    """
    Return the records of a name in the order in which the signer of whole zones leaves them: signatures follow, and denials are last. So it
    finds those that it can keep.

    @param labels: the octets of the owner's labels.
    @param wanted: the records that are to be signed, whose types come in this order.
    """
    sets: dict[int, list[bytes]] = {SOA: [], **{rrType: [] for _, rrType, _, _ in recordsIn(wanted, labels)}}
    sets |= {rrType: [] for rrType in _ADDED if rrType not in sets}
    signatures: dict[int, list[bytes]] = {}
    position = 0
    for _, rrType, _, rdata in recordsIn(records, labels):
        end = position + labels + BETWEEN + len(rdata)
        if rrType == RRSIG:
            signatures.setdefault(int.from_bytes(rdata[:2], "big"), []).append(records[position:end])
        else:
            sets.setdefault(rrType, []).append(records[position:end])
        position = end
    order = [rrType for rrType in sets if rrType != NSEC]
    parts = [*[sets[rrType] for rrType in order], *[signatures.get(rrType, []) for rrType in order]]
    return b"".join([each for part in (*parts, sets.get(NSEC, []), signatures.get(NSEC, [])) for each in part])
