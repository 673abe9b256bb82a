"""
Files of a secondary zone: its image, the changes since, and the time of its last confirmation by a primary.
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
from twisted_ext.files import STATE_FILE, forState, replacingFile
from twisted_ext.server.limits import SPOOL_OCTETS
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import GATHERED_OCTETS
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal, NoJournal
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.ingest import gathered
from twisted_ext.zone.transfer.strangers import Strangers

__all__ = ["SecondaryStore", "Spool", "SpoolRoom", "removeUnfinished"]

_log: Final = Logger(__name__)

#: Maximum characters of a file name.
_MOST_NAME: Final = 200

#: Suffixes of temporary files.
_UNFINISHED: Final = (".transfer", ".image.next")


def removeUnfinished(folder: str) -> None:
    """
    Remove temporary files of transfers that a killed process left behind, including those of zones no longer configured.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if entry.name.endswith(_UNFINISHED)]:
            with suppress(OSError):
                os.unlink(path)


class SpoolRoom:
    """
    A limit on the octets of all incoming transfers together.
    """

    def __init__(self, most: int | None = None) -> None:
        """
        @param most: maximum octets; three quarters of that for one primary.
        """
        self.octets = 0
        self._most = int(SPOOL_OCTETS.pick(most))
        self._taken: Counter[str] = Counter()

    def take(self, label: str, octets: int) -> None:
        """
        @raise BudgetSpent: this would exceed the limit.
        """
        each = self._most - self._most // 4
        if self.octets + octets > self._most or self._taken[label] + octets > each:
            text = f"transfers under way have {self.octets} octets, {self._taken[label]} of them from {label}"
            raise BudgetSpent(f"{text}; transfers-max-size allows {self._most}, and {each} from one primary")
        self.octets += octets
        self._taken[label] += octets

    def giveBack(self, label: str, octets: int) -> None:
        self.octets -= octets
        self._taken[label] -= octets
        if not self._taken[label]:
            del self._taken[label]


class Spool:
    """
    Storage for the messages of one transfer: in memory as long as they are few, otherwise in a file.

    @ivar path: the path of the file, or C{""} if there is none.
    @ivar messages: the messages in memory.
    """

    def __init__(self, path: str, room: SpoolRoom, label: str) -> None:
        """
        @param path: the file to create if one is needed.
        @param label: the primary, as displayed.
        """
        self.path = ""
        self._room = room
        self._label = label
        self.messages: list[bytes] = []
        self._wanted = path
        self._octets = 0
        self._file: int | None = None

    def keep(self, message: bytes) -> None:
        """
        @raise OSError: the message cannot be written.
        @raise BudgetSpent: all incoming transfers together have reached their limit.
        """
        self._room.take(self._label, len(message))
        self._octets += len(message)
        if self._file is None:
            self.messages.append(message)
            if self._octets <= GATHERED_OCTETS.default:
                return
            self._file = forState(self._wanted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            self.path = self._wanted
            messages, self.messages = self.messages, []
        else:
            messages = [message]
        octets = memoryview(b"".join([len(each).to_bytes(2, "big") + each for each in messages]))
        while octets:
            octets = octets[os.write(self._file, octets) :]

    def close(self) -> None:
        """
        Close the file, which is complete now. It stays until L{drop}.
        """
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def drop(self) -> None:
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
    The files of one zone. Files left half written by a crash are never used.

    @ivar nextPath: where the next image is built.
    """

    def __init__(self, folder: str, apexName: bytes) -> None:
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
        The journal with the changes since the image; L{None} if there are none. Opened on first use, and closed by L{rest}.
        """
        if self._journal is None and not self._closed and os.path.exists(self._journalPath):
            self._journal = self._openJournal()
        return self._journal

    @property
    def isOpen(self) -> bool:
        return self._journal is not None

    def rest(self) -> None:
        """
        Close the journal until it is used again.
        """
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()

    def restore(self) -> tuple[Version, float, float] | None:
        """
        Return the stored version, when a primary last confirmed it, and when it expires, both in seconds since 1970; L{None} if there is no
        complete one.

        @raise StorageFault: the files cannot be read at the moment.
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
                # The journal is intact but cannot be read now; without it the zone would be out of date.
                raise
            # The image is newer than the journal: a crash came between installing it and clearing the journal.
            self._forget()
        return version, refreshedAt, expiresAt

    def _openJournal(self) -> Journal:
        try:
            journal = Journal(self._journalPath, self._apexName)
        except NoJournal as fault:
            # Only remove an invalid journal: one that cannot be opened, such as for lack of descriptors, may be readable later.
            _log.error("{fault}; it is removed, and the missing changes are transferred", fault=fault)
            os.unlink(self._journalPath)
            return Journal(self._journalPath, self._apexName)
        if journal.said:
            _log.error("{said}; the missing changes are transferred", said=journal.said)
        return journal

    def _forget(self) -> None:
        journal = self.journal
        if journal is not None and len(journal):
            journal.clear()

    def build(self, messages: Sequence[bytes]) -> str:
        """
        Build the image of a small transfer.

        @return: what to say of records outside of the zone, which are left out; empty if there are none.

        @raise BadZone: the messages are not a valid zone.
        @raise OSError: it cannot be written.
        """
        strangers = Strangers()
        gathered(self._apexName, messages, strangers).finishTo(self.nextPath)
        return str(strangers)

    def built(self) -> Version:
        """
        Return the version built, for L{apply} or L{reject}.

        @raise BadImage: there is none.
        """
        return Version(Image.open(self.nextPath))

    def apply(self) -> Version:
        """
        Install the version built, and clear the journal of changes since the previous image.

        @raise OSError: it cannot be installed.
        """
        os.rename(self.nextPath, self.imagePath)
        self._forget()
        return Version(Image.open(self.imagePath, checked=False))

    def change(self, differences: Sequence[Difference], imaged: int) -> None:
        """
        Append changes to the journal.

        @param imaged: the serial number of the image.

        @raise StorageFault: they cannot be written.
        """
        journal = self.journal
        if journal is None:
            # Created only when there is something to write, as each open journal takes a descriptor.
            journal = self._journal = self._openJournal()
        journal.append(differences)
        # The changes are on disk. If there is no space for a trimmed copy, the journal stays untrimmed until there is.
        with suppress(StorageFault):
            journal.trim(imaged)

    def confirm(self, refreshedAt: float, expiresAt: float) -> None:
        """
        Store the time of a primary's confirmation, and the expiry.

        @raise OSError: they cannot be written.
        """
        with replacingFile(self._timesPath, new=STATE_FILE) as file:
            file.write(json.dumps({"refreshed": refreshedAt, "expires": expiresAt}).encode())

    def reject(self) -> None:
        with suppress(OSError):
            os.unlink(self.nextPath)

    def remove(self) -> None:
        self.close()
        for path in (self._timesPath, self.imagePath, self.nextPath, self._journalPath, self.spoolPath):
            with suppress(OSError):
                os.unlink(path)

    def close(self) -> None:
        self._closed = True
        self.rest()
