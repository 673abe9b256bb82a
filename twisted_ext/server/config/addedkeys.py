"""
The TSIG keys that were added while the server runs, in a file of its state that other users cannot read.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import StorageFault
from twisted_ext.files import STATE_FOLDER, replacingFile
from twisted_ext.resolver.system.tsigkeys import readKeys
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.tsig import ALGORITHMS, Key

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["addedKeys", "addedKeysPath", "algorithmOf", "keepKeys"]

#: A file with private keys is read by its owner only.
_MODE: Final = 0o600

_ALGORITHMS: Final = {wire: text for text, wire in ALGORITHMS.items()}


def addedKeysPath(settings: Settings) -> str:
    """
    Return the path of the file; C{""} without a folder for the state.
    """
    folder = settings.stateFolder()
    return f"{folder}/added.keys" if folder else ""


def addedKeys(settings: Settings) -> list[Key]:
    """
    Read the keys.

    @raise BadDescription: the file is not valid.
    """
    path = addedKeysPath(settings)
    return readKeys(path)[0] if path and os.path.exists(path) else []


def keepKeys(path: str, keys: Iterable[Key]) -> None:
    """
    Write the keys.

    @raise StorageFault: they cannot be written.
    """
    lines = [f"{algorithmOf(key)}:{nameToText(key.name, final=False)}:{b64encode(key.secret).decode('ascii')}\n" for key in keys]
    try:
        os.makedirs(os.path.dirname(path), STATE_FOLDER, exist_ok=True)
        with replacingFile(path, _MODE) as file:
            file.writelines([line.encode() for line in lines])
    except OSError as error:
        raise StorageFault(f"{path}: {error.strerror or error}") from None


def algorithmOf(key: Key) -> str:
    return _ALGORITHMS[key.algorithm]
