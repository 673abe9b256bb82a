"""
Persistent ownership of catalog zones' members: the catalog zone that owns each stored zone, and its label there. After a restart another
catalog zone takes a member over only if the owner releases it (RFC 9432, sections 5.2 and 5.5), and a changed label resets the zone
(section 5.6).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from typing import Final
from zlib import crc32

from twisted.logger import Logger

from twisted_ext.errors import BadMessage
from twisted_ext.files import syncFolder

__all__ = ["OwnershipLog"]

#: Number of superfluous lines above which the file is rewritten.
_SPARE: Final = 1000

_log: Final = Logger()

#: The catalog zone that owns a zone, folded, and the zone's label in it.
_Owner = tuple[bytes, bytes]


class OwnershipLog:
    """
    A file with one line for each change of ownership. The last line of a zone counts. Each line begins with a checksum, so that lines
    truncated by a crash or damaged on disk are detected.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: the file; C{""} to keep everything in memory only.
        """
        self._path = path
        self._kept: dict[bytes, _Owner] = {}
        # Lines not written yet, in order. The reactor's thread appends them while another thread takes them.
        self._unwritten: deque[str] = deque()
        self._writing = Lock()
        self._lines = 0
        # Whether the file lacks recorded changes and has to be rewritten.
        self._incomplete = False
        if path:
            self._read()

    def _read(self) -> None:
        try:
            with open(self._path, "rb") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(error)
            return
        damaged: list[int] = []
        old = False
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                apex, owner = _parsed(line)
            except (BadMessage, ValueError):
                damaged.append(number)
                continue
            old = old or not line.startswith(b"#")
            if owner is None:
                self._kept.pop(apex, None)
            else:
                self._kept[apex] = owner
        self._lines = len(lines)
        if damaged:
            aside = f"{self._path}.damaged"
            text = (
                "{path}: {count} of {lines} lines are damaged, the first is line {first}: it is not known which catalog owns the zones on"
                " them, and the first catalog that lists such a zone gets it; the damaged file is kept as {aside}"
            )
            _log.error(text, path=self._path, count=len(damaged), lines=len(lines), first=damaged[0], aside=aside)
            with suppress(OSError):
                with suppress(FileNotFoundError):
                    os.unlink(aside)
                os.link(self._path, aside)
        if damaged or old or self._lines > len(self._kept) + _SPARE:
            try:
                self._replace()
            except OSError as error:
                self._incomplete = True
                self._complain(error)

    def _replace(self) -> None:
        """
        Rewrite the whole file atomically.
        """
        kept = self._kept.copy()
        beside = f"{self._path}.new"
        with open(beside, "w", encoding="ascii") as file:
            file.writelines([_line(apex, owner) for apex, owner in kept.items()])
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._path)
        syncFolder(self._path)
        self._lines = len(kept)
        self._incomplete = False

    def write(self) -> None:
        """
        Write what L{note} has recorded, in order, and wait for the disk. Thread-safe.
        """
        if not self._path:
            return
        with self._writing:
            lines = [self._unwritten.popleft() for _ in range(len(self._unwritten))]
            if not lines and not self._incomplete:
                return
            try:
                if self._incomplete or self._lines + len(lines) > 2 * len(self._kept) + _SPARE:
                    self._replace()
                else:
                    self._append("".join(lines).encode("ascii"))
                    self._lines += len(lines)
            except OSError as error:
                self._incomplete = True
                self._complain(error)

    def _append(self, octets: bytes) -> None:
        if not os.path.exists(self._path):
            # A new file: its directory entry has to be on disk as well.
            self._replace()
            return
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            left = memoryview(octets)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)

    def _complain(self, error: OSError) -> None:
        text = "{path}: {error}; after a restart it may not be known which catalog owns a zone"
        _log.error(text, path=self._path, error=error.strerror or error)

    def get(self, apex: bytes) -> _Owner | None:
        """
        Return the catalog zone that owns a zone, and the zone's label in it.

        @param apex: a folded name.
        """
        return self._kept.get(apex)

    def of(self, catalog: bytes) -> Iterator[bytes]:
        """
        Return the members owned by a catalog zone.
        """
        return iter([apex for apex, (owner, _) in self._kept.items() if owner == catalog])

    def note(self, listed: dict[bytes, _Owner | None]) -> None:
        """
        Record owners; L{write} stores them on disk.

        @param listed: the owner of each zone; L{None} for removed zones.
        """
        lines: list[str] = []
        for apex, owner in listed.items():
            if owner is None:
                if self._kept.pop(apex, None) is not None:
                    lines.append(_line(apex, None))
            elif self._kept.get(apex) != owner:
                self._kept[apex] = owner
                lines.append(_line(apex, owner))
        if self._path:
            self._unwritten.extend(lines)


def _line(apex: bytes, owner: _Owner | None) -> str:
    said = " ".join([word.hex() for word in (apex, *(owner or ()))])
    return f"#{crc32(said.encode('ascii')):08x} {said}\n"


def _parsed(line: bytes) -> tuple[bytes, _Owner | None]:
    """
    Parse a line into a zone and its owner.

    @raise BadMessage: the line is damaged.
    @raise ValueError: a word is not hexadecimal.
    """
    said = line
    if line.startswith(b"#"):
        checksum, _, said = line[1:].partition(b" ")
        if checksum != b"%08x" % crc32(said):
            raise BadMessage("wrong checksum")
    # Lines without a checksum were written by earlier releases.
    words = [bytes.fromhex(word.decode("ascii")) for word in said.split(b" ")]
    if len(words) == 1:
        return words[0], None
    if len(words) != 3:
        raise BadMessage(f"{len(words)} words")
    return words[0], (words[1], words[2])
