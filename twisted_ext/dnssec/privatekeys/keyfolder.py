"""
Open the files of private keys, and create them. Other users must not be able to read a key, nor to choose which one signs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from typing import Final

from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, nameOf, namePrefix, readBind, writeBind, writeState
from twisted_ext.dnssec.privatekeys.keys import badKey
from twisted_ext.errors import BadKey, StorageFault
from twisted_ext.files import newFileBeside
from twisted_ext.wire.names import nameToText

__all__ = ["loadKey", "loadKeys", "lockedFolder", "saveKey", "textOf"]

_PRIVATE: Final = ".private"
_PUBLIC: Final = ".key"
_STATE: Final = ".state"

#: Octets of a file. That of the longest key has 3,400.
_MOST_OCTETS: Final = 65_536

#: A link may lead to the file of another zone; a pipe may never end. Not all systems have all of these flags.
_READ: Final = (
    os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)

#: Permissions before the umask is applied.
_SECRET_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o700


@contextmanager
def lockedFolder(folder: str) -> Iterator[None]:
    """
    Keep other processes that use this from a folder, so that two of them do not both make keys for a zone that has none. A missing folder
    is made.

    @raise OSError: it cannot be made, or not be opened.
    """
    with suppress(FileExistsError):
        os.mkdir(folder, _FOLDER_MODE)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def loadKey(path: str) -> KeyFile:
    """
    Read the files of one key.

    @param path: that of the C{.private} file, or the same without suffix.

    @raise BadKey: they cannot be read, are damaged, or other users can read or change them.
    """
    # Raised here, where no variable has the secret: logs of errors may show those of each function on the way.
    loaded = _load(path.removesuffix(_PRIVATE))
    if isinstance(loaded, str):
        raise BadKey(loaded)
    return loaded


def loadKeys(folder: str, zone: bytes) -> list[KeyFile]:
    """
    Read all keys of a zone in a folder.

    @return: the keys by their tags, in ascending order.

    @raise BadKey: the folder or a key cannot be read, a key is of another zone, or two keys have the same tag.
    """
    try:
        names = os.listdir(folder)
    except (OSError, ValueError) as error:
        raise badKey(folder, f"cannot be read: {_said(error, folder)}") from None
    prefix = f"{namePrefix(zone)}+"
    found: dict[int, KeyFile] = {}
    for name in sorted(names):
        if not (name.startswith(prefix) and name.endswith(_PRIVATE)):
            continue
        file = loadKey(os.path.join(folder, name))
        key = file.key
        if file.zone != zone.lower():
            raise badKey(key.source, f"the key is of {nameToText(file.zone, final=False) or '.'}")
        if key.tag in found:
            other = found[key.tag].key.source
            raise badKey(key.source, f"its tag is {key.tag}, as that of {other}; make a new key in place of one of them")
        found[key.tag] = file
    return [found[tag] for tag in sorted(found)]


def _load(base: str) -> KeyFile | str:
    """
    Return a key, or why it cannot be used.
    """
    source = base + _PRIVATE
    try:
        private = textOf(source, secret=True)
        public = textOf(base + _PUBLIC)
        state = textOf(base + _STATE) if os.path.lexists(base + _STATE) else ""
        return readBind(private, public, state, source)
    except BadKey as fault:
        return fault.text


def saveKey(file: KeyFile, folder: str) -> str:
    """
    Write the files of a key. Once this returns, they are on the disk; if it raises, there is none of them.

    @return: the path without suffix.

    @raise StorageFault: one of them exists already, or they cannot be written.
    """
    # Raised here for the same reason as in L{loadKey}.
    base = os.path.join(folder, nameOf(file))
    fault = _save(file, folder, base)
    if fault:
        raise StorageFault(fault)
    return base


def _save(file: KeyFile, folder: str, base: str) -> str:
    """
    Write the files, or none of them, and return why that failed, or C{""}.
    """
    private, public = writeBind(file)
    state = writeState(file)
    # The secret is last, and gets its name when it is complete: a private file that is cut off or without the others, which a crash could
    # leave behind, would be an error at each start.
    parts = [(_PUBLIC, public, _PUBLIC_MODE), *([(_STATE, state, _PUBLIC_MODE)] if state else []), (_PRIVATE, private, _SECRET_MODE)]
    made: list[str] = []
    path = base
    fault, done = "", False
    try:
        for suffix, text, mode in parts:
            path = base + suffix
            descriptor, beside = newFileBeside(path, mode) if suffix == _PRIVATE else (os.open(path, _NEW, mode), path)
            made.append(beside)
            try:
                _write(descriptor, text.encode("ascii"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if beside != path:
                # Unlike a change of its name, this fails if there is such a file.
                os.link(beside, path)
                made.append(path)
                os.unlink(beside)
        path = folder
        _syncFolder(folder)
        done = True
    except FileExistsError:
        fault = "exists already; files of keys are never overwritten"
    except OSError as error:
        fault = f"cannot be written: {error.strerror}"
    finally:
        # Also after an interrupt.
        if not done:
            for each in made:
                with suppress(OSError):
                    os.unlink(each)
    return f"{path}: {fault}" if fault else ""


def _write(descriptor: int, octets: bytes) -> None:
    written = 0
    while written < len(octets):
        written += os.write(descriptor, octets[written:])


def _syncFolder(folder: str) -> None:
    descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def textOf(path: str, secret: bool = False) -> str:
    """
    Return the content of a file, after a check that other users cannot read it, if it is secret, nor change it.

    @raise BadKey: they can, or it cannot be read, or is not text.
    """
    octets, fault = b"", ""
    try:
        descriptor = os.open(path, _READ)
        try:
            fault = _objection(os.fstat(descriptor), secret)
            while not fault and len(octets) <= _MOST_OCTETS:
                more = os.read(descriptor, _MOST_OCTETS + 1 - len(octets))
                if not more:
                    break
                octets += more
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        fault = f"cannot be read: {_said(error, path)}"
    if not fault and len(octets) > _MOST_OCTETS:
        fault = f"it is larger than {_MOST_OCTETS} octets, so it is not a file of keys"
    if not fault and not octets.isascii():
        fault = "it has octets that are not ASCII, so it is not a file of keys"
    if fault:
        raise BadKey(f"{path}: {fault}")
    return octets.decode("ascii")


def _said(error: Exception, path: str) -> str:
    if os.path.islink(path) and not isinstance(error, FileNotFoundError):
        return "it is a link; name the file that it leads to"
    return getattr(error, "strerror", None) or "its name is not valid"


def _objection(found: os.stat_result, secret: bool) -> str:
    """
    Return why a file is not trusted, or C{""}.
    """
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        return "a file was expected, which this is not"
    if found.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {found.st_uid}, who can change it; chown it to user {os.geteuid()}, who signs, or to root"
    if secret and mode & 0o077:
        return f"others may {'read' if mode & 0o044 else 'change'} it (mode {mode:04o}); chmod 600 it"
    if mode & 0o002:
        return f"others may change it (mode {mode:04o}); chmod 644 it"
    return ""
