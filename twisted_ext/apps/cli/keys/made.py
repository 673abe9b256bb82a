"""
Keys in a folder: which there are, and new ones.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Option, flag
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError
from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED448, ED25519, RSASHA256, algorithmName
from twisted_ext.errors import BadDescription, BadKey, StorageFault
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.times import dateFromSeconds
from twisted_ext.wire.rrtypes import DS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted_ext.dnssec.sign.keyfiles import KeyFile
    from twisted_ext.dnssec.sign.keys import PrivateKey

__all__ = ["ALGORITHM", "SPLIT", "activeKeys", "dsText", "keyErrors", "makeKeys", "roleOf", "stateOf"]

#: Algorithms that sign.
_ALGORITHMS: Final = (ECDSA_P256, ED25519, ECDSA_P384, ED448, RSASHA256)

#: Flags of a key that signs keys, or everything; and of one that signs the rest.
_ENTRY: Final = 257
_REST: Final = 256


def _algorithm(text: str) -> int:
    for each in _ALGORITHMS:
        if text.lower() in (str(each), algorithmName(each).lower()):
            return each
    known = ", ".join([algorithmName(each).lower() for each in _ALGORITHMS])
    raise BadDescription(f"{text!r} is not an algorithm that signs here; write one of {known}")


ALGORITHM: Final = Option(
    "--algorithm NAME",
    "the algorithm of new keys; ecdsap256sha256 by default",
    ECDSA_P256,
    _algorithm,
    also="-a",
    what="an algorithm",
    words=[algorithmName(each).lower() for each in _ALGORITHMS],
)

SPLIT: Final = flag("--split", "make two new keys, one for the DNSKEY records and one for the rest, in place of one for all")


def roleOf(key: PrivateKey, split: bool) -> str:
    """
    Return what a key is, and what it signs.
    """
    what = "the DNSKEY records" if split and key.flags & 1 else "all records but those" if split else "all records"
    return f"{algorithmName(key.algorithm)}, for {what}"


def dsText(apex: bytes, key: PrivateKey, digest: int = 2) -> str:
    """
    Return the DS record that leads to a key.
    """
    return f"{nameToText(apex)} IN DS {rdataToText(DS, key.ds(apex, digest))}"


def activeKeys(folder: str, apex: bytes, now: float) -> tuple[list[PrivateKey], list[bytes]]:
    """
    Return the keys that sign at a time, by the times in their files, and the DNSKEY records of those that are only published.

    @raise ExitError: there are keys, but none signs.
    """
    from twisted_ext.dnssec.sign.keyfolder import loadKeys

    if not os.path.isdir(folder):
        return [], []
    with keyErrors(folder):
        files = loadKeys(folder, apex)
    active: list[PrivateKey] = []
    published: list[bytes] = []
    for file in files:
        if _isWithin(file, "Publish", "Delete", now):
            if _isWithin(file, "Activate", "Inactive", now):
                active.append(file.key)
            else:
                published.append(file.key.dnskey)
    if files and not active:
        said = ", ".join([f"{file.key.tag}{_times(file)}" for file in files])
        raise ExitError(BATCH, f"{folder}: of {nameToText(apex)} there are keys, but none signs now: {said}")
    return active, published


def stateOf(file: KeyFile, now: float) -> str:
    """
    Return what a key does at a time, by the times in its file.
    """
    if not _isWithin(file, "Publish", "Delete", now):
        return "not in the zone"
    return "signs" if _isWithin(file, "Activate", "Inactive", now) else "is published only"


def _isWithin(file: KeyFile, begin: str, end: str, now: float) -> bool:
    return file.times.get(begin, 0) <= now and not (end in file.times and file.times[end] <= now)


def _times(file: KeyFile) -> str:
    said = [f"{name} {dateFromSeconds(file.times[name])}" for name in ("Publish", "Activate", "Inactive", "Delete") if name in file.times]
    return f" ({', '.join(said)})" if said else ""


def makeKeys(folder: str, apex: bytes, algorithm: int, split: bool, now: float, bits: int = 2048) -> Iterator[KeyFile]:
    """
    Make keys, and write them to the folder before anything is signed with them.

    @raise ExitError: they cannot be written.
    """
    from twisted_ext.dnssec.sign.keyfiles import KeyFile
    from twisted_ext.dnssec.sign.keyfolder import loadKeys, saveKey
    from twisted_ext.dnssec.sign.keys import newKey

    with keyErrors(folder):
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
        tags = [file.key.tag for file in loadKeys(folder, apex)]
        for flags in (_ENTRY, _REST) if split else (_ENTRY,):
            key = newKey(algorithm, flags, bits=bits, avoid=tags)
            tags.append(key.tag)
            times = dict.fromkeys(("Created", "Publish", "Activate"), int(now))
            file = KeyFile(apex, key, times, {}, None)
            saveKey(file, folder)
            yield file


@contextmanager
def keyErrors(folder: str) -> Iterator[None]:
    """
    Report what is wrong with keys, or with their files, with an L{ExitError}.
    """
    try:
        yield
    except (BadKey, StorageFault) as fault:
        raise ExitError(BATCH, str(fault)) from None
    except OSError as error:
        raise ExitError(BATCH, f"{error.filename or folder}: {error.strerror or error}") from error
