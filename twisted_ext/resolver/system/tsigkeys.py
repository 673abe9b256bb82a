"""
Files of TSIG keys: one key per line, C{algorithm:name:secret} or C{name:secret}, or in the form that C{tsig-keygen} and C{ddns-confgen}
write: C{key "name" { algorithm hmac-sha256; secret "..."; };}
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow
from twisted_ext.wire.tsig import Key

__all__ = ["readKeys"]

#: Octets of a TSIG key file.
_KEY_FILE_OCTETS: Final = 1 << 20

_CLAUSE: Final = re.compile(
    r'key\s+"?(?P<name>[^\s"{;]+)"?\s*\{(?P<body>[^{}]*)\}\s*;?|(?P<line>[^\s{}#;]+)|#[^\n]*|//[^\n]*|\s+', re.ASCII
)
_ALGORITHM: Final = re.compile(r'\balgorithm\s+"?([^\s";]+)"?\s*;')
_SECRET: Final = re.compile(r'\bsecret\s+"?([^\s";]+)"?\s*;')


def readKeys(path: str) -> tuple[list[Key], str]:
    """
    Read a key file.

    @return: the keys, and a warning that every user of this machine can read them, C{""} if not.

    @raise BadDescription: the file cannot be read, is writable by every user, or contains something else than keys.
    """
    try:
        with open(path, "rb", opener=openNow) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = (file.read(_KEY_FILE_OCTETS + 1) or b"").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadDescription(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(text) > _KEY_FILE_OCTETS:
        raise BadDescription(f"{path} is too large for a file of keys")
    if mode & stat.S_IWOTH and stat.S_ISREG(mode):
        raise BadDescription(f"{path}: every user of this machine can write to it, and so choose the keys: chmod 640 {path}")
    try:
        keys = [Key.fromText(each) for each in _written(text)]
    except BadDescription as fault:
        raise BadDescription(f"{path}: {fault}") from None
    if not (mode & stat.S_IROTH and keys):
        return keys, ""
    return keys, f"{path}: every user of this machine can read the secrets in it (mode {mode & 0o777:o}): chmod 640 {path}"


def _written(text: str) -> Iterator[str]:
    """
    Convert the content of a key file to C{algorithm:name:secret} texts.
    """
    position = 0
    while position < len(text):
        found = _CLAUSE.match(text, position)
        if found is None:
            line = text.count("\n", 0, position) + 1
            raise BadDescription(f'line {line}: write name:secret, or key "name" {{ algorithm ...; secret ...; }};')
        position = found.end()
        if found["line"]:
            yield found["line"]
        elif found["name"]:
            algorithm, secret = _ALGORITHM.search(found["body"]), _SECRET.search(found["body"])
            if secret is None:
                raise BadDescription(f"key {found['name']!r} has no secret")
            yield f"{algorithm[1].rstrip('.') if algorithm else 'hmac-sha256'}:{found['name']}:{secret[1]}"
