"""
What a secondary keeps of a zone on disk: its image, what has changed since, and when a primary last confirmed it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final

from twisted.logger import Logger

from twisted_ext.errors import BadImage, BudgetSpent, StorageFault
from twisted_ext.server.limits import SPOOL_OCTETS
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import GATHERED_OCTETS
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal, NoJournal
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.ingest import gathered

__all__ = ["Held", "SecondaryStore", "Spool", "SpoolRoom", "removeUnfinished"]

_log: Final = Logger()

#: Characters of a file's name.
_MOST_NAME: Final = 200

#: How files of what was not finished end.
_UNFINISHED: Final = (".transfer", ".image.next")


def removeUnfinished(folder: str) -> None:
    """
    Remove what transfers left that were under way when an earlier process was killed, also of zones that are not there any more.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if entry.name.endswith(_UNFINISHED)]:
            with suppress(OSError):
                os.unlink(path)


class Held:
    """
    What was found on disk.

    @ivar version: the zone.
    @ivar refreshedAt: when a primary last confirmed it, in seconds since 1970.
    @ivar expiresAt: until when it may be served.
    """

    __slots__ = ("version", "refreshedAt", "expiresAt")

    def __init__(self, version: Version, refreshedAt: float, expiresAt: float) -> None:
        self.version = version
        self.refreshedAt = refreshedAt
        self.expiresAt = expiresAt


class SpoolRoom:
    """
    Octets for the messages of all transfers under way together.

    @ivar octets: how many are taken.
    """

    def __init__(self, most: int | None = None) -> None:
        """
        @param most: how many there may be; three quarters of them from one primary.
        """
        self.octets = 0
        self._most = int(SPOOL_OCTETS.pick(most))
        self._taken: Counter[str] = Counter()

    def take(self, label: str, octets: int) -> None:
        """
        @param label: of the primary.

        @raise BudgetSpent: there is no room for so many more.
        """
        each = self._most - self._most // 4
        if self.octets + octets > self._most or self._taken[label] + octets > each:
            text = f"transfers under way have {self.octets} octets, {self._taken[label]} of them from {label}"
            raise BudgetSpent(f"{text}; transfers-max-size allows {self._most}, and {each} from one primary")
        self.octets += octets
        self._taken[label] += octets

    def giveBack(self, label: str, octets: int) -> None:
        """
        There is room for so many more.
        """
        self.octets -= octets
        self._taken[label] -= octets
        if not self._taken[label]:
            del self._taken[label]


