"""
What commands for keys have in common.
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
from twisted_ext.wire.rrtypes import DS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted_ext.dnssec.privatekeys.keys import PrivateKey

__all__ = ["ALGORITHM", "SPLIT", "dsText", "keyErrors", "keysAt", "roleOf"]

#: The suffix of the file of a key that keys are found by, and all that may follow the name of a key.
_PRIVATE: Final = ".private"
_SUFFIXES: Final = (_PRIVATE, ".key", ".state", ".")

#: How many folders deep keys are looked for in a folder.
_DEEPEST: Final = 2

#: Algorithms that sign.
_ALGORITHMS: Final = (ECDSA_P256, ED25519, ECDSA_P384, ED448, RSASHA256)


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


def keysAt(path: str) -> list[str]:
    """
    Return the paths of keys, without suffix, for L{loadKey<twisted_ext.dnssec.privatekeys.keyfolder.loadKey>}.

    @param path: the name of one key, also with the suffix of one of its files or the dot where they part, which a shell completes; or a
        folder. Of a folder without keys, those in the folders below are returned: the state of a server has C{signing}, and there a folder
        for each zone.

    @raise OSError: a folder cannot be read.
    @raise ExitError: there are none.
    """
    if not os.path.isdir(path):
        base = next((path.removesuffix(suffix) for suffix in _SUFFIXES if path.endswith(suffix)), path)
        if not os.path.lexists(path) and not os.path.lexists(base + _PRIVATE):
            raise ExitError(BATCH, f"{path}: No such file or directory")
        return [base]
    found = _keysBelow(path, _DEEPEST)
    if not found:
        raise ExitError(BATCH, f"{path}: there is no key, nor in folders below it; one is a file such as Kexample.org.+013+44703.private")
    return found


def _keysBelow(folder: str, deepest: int) -> list[str]:
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda each: each.name)
    found = [each.path.removesuffix(_PRIVATE) for each in inside if each.name.startswith("K") and each.name.endswith(_PRIVATE)]
    if not found and deepest:
        found = [path for each in inside if each.is_dir() for path in _keysBelow(each.path, deepest - 1)]
    return found


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
