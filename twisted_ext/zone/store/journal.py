"""
The journal of a zone: the changes since its image was built, and maybe earlier ones, in a file of differences, each of which is written
completely or not at all.

A file is a header and entries. The header has the zone's name, and the origin of the image that it belongs to
(L{Image.origin<twisted_ext.zone.store.image.Image.origin>}). An entry is its length, a checksum of all that follows, the old and the new
serial number, the size of the removed records, and the records in wire format as in transfers: the removed ones, the old SOA first, then
the added ones, the new SOA first. An entry is durable when L{Journal.append} returns. Opening a journal truncates an entry that was
incomplete at a crash.

Threads: one may write while another reads; it reads the former state.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from errno import ENOENT, EROFS
from fcntl import LOCK_EX, LOCK_NB, flock
from struct import Struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

from twisted_ext.errors import BadChange, BadMessage, BudgetSpent, StorageFault
from twisted_ext.files import STATE_FILE, closeLocked, forState, isReadOnly, syncFolder
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import CHANGES_OCTETS, JOURNAL_OCTETS
from twisted_ext.zone.store.changeset import Difference, applied, fromRendered, longestRendered, rendered
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.store.steps import finished, portions

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["ORIGIN_OCTETS", "Journal", "NoJournal", "encoded", "hasEntries", "serialBeside"]


_MAGIC: Final = b"txdnsjn1"

#: Octets of the origin, which identifies the sources of journals and images.
ORIGIN_OCTETS: Final = 16

#: Length of the body, checksum of body and serials; old and new serial; size of the removed records.
_ENTRY: Final = Struct(">IIIII")
_LENGTH: Final = Struct(">II")
_COVERED: Final = Struct(">III")

#: Octets of one difference in a journal: a larger change is sent as a whole zone.
_MOST_ENTRY: Final = 2**28

#: How many octets of a file, and how many entries, are read in one step.
_PIECE: Final = 2**20
_READ_ENTRIES: Final = 1024

#: Octets of differences that are applied in one step, 10 ms of work, and those that a small difference counts as.
_PORTION: Final = 2**17
_ENTRY_WORK: Final = 2**10

#: Offsets after damage at which a complete difference is searched for: half a second's work.
_SCANNED: Final = 2**18


def serialBeside(path: str) -> int | None:
    """
    Return the serial number to which a journal led when it was written last, which is noted in a file beside it; L{None} if that is not
    known.
    """
    try:
        with open(f"{path}.serial", encoding="ascii", errors="replace") as file:
            serial, checksum = file.read(100).split()
    except (OSError, ValueError):
        return None
    return int(serial) if checksum == f"{crc32(serial.encode('ascii', 'replace')):08x}" else None


def hasEntries(path: str, apex: bytes) -> bool:
    """
    Return whether the file of a journal has more than a header.

    @param apex: the zone's name.
    """
    try:
        return os.path.getsize(path) > len(_MAGIC) + 1 + len(apex) + ORIGIN_OCTETS
    except OSError:
        return False


def encoded(difference: Difference) -> bytes:
    """
    @raise StorageFault: the entry is larger than the limit.
    """
    apex = difference.before.name
    gone = rendered((difference.before, *difference.removed), apex)
    body = gone + rendered((difference.after, *difference.added), apex)
    if len(body) > _MOST_ENTRY:
        raise StorageFault(f"a difference of {len(body)} octets; a journal keeps {_MOST_ENTRY} at most")
    covered = _COVERED.pack(difference.oldSerial, difference.newSerial, len(gone))
    return _LENGTH.pack(len(body), crc32(body, crc32(covered))) + covered + body


def _write(file: int, octets: bytes, at: int) -> None:
    view = memoryview(octets)
    while view:
        written = os.pwrite(file, view, at)
        at += written
        view = view[written:]


class NoJournal(StorageFault):
    """
    The file is not a journal of this zone.
    """


@dataclass(slots=True, eq=False, repr=False)
class _Entry:
    """
    The place of a difference in a file.

    @ivar old: the serial number before it.
    @ivar new: the serial number after it.
    @ivar longest: the size of its longest record; 0 if not computed yet.
    """

    offset: int
    length: int
    old: int
    new: int
    longest: int = 0


@dataclass(slots=True, eq=False, repr=False)
class _Pages:
    """
    An open file and its entries in one object, so that a reading thread gets both from the same state. The file is closed when its last
    user releases it: a reader may still use it after another one has replaced it.

    @ivar file: its descriptor.
    @ivar places: the index of the entry that begins at each serial number.
    """

    file: int
    entries: list[_Entry] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)

    def note(self, entry: _Entry) -> None:
        self.entries.append(entry)
        self.places[entry.old] = len(self.entries) - 1

    def longest(self, entry: _Entry, room: int) -> int:
        """
        Return the size of the longest record of an entry if that may be larger than C{room} octets. The result is cached.
        """
        if entry.length > room and not entry.longest:
            try:
                octets = os.pread(self.file, entry.length, entry.offset)
            except OSError:
                # The sender will get and report the error.
                return 0
            entry.longest = max(longestRendered(octets[_ENTRY.size :]), 1)
        return entry.longest

    def close(self) -> None:
        file, self.file = self.file, -1
        if file >= 0:
            closeLocked(file)

    def __del__(self) -> None:
        # Keep the lock: in a forked process it is that of the parent, which may still write the file.
        if self.file >= 0:
            os.close(self.file)


class Journal:
    """
    The journal of one zone.

    @ivar octets: its size, header included.
    @ivar origin: the origin of the image that it belongs to, which is before the first difference, or in between.
    @ivar said: the fault found when the file was opened, as a sentence; empty if there was none.
    @ivar lost: the newest known serial number of the zone if the file no longer leads to it; L{None} otherwise.
    @ivar recovered: complete differences found after damage, in order.
    @ivar isReadOnly: whether the file is never changed.
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
        Open a journal, or create one.

        @param apexName: the zone's name, in the case to be used.
        @param most: octets of the file above which the oldest differences are deleted.
        @param readOnly: do not change the file, which another process may have open for writing.
        @param unread: do not read the file yet; call L{reading} before anything else.
        @param mend: accept a damaged file as a journal, keep a copy of it, and find out what is intact and what is lost. For this, the
            newest serial number is stored in a file next to the journal.

        @raise NoJournal: the file is not a journal of this zone.
        @raise StorageFault: it cannot be read or written, or another process has it open for writing.
        """
        self.path = path
        self.said = ""
        self.lost: int | None = None
        self.recovered: list[Difference] = []
        self.octets = 0
        self._mends = mend
        # The operator may remove a journal on purpose.
        self._there = not mend or os.path.exists(path)
        self._apexName = apexName
        self.origin = bytes(ORIGIN_OCTETS)
        self._head = _MAGIC + bytes([len(apexName)]) + apexName.lower()
        self._most = int(JOURNAL_OCTETS.pick(most))
        self._broken = False
        # Where nothing can be written, what it has is read, and each change is refused.
        isFixed = not readOnly and isReadOnly(path)
        readOnly = self.isReadOnly = readOnly or isFixed
        if readOnly:
            self._mends = False
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC if readOnly else os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._pages = _Pages(os.open(path, flags, STATE_FILE))
            if not readOnly:
                self._claim(self._pages.file, path)
        except OSError as error:
            isMissing = isFixed and error.errno == ENOENT
            raise self._fault(OSError(EROFS, os.strerror(EROFS)) if isMissing else error) from error
        try:
            for _ in () if unread else self.reading():
                pass
        except BaseException:
            # Release the lock, so that the journal can be opened again while the operator investigates.
            self.close()
            raise

    def _fault(self, error: OSError) -> StorageFault:
        return StorageFault(f"{self.path}: {error.strerror or error}")

    # -- opening

    def _claim(self, file: int, path: str) -> None:
        """
        @raise StorageFault: another process, or another journal of this one, has it open for writing.
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
        raise StorageFault(f"{path}: another server has just rewritten it")

    def reading(self) -> Iterator[None]:
        """
        Read the file, yielding between steps so that other work can run.

        @raise NoJournal: it is not a journal of this zone.
        @raise StorageFault: it cannot be read.
        """
        try:
            yield from self._read()
        except OSError as error:
            raise self._fault(error) from error

    def _read(self) -> Iterator[None]:
        size = os.fstat(self._pages.file).st_size
        head = self._head
        start = os.pread(self._pages.file, len(head) + ORIGIN_OCTETS, 0)
        if self._mends and self._isDamaged(start):
            self._startAnew(size)
            return
        if not start.startswith(head) or len(start) < len(head) + ORIGIN_OCTETS:
            if not head.startswith(start[: len(head)]) and (start.strip(b"\x00") or size > len(head) + ORIGIN_OCTETS):
                raise NoJournal(f"{self.path}: not a journal of {nameToText(self._apexName)}; move it away")
            # Empty, or a part of a header written before a crash: some file systems keep the new size, with zeros.
            if not self.isReadOnly:
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
        if position < size and not self.isReadOnly:
            if self._mends:
                self._findBehindDamage(position, size)
            self._cut(position, size, reason)
        self.octets = position
        self._compare()

    def _isDamaged(self, start: bytes) -> bool:
        """
        Return whether the file was emptied, or begins with something else than a header of any journal, or a part of one.
        """
        if not start:
            return self._there
        return not start.startswith(_MAGIC) and not self._head.startswith(start)

    def _startAnew(self, size: int) -> None:
        if size:
            kept = self._keepAside()
            self._findBehindDamage(0, size)
            self.said = f"{self.path}: the beginning is damaged; the file is kept as {kept}"
        self._begin()
        self._compare()
        if not size and self.lost is not None:
            self.said = f"{self.path}: there is nothing in it any more"

    def _findBehindDamage(self, position: int, size: int) -> None:
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
        Find out whether the file leads to the newest known serial number.
        """
        if not self._mends:
            return
        known = serialBeside(self.path)
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

    def _keepSerial(self, serial: int) -> None:
        # Not synchronized: if the disk loses this, the journal itself still has the serial number.
        with suppress(OSError), open(f"{self.path}.serial", "w", encoding="ascii", opener=forState) as file:
            file.write(f"{serial} {crc32(b'%d' % serial):08x}\n")

    def _keepAside(self) -> str:
        kept = self.path + ".damaged"
        with open(kept, "wb", opener=forState) as copy:
            at = 0
            while piece := os.pread(self._pages.file, _PIECE, at):
                copy.write(piece)
                at += len(piece)
        return kept

    def _begin(self) -> None:
        os.ftruncate(self._pages.file, 0)
        os.pwrite(self._pages.file, self._head + self.origin, 0)
        os.fsync(self._pages.file)
        syncFolder(self.path)
        self.octets = len(self._head) + ORIGIN_OCTETS

    def _entryAt(self, position: int, size: int) -> tuple[str, _Entry | None]:
        """
        Read the header of an entry; return why there is no complete one, and the entry.
        """
        head = os.pread(self._pages.file, _ENTRY.size, position)
        if len(head) < _ENTRY.size:
            return f"octet {position} begins a difference that was not written to its end", None
        length, checksum, old, new, gone = _ENTRY.unpack(head)
        whole = _ENTRY.size + length
        if length > _MOST_ENTRY or gone > length or position + whole > size:
            return f"octet {position} begins a difference that was not written to its end", None
        found = crc32(head[_LENGTH.size :])
        at, left = position + _ENTRY.size, length
        while left:
            piece = os.pread(self._pages.file, min(left, _PIECE), at)
            if not piece:
                return f"the difference at octet {position} cannot be read to its end", None
            found = crc32(piece, found)
            at += len(piece)
            left -= len(piece)
        if found != checksum:
            return f"the difference at octet {position} is damaged", None
        return "", _Entry(position, whole, old, new)

    def _cut(self, position: int, size: int, reason: str) -> None:
        """
        Truncate the file after the last complete difference. If complete ones follow the damage, it was not caused by a crash while
        writing, and a copy is kept.
        """
        self.said = f"{self.path}: {reason}; the last {size - position} octets are cut off"
        if self._isFollowed(position, size) or self._entryAt(position, size)[1] is not None:
            kept = self._keepAside()
            self.said += f", and changes with them that had been acknowledged; all of it is kept in {kept}"
        os.ftruncate(self._pages.file, position)
        os.fsync(self._pages.file)

    def _isFollowed(self, position: int, size: int) -> bool:
        head = os.pread(self._pages.file, _ENTRY.size, position)
        if len(head) < _ENTRY.size:
            return False
        behind = position + _ENTRY.size + int(_ENTRY.unpack(head)[0])
        return behind < size and self._entryAt(behind, size)[1] is not None

    # -- reading

    @property
    def oldest(self) -> int | None:
        entries = self._pages.entries
        return entries[0].old if entries else None

    @property
    def newest(self) -> int | None:
        entries = self._pages.entries
        return entries[-1].new if entries else None

    def __len__(self) -> int:
        return len(self._pages.entries)

    def since(self, serial: int) -> list[Difference] | None:
        """
        Return the differences from a serial number to the newest; an empty list for the newest itself; L{None} if they are not kept.

        @raise StorageFault: the file cannot be read.
        """
        if serial == self.newest:
            return []
        pages = self._pages
        start = pages.places.get(serial)
        return None if start is None else list(self._load(pages, pages.entries[start:]))

    def isOf(self, version: Version) -> bool:
        """
        Return whether the oldest difference is one of a version.

        @raise StorageFault: the file cannot be read.
        """
        pages = self._pages
        try:
            return version.serial == self.oldest and bool(applied(version, self._load(pages, pages.entries[:1])))
        except (BadChange, BudgetSpent):
            return False

    def serials(self) -> list[int]:
        return [*self._pages.places]

    def octetsSince(self, serial: int) -> int | None:
        if serial == self.newest:
            return 0
        start = self._pages.places.get(serial)
        return None if start is None else self.octets - self._pages.entries[start].offset

    def oneByOne(self, serial: int, last: int, room: int) -> Iterator[Difference] | None:
        """
        @see: L{Differences.oneByOne<twisted_ext.zone.transfer.sender.Differences.oneByOne>}; later changes of the journal have no effect on
            it.
        """
        pages = self._pages
        entries = pages.entries[pages.places.get(serial, len(pages.entries)) :]
        while entries and entries[-1].new != last:
            entries.pop()
        small = all(entry.length <= CHANGES_OCTETS.default for entry in entries)
        if not entries or not small or any(pages.longest(entry, room) > room for entry in entries):
            return None
        return self._load(pages, entries)

    def _load(self, pages: _Pages, entries: list[_Entry]) -> Iterator[Difference]:
        for entry in entries:
            try:
                octets = os.pread(pages.file, entry.length, entry.offset)
            except OSError as error:
                raise self._fault(error) from error
            try:
                length, checksum, _, _, gone = _ENTRY.unpack_from(octets)
                if len(octets) != entry.length or crc32(octets[_LENGTH.size :]) != checksum:
                    raise BadMessage("it is damaged")
                behind = _ENTRY.size + gone
                removed = fromRendered(octets[_ENTRY.size : behind], self._apexName)
                added = fromRendered(octets[behind:], self._apexName)
                yield Difference(removed[0], removed[1:], added[0], added[1:])
            except (BadMessage, BadChange, IndexError) as error:
                raise StorageFault(f"{self.path}: the difference at octet {entry.offset}: {error}") from error

    def replayed(self, version: Version) -> Version:
        """
        Apply the journal to a version of the zone.

        @return: the version with all differences since its serial number; the same version if the journal is empty or ends with it.

        @raise StorageFault: the journal does not contain this version, because the master file was changed meanwhile; or it cannot be read.
        @raise BudgetSpent: more names would differ from the image than the limit; L{twisted_ext.zone.build.compaction} builds a new image
            of both.
        """
        return finished(self.replaying(version))

    def replaying(self, version: Version) -> Generator[None, None, Version]:
        """
        Apply the journal as L{replayed} does, yielding between steps so that other work can run.
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
        for portion in portions(pages.entries[start:], lambda entry: max(entry.length, _ENTRY_WORK), _PORTION):
            try:
                version = applied(version, self._load(pages, portion))
            except BadChange as error:
                raise StorageFault(f"{self.path}: {error}") from error
            yield
        return version

    # -- writing

    def append(self, differences: Sequence[Difference]) -> None:
        """
        Write differences and wait for the disk.

        @raise StorageFault: that failed, for example because the disk is full. Then none of them is in the journal.
        """
        if self.isReadOnly:
            raise StorageFault(f"{self.path}: nothing can be written there: read-only file system")
        if self._broken:
            self._mend()
        newest = self.newest
        entries: list[_Entry] = []
        parts: list[bytes] = []
        position = self.octets
        for difference in differences:
            old, new = difference.oldSerial, difference.newSerial
            if newest is not None and old != newest:
                raise StorageFault(f"{self.path}: ends at serial {newest}; the next difference begins at {old}")
            newest = new
            part = encoded(difference)
            entries.append(_Entry(position, len(part), old, new))
            position += len(part)
            parts.append(part)
        self._write(b"".join(parts), self.origin)
        for entry in entries:
            self._pages.note(entry)
        self.octets = position
        if self._mends and newest is not None:
            self._keepSerial(newest)

    def succeed(self, octets: bytes, serial: int, origin: bytes) -> None:
        """
        Write a difference that leads to another image of the zone, and belong to that: what is before it is history.

        @param octets: the difference, see L{encoded}.
        @param serial: that of the version before it.
        @param origin: the origin of that image.

        @raise StorageFault: it does not follow what is there, or is not whole, or cannot be written. Then nothing has changed.
        """
        if self.isReadOnly or self._broken:
            raise StorageFault(f"{self.path}: nothing can be written there")
        length, checksum, old, new, _ = _ENTRY.unpack_from(octets)
        isWhole = len(octets) == _ENTRY.size + length and crc32(octets[_LENGTH.size :]) == checksum
        if not isWhole or old != serial or self.newest not in (None, serial):
            raise StorageFault(f"{self.path}: ends at serial {self.newest or serial}; the next difference begins at {old}, or is damaged")
        self._write(octets, origin)
        self._pages.note(_Entry(self.octets, len(octets), old, new))
        self.octets += len(octets)
        self.origin = origin
        if self._mends:
            self._keepSerial(new)

    def _write(self, octets: bytes, origin: bytes) -> None:
        """
        Write octets behind those that are there, and the origin if it changes, and wait for the disk.

        @raise StorageFault: that failed.
        """
        file = self._pages.file
        try:
            _write(file, octets, self.octets)
            if origin != self.origin:
                _write(file, origin, len(self._head))
            os.fdatasync(file)
        except OSError as error:
            self._broken = True
            with suppress(StorageFault):
                self._mend()
            raise self._fault(error) from error

    def _mend(self) -> None:
        """
        Take back a failed write. Until that succeeds, all writes are refused.
        """
        try:
            os.ftruncate(self._pages.file, self.octets)
            _write(self._pages.file, self.origin, len(self._head))
            os.fsync(self._pages.file)
        except OSError as error:
            raise self._fault(error) from error
        self._broken = False

    def trim(self, imaged: int) -> bool:
        """
        Delete the oldest differences if the journal is over its limit, except those missing in the image; return whether any were deleted.
        The journal is written to a new file, which replaces this one atomically.

        @param imaged: the serial number of the image.

        @raise StorageFault: it cannot be written; then nothing has changed.
        """
        entries = self._pages.entries
        keep = self._pages.places.get(imaged, len(entries) if imaged == self.newest else 0)
        start = 0
        octets = self.octets
        # Down to half of the limit, or the next change would trim it again.
        while start < keep and octets > (self._most if not start else self._most // 2):
            octets -= entries[start].length
            start += 1
        if not start:
            return False
        self._rewrite(entries[start:], self.origin)
        return True

    def clear(self, origin: bytes | None = None) -> None:
        """
        Delete all differences: the zone was replaced by an unrelated one.

        @param origin: the origin of the new zone.

        @raise StorageFault: it cannot be written.
        """
        self._rewrite([], self.origin if origin is None else origin)

    def _rewrite(self, entries: list[_Entry], origin: bytes) -> None:
        beside = self.path + ".new"
        try:
            pages = _Pages(forState(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC))
            file = pages.file
            self._claim(file, beside)
            position = os.pwrite(file, self._head + origin, 0)
            for entry in entries:
                octets = os.pread(self._pages.file, entry.length, entry.offset)
                pages.note(_Entry(position, entry.length, entry.old, entry.new))
                _write(file, octets, position)
                position += len(octets)
            os.fsync(file)
            os.rename(beside, self.path)
        except OSError as error:
            # Free the space of the incomplete file.
            with suppress(OSError):
                os.unlink(beside)
            raise self._fault(error) from error
        # From here on the path is that of the new file: entries written into the old one would be lost.
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
        Close the file. Closing again does nothing.
        """
        self._pages.close()
