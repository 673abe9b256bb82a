"""
The keys of a zone in a folder: which sign at a time, and new ones.
"""

from __future__ import annotations

import os
from typing import Final

from twisted_ext.dnssec.keys import REVOKED
from twisted_ext.dnssec.sign.keyfiles import KeyFile
from twisted_ext.dnssec.sign.keyfolder import loadKeys, saveKey
from twisted_ext.dnssec.sign.keys import PrivateKey, badKey, newKey
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.times import dateFromSeconds

__all__ = ["Keyring", "makeKeys", "stateOf"]

#: Flags of a key that signs DNSKEY records, or everything; and of one that signs the rest.
_ENTRY: Final = 257
_REST: Final = 256

#: Only the signer reads the folder.
_MODE: Final = 0o700

#: The times in a file that say what a key does, in the order in which they come.
_TIMES: Final = ("Publish", "Activate", "Inactive", "Delete")


class Keyring:
    """
    The keys of a zone.

    @ivar active: those that sign.
    @ivar published: the DNSKEY records of those that are only published.
    """

    __slots__ = ("active", "published")

    def __init__(self, folder: str, zone: bytes, now: float) -> None:
        """
        Read the keys. The times in their files say from when until when a key is in the zone (C{Publish} to C{Delete}), and signs
        (C{Activate} to C{Inactive}).

        @param folder: may be missing.
        @param zone: folded.
        @param now: seconds since 1970.

        @raise BadKey: a key cannot be used, or there are some and none signs; a revoked one signs the DNSKEY records only.
        """
        self.active: list[PrivateKey] = []
        self.published: list[bytes] = []
        if not os.path.isdir(folder):
            return
        files = loadKeys(folder, zone)
        for file in files:
            state = stateOf(file, now)
            if state == "signs":
                self.active.append(file.key)
            elif state:
                self.published.append(file.key.dnskey)
        if files and all(key.flags & REVOKED for key in self.active):
            said = ", ".join([f"{file.key.tag}{_times(file)}" for file in files])
            raise badKey(folder, f"there are keys of {nameToText(zone)}, but none of them signs now: {said}")


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
        key = newKey(algorithm, flags, bits=bits, avoid=tags)
        tags.append(key.tag)
        file = KeyFile(zone, key, dict.fromkeys(("Created", "Publish", "Activate"), int(now)), {}, None)
        saveKey(file, folder)
        made.append(file)
    return made


def stateOf(file: KeyFile, now: float) -> str:
    """
    Return what a key does at a time: C{signs}, C{is published only}, or C{""} if it is not in the zone.
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