class Spool:
    """
    The messages of a transfer: in memory while they are few, in a file else.

    @ivar path: the file, or C{""} while there is none.
    @ivar messages: those in memory.
    """

    def __init__(self, path: str, most: int | None = None, *, room: SpoolRoom | None = None, label: str = "") -> None:
        """
        @param path: where a file would be.
        @param most: octets that are kept in memory.
        @param room: from which octets are taken; one of its own by default.
        @param label: of the primary that sends them.
        """
        self.path = ""
        self._room = SpoolRoom() if room is None else room
        self._label = label
        self.messages: list[bytes] = []
        self._wanted = path
        self._most = GATHERED_OCTETS.pick(most)
        self._octets = 0
        self._file: int | None = None

    def keep(self, message: bytes) -> None:
        """
        @raise OSError: the disk does not take it.
        @raise BudgetSpent: all transfers under way have as many octets as they may.
        """
        self._room.take(self._label, len(message))
        self._octets += len(message)
        if self._file is None:
            self.messages.append(message)
            if self._octets <= self._most:
                return
            self._file = os.open(self._wanted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            self.path = self._wanted
            messages, self.messages = self.messages, []
        else:
            messages = [message]
        octets = memoryview(b"".join([len(each).to_bytes(2, "big") + each for each in messages]))
        while octets:
            octets = octets[os.write(self._file, octets) :]

    def close(self) -> None:
        """
        It is all there. The file stays until L{drop}.
        """
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def drop(self) -> None:
        """
        Nobody wants it any more.
        """
        self.close()
        self.messages.clear()
        self._room.giveBack(self._label, self._octets)
        self._octets = 0
        if self.path:
            with suppress(OSError):
                os.unlink(self.path)
            self.path = ""


class SecondaryStore:
    """
    The files of one zone. What a crash leaves half written is never taken for whole.

    @ivar imagePath: the image.
    @ivar nextPath: where the next one is built.
    @ivar spoolPath: where a transfer may be put while it comes.
    """

    def __init__(self, folder: str, apexName: bytes) -> None:
        """
        @param folder: is there already.
        """
        name = nameToText(apexName.lower(), final=False).replace("%", "%25").replace("/", "%2F") or "root"
        if len(name) > _MOST_NAME or name.startswith("."):
            name = blake2b(apexName.lower(), digest_size=16).hexdigest()
        stem = f"{folder}/{name}"
        self.imagePath = f"{stem}.image"
        self.nextPath = f"{stem}.image.next"
        self.spoolPath = f"{stem}.transfer"
        self._journal: Journal | None = None
        self._journalPath = f"{stem}.changes"
        self._timesPath = f"{stem}.times"
        self._apexName = apexName
        self._closed = False

    @property
    def journal(self) -> Journal | None:
        """
        What has changed since the image; L{None} where that is nothing. It is opened when somebody wants it, and stays open until L{rest}.
        """
        if self._journal is None and not self._closed and os.path.exists(self._journalPath):
            self._journal = self._openJournal()
        return self._journal

    @property
    def isOpen(self) -> bool:
        """
        Whether a file is open for it.
        """
        return self._journal is not None

    def rest(self) -> None:
        """
        Have no file open until one is wanted.
        """
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()

    def restore(self) -> Held | None:
        """
        @return: what is there and whole; L{None} where that is nothing.

        @raise StorageFault: the files cannot be used at all.
        """
        for path in (self.spoolPath, self.nextPath):
            with suppress(OSError):
                os.unlink(path)
        self._closed = False
        try:
            version = Version(Image.open(self.imagePath))
            with open(self._timesPath, encoding="utf-8") as file:
                times = json.load(file)
            refreshedAt, expiresAt = float(times["refreshed"]), float(times["expires"])
        except (OSError, BadImage, ValueError, KeyError, TypeError):
            self._forget()
            return None
        if version.apex != self._apexName.lower():
            self._forget()
            return None
        try:
            journal = self.journal
            if journal is not None:
                version = journal.replayed(version)
        except (StorageFault, BudgetSpent) as fault:
            if self._journal is None or isinstance(fault.__cause__, OSError):
                # Nothing is wrong with it but that it cannot be read now; without it the zone would be an old one.
                raise
            # The image is newer than the changes, which was meant to be.
            self._forget()
        return Held(version, refreshedAt, expiresAt)

    def _openJournal(self) -> Journal:
        try:
            journal = Journal(self._journalPath, self._apexName)
        except NoJournal as fault:
            # One that only cannot be opened, such as for want of descriptors, can be another time.
            _log.error("{fault}; it is removed, and what is missing is fetched", fault=fault)
            os.unlink(self._journalPath)
            return Journal(self._journalPath, self._apexName)
        if journal.said:
            _log.error("{said}; what is missing is fetched", said=journal.said)
        return journal

    def _forget(self) -> None:
        journal = self.journal
        if journal is not None and len(journal):
            journal.clear()

    def build(self, messages: Sequence[bytes]) -> None:
        """
        Make the image of a small transfer.

        @raise BadZone: it is no zone.
        @raise OSError: the disk does not take it.
        """
        gathered(self._apexName, list(messages)).finishTo(self.nextPath)

    def built(self) -> Version:
        """
        @return: what was built, for L{adopt} or L{reject}.

        @raise BadImage: there is nothing.
        """
        return Version(Image.open(self.nextPath))

    def adopt(self) -> Version:
        """
        Take what was built in place of the image before, and forget what had changed since that.

        @raise OSError: the disk does not take it.
        """
        os.rename(self.nextPath, self.imagePath)
        self._forget()
        return Version(Image.open(self.imagePath, checked=False))

    def change(self, differences: Sequence[Difference], imaged: int) -> None:
        """
        Write changes down.

        @param imaged: the serial number of the image.

        @raise StorageFault: the disk does not take them.
        """
        journal = self.journal
        if journal is None:
            # A file that is open for each zone is not opened before there is something to write.
            journal = self._journal = self._openJournal()
        journal.append(differences)
        # They are on the disk. Where it has no room for a smaller copy, all of it stays as it is until it has.
        with suppress(StorageFault):
            journal.trim(imaged)

    def confirm(self, refreshedAt: float, expiresAt: float) -> None:
        """
        Write down when a primary confirmed what is held.

        @raise OSError: the disk does not take it.
        """
        beside = f"{self._timesPath}.new"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump({"refreshed": refreshedAt, "expires": expiresAt}, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, self._timesPath)

    def reject(self) -> None:
        """
        Have no use for what was built.
        """
        with suppress(OSError):
            os.unlink(self.nextPath)

    def remove(self) -> None:
        """
        Have no files any more.
        """
        self.close()
        for path in (self._timesPath, self.imagePath, self.nextPath, self._journalPath, self.spoolPath):
            with suppress(OSError):
                os.unlink(path)

    def close(self) -> None:
        """
        Leave the files to others.
        """
        self._closed = True
        self.rest()
