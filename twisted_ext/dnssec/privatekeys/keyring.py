"""
The keys of a zone in a folder: which sign at a time, and new ones.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from twisted_ext.dnssec.keys import REVOKED
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, nameOf
from twisted_ext.dnssec.privatekeys.keyfolder import loadKeys, saveKey
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, badKey, newKey
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.files import openNow, replacingFile
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.times import dateFromSeconds

__all__ = ["Keyring", "makeKey", "makeKeys", "stateOf"]

#: Flags of a key that signs DNSKEY records, or everything; and of one that signs the rest.
_ENTRY: Final = 257
_REST: Final = 256

#: Only the signer reads the folder.
_MODE: Final = 0o700

#: The times in a file that say what a key does, in the order in which they come.
_TIMES: Final = ("Publish", "Activate", "Revoke", "Inactive", "Delete")

#: Those at which the zone is signed again.
_ACTED: Final = frozenset((*_TIMES, "SyncPublish", "SyncDelete"))

#: The file that says since when keys are in the zone: in each line the name of a key and seconds since 1970, 0 for one that may sign.
_NOTE: Final = "published"
_NOTE_MODE: Final = 0o644
_NOTE_OCTETS: Final = 65_536

#: Seconds, besides the TTL, for which a DNSKEY record has to be in the zone before its key signs: until all secondaries have it.
_SAFETY: Final = 300


class Keyring:
    """
    The keys of a zone at a time. The times in their files say from when until when a key is in the zone (C{Publish} to C{Delete}), signs
    (C{Activate} to C{Inactive}), and is announced to the parent (C{SyncPublish} to C{SyncDelete}), and from when it is revoked.

    A key that was added to a signed zone signs once its DNSKEY record has been there for longer than resolvers keep the former ones. Until
    then the former keys go on signing. When each key came into the zone is noted in a file beside them.

    @ivar active: those that sign; a revoked one signs the DNSKEY records only.
    @ivar published: the DNSKEY records of those that are only published.
    @ivar withheld: those that are not to be announced to the parent.
    @ivar sources: the paths of all private files.
    @ivar due: when one of them does something else next, in seconds since 1970; 0 for never.
    @ivar said: what the operator should know of keys that do not sign yet, or still do.
    """

    __slots__ = ("active", "due", "published", "said", "sources", "withheld", "_folder", "_since", "_text")

    def __init__(self, folder: str, zone: bytes, now: float, served: Collection[bytes] | None = None, ttl: int = 0) -> None:
        """
        Read the keys.

        @param folder: may be missing.
        @param zone: folded.
        @param now: seconds since 1970.
        @param served: rdata of the DNSKEY records that are served; L{None} if there are none, or they are not known.
        @param ttl: for how long resolvers keep them, in seconds.

        @raise BadKey: a key cannot be used, or there are some and none signs.
        """
        self.active: list[PrivateKey] = []
        self.published: list[bytes] = []
        self.withheld: list[PrivateKey] = []
        self.sources: list[str] = []
        self.said: list[str] = []
        self.due = 0
        self._folder = folder
        # When each key in the zone came there; 0 for those that may sign.
        self._since: dict[str, int] = {}
        self._text: str | None = None
        if not os.path.isdir(folder):
            return
        files = loadKeys(folder, zone)
        self.sources = [file.key.source for file in files]
        there = {nameOf(file): file for file in files if _isWithin(file, "Publish", "Delete", now)}
        self._since = self._known(there, served, int(now))
        ready = {name: since + ttl + _SAFETY if since else 0 for name, since in self._since.items()}
        moments = [moment for file in files for name, moment in file.times.items() if name in _ACTED]
        self.due = min([int(moment) for moment in (*moments, *ready.values()) if moment > now], default=0)
        self._choose(there, ready, now)
        if files and all(key.flags & REVOKED for key in self.active):
            said = ", ".join([f"{file.key.tag}{_times(file)}" for file in files])
            ahead = all(max(file.times.get("Publish", 0), file.times.get("Activate", 0)) > now for file in files)
            advice = "; if the clock was ahead when they were made, set their times: dnssec-settime -P now -A now" if ahead else ""
            raise badKey(folder, f"there are keys of {nameToText(zone)}, but none of them signs now: {said}{advice}")

    def _choose(self, there: Mapping[str, KeyFile], ready: Mapping[str, int], now: float) -> None:
        """
        Decide which keys sign.

        @param there: those that are in the zone, by their names.
        @param ready: when each may sign.
        """
        keys = {name: file.key.revoked() if file.times.get("Revoke", now + 1) <= now else file.key for name, file in there.items()}
        wanted = [name for name, file in there.items() if _isWithin(file, "Activate", "Inactive", now)]
        signing = [name for name in wanted if ready[name] <= now or keys[name].flags & REVOKED]
        for name in [name for name in wanted if name not in signing]:
            algorithm = keys[name].algorithm
            if any(keys[each].algorithm == algorithm and not keys[each].flags & REVOKED for each in signing):
                continue
            former = [each for each in there if each not in wanted and not self._since[each] and keys[each].algorithm == algorithm]
            for each in former:
                self.said.append(f"the key {each} goes on signing after its time, until {name} may sign")
            if not former:
                self.said.append(f"the key {name} signs at once, as there is no other; resolvers may still have DNSKEY records without it")
            signing += former or [name]
        for name, file in there.items():
            if name in signing:
                self.active.append(keys[name])
                self._since[name] = 0
                if not _isWithin(file, "SyncPublish", "SyncDelete", now):
                    self.withheld.append(keys[name])
                continue
            self.published.append(keys[name].dnskey)
            begins = max(file.times.get("Activate", 0), ready[name])
            if begins > now:
                self.said.append(f"the key {name} is in the zone, and signs from {datetime.fromtimestamp(begins, UTC):%Y-%m-%d %H:%M} UTC")

    def _known(self, there: Mapping[str, KeyFile], served: Collection[bytes] | None, now: int) -> dict[str, int]:
        """
        Return when each key in the zone came there; 0 for those that may sign. Without a note all that are served may, or simply all.
        """
        noted: dict[str, int] = {}
        try:
            with open(os.path.join(self._folder, _NOTE), encoding="ascii", errors="replace", opener=openNow) as file:
                self._text = file.read(_NOTE_OCTETS)
        except FileNotFoundError:
            return {name: 0 if served is None or file.key.dnskey in served else now for name, file in there.items()}
        except OSError as error:
            raise badKey(self._folder, f"{_NOTE} cannot be read: {error.strerror or error}") from None
        for line in self._text.splitlines():
            name, _, since = line.partition(" ")
            if since.isdecimal():
                noted[name] = int(since)
        # One that was noted, but is in no version that is served, is not known to resolvers. A revoked one has another record.
        return {
            name: noted[name] if name in noted and (served is None or not noted[name] or file.key.dnskey in served) else now
            for name, file in there.items()
        }

    def signers(self) -> Signers[PrivateKey]:
        """
        Return the keys that sign, with what each does.
        """
        return Signers(self.active, self.withheld)

    def note(self, made: Iterable[KeyFile] = ()) -> None:
        """
        Note when the keys came into the zone, once it is signed.

        @param made: keys that were made for it, which sign.

        @raise OSError: the file cannot be written.
        """
        since = {**self._since, **{nameOf(file): 0 for file in made}}
        text = "".join([f"{name} {moment}\n" for name, moment in since.items()])
        if text != self._text:
            with replacingFile(os.path.join(self._folder, _NOTE), _NOTE_MODE) as file:
                file.write(text.encode("ascii"))


def makeKeys(folder: str, zone: bytes, algorithm: int, now: float, *, split: bool = False, bits: int = 2048) -> list[KeyFile]:
    """
    Make a key, or two, and write them to the folder before anything is signed with them. They sign from now on.

    @param zone: folded.
    @param split: make a key for the DNSKEY records and one for the rest.

    @raise BadKey: a key that is there cannot be used.
    @raise StorageFault: they cannot be written.
    @raise OSError: the folder cannot be made.
    """
    if not os.path.isdir(folder):
        os.mkdir(folder, _MODE)
    tags = [file.key.tag for file in loadKeys(folder, zone)]
    made: list[KeyFile] = []
    for flags in (_ENTRY, _REST) if split else (_ENTRY,):
        made.append(makeKey(folder, zone, algorithm, flags, now, tags, bits=bits))
        tags.append(made[-1].key.tag)
    return made


def makeKey(
    folder: str, zone: bytes, algorithm: int, flags: int, now: float, avoid: Collection[int], *, bits: int = 2048
) -> KeyFile:
    """
    Make one key, and write it.

    @param avoid: the tags of other keys.

    @raise StorageFault: it cannot be written.
    """
    key = newKey(algorithm, flags, bits=bits, avoid=avoid)
    file = KeyFile(zone, key, dict.fromkeys(("Created", "Publish", "Activate"), int(now)), {}, None)
    saveKey(file, folder)
    return file


def stateOf(file: KeyFile, now: float) -> str:
    """
    Return what a key does at a time by the times in its file: C{signs}, C{is published only}, or C{""} if it is not in the zone.
    """
    if not _isWithin(file, "Publish", "Delete", now):
        return ""
    return "signs" if _isWithin(file, "Activate", "Inactive", now) else "is published only"


def _isWithin(file: KeyFile, begin: str, end: str, now: float) -> bool:
    return file.times.get(begin, 0) <= now and not (end in file.times and file.times[end] <= now)


def _times(file: KeyFile) -> str:
    said = ["revoked"] if file.key.flags & REVOKED else []
    said += [f"{name} {dateFromSeconds(file.times[name])}" for name in _TIMES if name in file.times]
    return f" ({', '.join(said)})" if said else ""
