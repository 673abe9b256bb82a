"""
A minimal reader that splits master files into records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from twisted_ext.wire.names import nameFromText

__all__ = ["entries", "octetsEscaped", "records"]

_HIDDEN: Final = re.compile(r'"(?:[^"\\\n]|\\.|\n(?!@))*"|\\.', re.DOTALL)


def entries(text: str) -> Iterator[str]:
    """
    Return the text of each entry, those in parentheses with all of their lines.
    """
    entry, depth = "", 0
    for line in text.split("\n"):
        bare = _HIDDEN.sub(lambda match: "x" * len(match[0]), line)
        comment = bare.find(";")
        if comment >= 0:
            bare, line = bare[:comment], line[:comment]
        depth += bare.count("(") - bare.count(")")
        entry += line + "\n"
        if depth <= 0:
            if entry.strip():
                yield entry
            entry, depth = "", 0


def octetsEscaped(octets: bytes) -> str:
    """
    Return text in which octets beyond ASCII are escaped, as in names of any octets.
    """
    return "".join([chr(octet) if octet < 128 else f"\\{octet:03d}" for octet in octets])


def records(text: str, origin: bytes = b"\x00") -> Iterator[tuple[str, bytes, int]]:
    """
    Return the text of each record with its owner, and the origin and the TTL that apply to it.

    @param origin: the origin until the text changes it.
    """
    ttl, owner = 0, "."
    for entry in entries(text):
        words = entry.split()
        if words[0] == "$ORIGIN":
            origin = nameFromText(words[1], origin)
        elif words[0] == "$TTL":
            ttl = int(words[1])
        else:
            if entry[0] in " \t":
                entry = owner + entry
            else:
                owner = words[0]
            yield entry, origin, ttl
