"""
Names in the lines of lists, and parts of lines in errors.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.errors import BadName
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["nameIn", "shownPart"]

_CHARACTERS: Final = re.compile(rb"[a-z0-9_.-]+")

_ADDRESS: Final = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3}")


def nameIn(text: bytes) -> bytes:
    """
    Return a name, lower case with dots between labels.

    @param text: the name, in UTF-8 if it is not in ASCII.

    @raise ValueError: it is not a name.
    """
    try:
        wire = nameFromText(text) if text.isascii() else nameFromText(text.decode("utf-8"))
    except (BadName, UnicodeDecodeError):
        raise ValueError(f"{shownPart(text)} is not a domain name") from None
    name = nameToText(wire.lower()).removesuffix(".").encode("ascii")
    if not name or not _CHARACTERS.fullmatch(name):
        raise ValueError(f"{shownPart(text)} is not a domain name")
    if _ADDRESS.fullmatch(name):
        raise ValueError(f"{shownPart(text)} is an address, not a domain name")
    return name


def shownPart(text: bytes) -> str:
    """
    Return the beginning of a line, or of a part of it, in quotation marks.
    """
    return repr(text[:60].decode("utf-8", "backslashreplace"))
