"""
What has changed in a zone since its image was made, on disk: differences one behind the other, each of them whole or not there.

A file is a header and entries. The header has the zone's name, and from what the zone was made when the first entry was, as L{originOf}
tells. An entry is its length, a checksum of all that follows, the serial numbers that it leads from and to, how many octets of it are
records that go, and the records as transfers send them: the old SOA first of those that go, the new one first of those that come. An
entry counts from the moment on at which L{Journal.append} returns: then the disk has it. What a crash leaves of one that was being
written is cut off when the file is next opened.

Of two threads one may write while the other reads: it reads what was there before.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from struct import Struct
from typing import TYPE_CHECKING, Final, cast
from zlib import crc32

from twisted_ext.errors import BadChange, BadMessage, StorageFault
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import CHANGES_OCTETS, JOURNAL_ENTRY_OCTETS, JOURNAL_OCTETS
from twisted_ext.zone.store.changeset import Difference, applied, fromRendered, rendered
from twisted_ext.zone.store.journalindex import Entry, File, Pages, syncFolder
from twisted_ext.zone.store.serials import isNewer

if TYPE_CHECKING:
    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.store.version import Version

__all__ = ["ORIGIN_OCTETS", "Journal", "NoJournal", "encoded", "fingerprintOf", "originOf"]

_MAGIC: Final = b"txdnsjn1"

#: Octets by which journals and images know what they were made from.
ORIGIN_OCTETS: Final = 16

#: What the fingerprint of an image begins with that was built with the help of a journal.
_FROM: Final = b"journal:"

#: Length of the body, checksum of body and serials; serials from and to; octets of records that go.
_ENTRY: Final = Struct(">IIIII")
_LENGTH: Final = Struct(">II")
_COVERED: Final = Struct(">III")

_MOST_ENTRY: Final = int(JOURNAL_ENTRY_OCTETS.default)

#: How many octets of a file are read at a time, and how many entries.
_PIECE: Final = 2**20
_READ_ENTRIES: Final = 1024

#: Octets behind damaged ones at which a whole difference is looked for: half a second's work.
_SCANNED: Final = 2**18


def originOf(image: Image) -> bytes:
    """
    @return: what tells the sources of an image from others: of one that was made of a master file, the records in it; of one that was
        built onto such with the help of a journal, those of the former.
    """
    if image.fingerprint.startswith(_FROM):
        return image.fingerprint[len(_FROM) :]
    return b"%08x%08x" % (image.serial, image.content)


def fingerprintOf(origin: bytes) -> bytes:
    """
    @return: what an image says that is built with the help of a journal.
    """
    return _FROM + origin


def encoded(difference: Difference) -> bytes:
    """
    @return: an entry.

    @raise StorageFault: it is larger than an entry may be.
    """
    apex = difference.before.name
    gone = rendered((difference.before, *difference.removed), apex)
    body = gone + rendered((difference.after, *difference.added), apex)
    if len(body) > _MOST_ENTRY:
        raise StorageFault(f"a difference of {len(body)} octets; a journal keeps {_MOST_ENTRY} at most")
    covered = _COVERED.pack(difference.oldSerial, difference.newSerial, len(gone))
    return _LENGTH.pack(len(body), crc32(body, crc32(covered))) + covered + body


class NoJournal(StorageFault):
    """
    What is there is something else than a journal of the zone.
    """


class Journal:
    """
    The journal of one zone.

    @ivar path: the file.
    @ivar octets: how many it has, the header counted.
    @ivar origin: what the zone was made from when the first difference was made, as L{originOf} tells.
    @ivar said: what was wrong with the file when it was opened, for people; empty where nothing was.
    @ivar lost: the newest serial number that is known of the zone, where the file does not lead there any more; L{None} otherwise.
    @ivar recovered: whole differences that were found behind what is damaged, in order.
    """

    def __init__(
        self,
        path: str,
        apexName: bytes,
        *,
        most: float | None = None,
        readOnly: bool = False,
        unread: bool = False,
        mend: bool = False,
    ) -> None:
        """
        Open a journal, or begin one.

        @param apexName: the zone's name, in the case that it is written in.
        @param most: octets that it may have before the oldest differences go.
        @param readOnly: leave the file as it is, beside whoever has it open for writing.
        @param unread: do not look what is in it yet; L{reading} does, before anything else is asked of it.
        @param mend: take a damaged file for a journal, set a copy of it aside, and find out what is sound in it and what is lost. The
            newest serial number is kept beside the journal for that.

        @raise NoJournal: what is there is none of this zone.
        @raise StorageFault: it cannot be read or written, or somebody else has it open for writing.
        """
        self.path = path
        self.said = ""
        self.lost: int | None = None
        self.recovered: list[Difference] = []
        self.octets = 0
        self._mends = mend
        # An operator who removes a journal means to.
        self._there = not mend or os.path.exists(path)
        self._apexName = apexName
        self.origin = bytes(ORIGIN_OCTETS)
        self._head = _MAGIC + bytes([len(apexName)]) + apexName.lower()
        self._most = int(JOURNAL_OCTETS.pick(most))
        self._broken = False
        self._readOnly = readOnly
        try:
            file = File(os.open(path, os.O_RDONLY | os.O_CLOEXEC if readOnly else os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
            self._pages = Pages(file)
            if not readOnly:
                self._claim(file.number, path)
        except OSError as error:
            raise self._fault(error) from error
        try:
            for _ in () if unread else self.reading():
                pass
        except BaseException:
            # Or nobody could open it while somebody looks at the fault.
            self.close()
            raise

    def _fault(self, error: OSError) -> StorageFault:
        return StorageFault(f"{self.path}: {error.strerror or error}")

    # -- opening

    def _claim(self, file: int, path: str) -> None:
        """
        @raise StorageFault: another process, or another journal of this one, writes there already.
        """
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise StorageFault(f"{self.path}: another server has it open") from None
        try:
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return
        except FileNotFoundError:
            pass
        raise StorageFault(f"{path}: another server has just written it anew")

    def reading(self) -> Iterator[None]:
        """
        Look what is in the file, one step for each turn that others are given.

        @raise NoJournal: it is none of this zone.
        @raise StorageFault: it cannot be read.
        """
        try:
            yield from self._read()
        except OSError as error:
            raise self._fault(error) from error

    def _read(self) -> Iterator[None]:
        size = os.fstat(self._pages.file.number).st_size
        head = self._head
        start = os.pread(self._pages.file.number, len(head) + ORIGIN_OCTETS, 0)
        if self._mends and self._isDamaged(start):
            self._recover(size)
            return
        if not start.startswith(head) or len(start) < len(head) + ORIGIN_OCTETS:
            if not head.startswith(start[: len(head)]) and (start.strip(b"\x00") or size > len(head) + ORIGIN_OCTETS):
                raise NoJournal(f"{self.path}: not a journal of {nameToText(self._apexName)}; move it away")
            # Nothing, or as much of a header as was written before everything ended: some disks keep how long it was to be, and zeros.
            if not self._readOnly:
                self._begin()
            self._compare()
            return
        self.origin = start[len(head) :]
        position = len(start)
        reason = ""
        pause = position + _PIECE
        while position < size:
            if position >= pause or len(self) % _READ_ENTRIES == _READ_ENTRIES - 1:
                pause = position + _PIECE
                yield
            reason, entry = self._entryAt(position, size)
            if entry is None:
                break
            if self.newest is not None and entry.old != self.newest:
                reason = f"the difference at octet {position} does not follow the one before"
                break
            self._pages.note(entry)
            position += entry.length
        if position < size and not self._readOnly:
            if self._mends:
                self._find(position, size)
            self._cut(position, size, reason)
        self.octets = position
        self._compare()

    def _isDamaged(self, start: bytes) -> bool:
        """
        @param start: what the file begins with.

        @return: whether it was emptied, or begins with something else than the header of a journal, of whatever zone, or a part of it.
        """
        if not start:
            return self._there
        return not start.startswith(_MAGIC) and not self._head.startswith(start)

    def _recover(self, size: int) -> None:
        """
        Begin anew, and keep aside what there was.
        """
        if size:
            kept = self._keepAside()
            self._find(0, size)
            self.said = f"{self.path}: the beginning is damaged; the file is kept as {kept}"
        self._begin()
        self._compare()
        if not size and self.lost is not None:
            self.said = f"{self.path}: there is nothing in it any more"

    def _find(self, position: int, size: int) -> None:
        """
        Find whole differences behind damaged octets.
        """
        tries = _SCANNED
        while position < size and tries:
            entry = self._entryAt(position, size)[1]
            if entry is None:
                position += 1
                tries -= 1
                continue
            position += entry.length
            with suppress(StorageFault):
                self.recovered += self._load(self._pages, [entry])

    def _compare(self) -> None:
        """
        Find out whether the file leads to the newest serial number that is known.
        """
        if not self._mends:
            return
        known = self._serialKept()
        if not self._there and known is not None:
            self.said = f"{self.path}: it is gone; it led to serial {known}, and the zone goes back to what its master file says"
            with suppress(OSError):
                os.unlink(f"{self.path}.serial")
            return
        for difference in self.recovered:
            if known is None or isNewer(difference.newSerial, known):
                known = difference.newSerial
        if known is not None and (self.newest is None or isNewer(known, self.newest)):
            self.lost = known

    def _serialKept(self) -> int | None:
        """
        @return: the newest serial number that was written down beside the journal.
        """
        try:
            with open(f"{self.path}.serial", encoding="ascii", errors="replace") as file:
                serial, checksum = file.read(100).split()
        except (OSError, ValueError):
            return None
        return int(serial) if checksum == f"{crc32(serial.encode('ascii', 'replace')):08x}" else None

    def _keepSerial(self, serial: int) -> None:
        # Nothing waits for it: where the disk loses it, the journal itself says as much.
        with suppress(OSError), open(f"{self.path}.serial", "w", encoding="ascii") as file:
            file.write(f"{serial} {crc32(b'%d' % serial):08x}\n")

    def mended(self) -> None:
        """
        What was lost has been made up for.
        """
        self.lost = None
        self.recovered = []

    def _keepAside(self) -> str:
        """
        @return: the path of a copy.
        """
        kept = self.path + ".damaged"
        with open(kept, "wb") as copy:
            at = 0
            while piece := os.pread(self._pages.file.number, _PIECE, at):
                copy.write(piece)
                at += len(piece)
        return kept

    def _begin(self) -> None:
        os.ftruncate(self._pages.file.number, 0)
        os.pwrite(self._pages.file.number, self._head + self.origin, 0)
        os.fsync(self._pages.file.number)
        syncFolder(self.path)
        self.octets = len(self._head) + ORIGIN_OCTETS

    def _entryAt(self, position: int, size: int) -> tuple[str, Entry | None]:
        """
        @return: why there is none, and the entry.
        """
        head = os.pread(self._pages.file.number, _ENTRY.size, position)
        if len(head) < _ENTRY.size:
            return f"octet {position} begins a difference that was not written to its end", None
        length, checksum, old, new, gone = _ENTRY.unpack(head)
        whole = _ENTRY.size + length
        if length > _MOST_ENTRY or gone > length or position + whole > size:
            return f"octet {position} begins a difference that was not written to its end", None
        found = crc32(head[_LENGTH.size :])
        at, left = position + _ENTRY.size, length
        while left:
            piece = os.pread(self._pages.file.number, min(left, _PIECE), at)
            if not piece:
                return f"the difference at octet {position} cannot be read to its end", None
            found = crc32(piece, found)
            at += len(piece)
            left -= len(piece)
        if found != checksum:
            return f"the difference at octet {position} is damaged", None
        return "", Entry(position, whole, old, new)

    def _cut(self, position: int, size: int, reason: str) -> None:
        """
        Cut off what is no whole difference. Where something whole stands behind it, it was not a crash while writing that left it, and
        a copy is kept.
        """
        self.said = f"{self.path}: {reason}; the last {size - position} octets are cut off"
        if self._isFollowed(position, size) or self._entryAt(position, size)[1] is not None:
            kept = self._keepAside()
            self.said += f", and changes with them that had been acknowledged; all of it is kept in {kept}"
        os.ftruncate(self._pages.file.number, position)
        os.fsync(self._pages.file.number)

    def _isFollowed(self, position: int, size: int) -> bool:
        head = os.pread(self._pages.file.number, _ENTRY.size, position)
        if len(head) < _ENTRY.size:
            return False
        behind = position + _ENTRY.size + int(_ENTRY.unpack(head)[0])
        return behind < size and self._entryAt(behind, size)[1] is not None

    # -- what is there

    @property
    def oldest(self) -> int | None:
        """
        The serial number that the first difference begins at.
        """
        entries = self._pages.entries
        return entries[0].old if entries else None

    @property
    def newest(self) -> int | None:
        """
        The serial number that the last one leads to.
        """
        entries = self._pages.entries
        return entries[-1].new if entries else None

    def __len__(self) -> int:
        return len(self._pages.entries)

    def since(self, serial: int) -> list[Difference] | None:
        """
        @return: the differences that lead from a serial number to the newest; none from that one itself; L{None} where it is not kept.

        @raise StorageFault: the file cannot be read.
        """
        if serial == self.newest:
            return []
        pages = self._pages
        start = pages.places.get(serial)
        return None if start is None else list(self._load(pages, pages.entries[start:]))

    def octetsSince(self, serial: int) -> int | None:
        """
        @return: how many octets the differences since then have, without reading them; L{None} where they are not kept.
        """
        if serial == self.newest:
            return 0
        start = self._pages.places.get(serial)
        return None if start is None else self.octets - self._pages.entries[start].offset

    def oneByOne(self, serial: int, last: int, room: int) -> Iterator[Difference] | None:
        """
        @see: L{Differences.oneByOne<twisted_ext.zone.transfer.sender.Differences.oneByOne>}; whatever becomes of the journal meanwhile.
        """
        pages = self._pages
        entries = pages.entries[pages.places.get(serial, len(pages.entries)) :]
        while entries and entries[-1].new != last:
            entries.pop()
        small = all(entry.length <= CHANGES_OCTETS.default for entry in entries)
        if not entries or not small or any(pages.longest(entry, _ENTRY.size, room) > room for entry in entries):
            return None
        return self._load(pages, entries)

    def _load(self, pages: Pages, entries: list[Entry]) -> Iterator[Difference]:
        for entry in entries:
            try:
                octets = os.pread(pages.file.number, entry.length, entry.offset)
            except OSError as error:
                raise self._fault(error) from error
            try:
                length, checksum, _, _, gone = _ENTRY.unpack_from(octets)
                if len(octets) != entry.length or crc32(octets[_LENGTH.size :]) != checksum:
                    raise BadMessage("it is not what was written")
                behind = _ENTRY.size + gone
                removed = fromRendered(octets[_ENTRY.size : behind], self._apexName)
                added = fromRendered(octets[behind:], self._apexName)
                yield Difference(removed[0], removed[1:], added[0], added[1:])
            except (BadMessage, BadChange, IndexError) as error:
                raise StorageFault(f"{self.path}: the difference at octet {entry.offset}: {error}") from error

    def replayed(self, version: Version) -> Version:
        """
        Take a version of the zone to where the journal ends.

        @return: the version with all differences since its serial number; itself where the journal is empty or ends with it.

        @raise StorageFault: the journal knows nothing of this version: somebody has changed the zone's file meanwhile. Or it cannot be
            read.
        @raise BudgetSpent: more would differ from the image than may; L{twisted_ext.zone.build.compaction} makes a new image of both.
        """
        steps = self.replaying(version)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return cast("Version", end.value)

    def replaying(self, version: Version) -> Generator[None, None, Version]:
        """
        Do what L{replayed} does, one step for each turn that others are given.
        """
        serial = version.serial
        pages = self._pages
        if not pages.entries or serial == self.newest:
            return version
        start = pages.places.get(serial)
        if start is None:
            raise StorageFault(
                f"{self.path}: leads from serial {self.oldest} to {self.newest}, and the zone has {serial}; where the zone's file is right,"
                " remove the journal"
            )
        for portion in pages.portions(start):
            try:
                version = applied(version, self._load(pages, portion))
            except BadChange as error:
                raise StorageFault(f"{self.path}: {error}") from error
            yield
        return version

    # -- writing

    def append(self, differences: Sequence[Difference]) -> None:
        """
        Write differences down, and wait until the disk has them.

        @raise StorageFault: that is not possible, for one that the disk is full. Then none of them is there.
        """
        if self._broken:
            self._mend()
        newest = self.newest
        entries: list[Entry] = []
        parts: list[bytes] = []
        position = self.octets
        for difference in differences:
            old, new = difference.oldSerial, difference.newSerial
            if newest is not None and old != newest:
                raise StorageFault(f"{self.path}: ends at serial {newest}; what is to come next begins at {old}")
            newest = new
            part = encoded(difference)
            entries.append(Entry(position, len(part), old, new))
            position += len(part)
            parts.append(part)
        try:
            self._write(b"".join(parts))
        except OSError as error:
            self._undo()
            raise self._fault(error) from error
        for entry in entries:
            self._pages.note(entry)
        self.octets = position
        if self._mends and newest is not None:
            self._keepSerial(newest)

    def _write(self, octets: bytes) -> None:
        view = memoryview(octets)
        at = self.octets
        while view:
            written = os.pwrite(self._pages.file.number, view, at)
            at += written
            view = view[written:]
        os.fdatasync(self._pages.file.number)

    def _undo(self) -> None:
        """
        Take back what may have come of it. Where not even that can be done, nothing more is written until it can.
        """
        try:
            os.ftruncate(self._pages.file.number, self.octets)
            os.fsync(self._pages.file.number)
        except OSError:
            self._broken = True

    def _mend(self) -> None:
        try:
            os.ftruncate(self._pages.file.number, self.octets)
            os.fsync(self._pages.file.number)
        except OSError as error:
            raise self._fault(error) from error
        self._broken = False

    def trim(self, imaged: int) -> bool:
        """
        Let the oldest differences go, where there is more than there may be. Those that no image has stay.

        The file is written anew beside this one and takes its place at once.

        @param imaged: the serial number of the image.

        @return: whether any went.

        @raise StorageFault: it cannot be written; then all is as it was.
        """
        entries = self._pages.entries
        keep = self._pages.places.get(imaged, len(entries) if imaged == self.newest else 0)
        start = 0
        octets = self.octets
        # Down to half of it, or the next change would have to do it again.
        while start < keep and octets > (self._most if not start else self._most // 2):
            octets -= entries[start].length
            start += 1
        if not start:
            return False
        self._rewrite(entries[start:], self.origin)
        return True

    def clear(self, origin: bytes | None = None) -> None:
        """
        Forget everything: the zone was replaced by one that has nothing to do with what it was.

        @param origin: what that is made from.

        @raise StorageFault: it cannot be written.
        """
        self._rewrite([], self.origin if origin is None else origin)

    def _rewrite(self, entries: list[Entry], origin: bytes) -> None:
        beside = self.path + ".new"
        try:
            file = File(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640))
            self._claim(file.number, beside)
            pages = Pages(file)
            position = os.pwrite(file.number, self._head + origin, 0)
            for entry in entries:
                octets = os.pread(self._pages.file.number, entry.length, entry.offset)
                pages.note(Entry(position, entry.length, entry.old, entry.new))
                while octets:
                    written = os.pwrite(file.number, octets, position)
                    position += written
                    octets = octets[written:]
            os.fsync(file.number)
            os.rename(beside, self.path)
        except OSError as error:
            # What is there of it takes room that is wanted.
            with suppress(OSError):
                os.unlink(beside)
            raise self._fault(error) from error
        # From here on the name is that of the new file: what was written into the other one would be lost.
        self._pages = pages
        self.origin = origin
        self.octets = position
        self._broken = False
        try:
            syncFolder(self.path)
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """
        Let go of the file. Closing again does nothing.
        """
        self._pages.file.close()
