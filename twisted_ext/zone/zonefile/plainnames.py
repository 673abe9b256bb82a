"""
Converts plain names in master files, whose labels have no escapes, to wire format.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.wire.names import MOST_OCTETS, ROOT, isBelow, nameToText

__all__ = ["LENGTHS", "PlainNames"]

#: The length octet of a label by its length; other lengths raise L{LookupError}.
LENGTHS: Final = {number: bytes([number]) for number in range(1, 64)}

#: Characters of plain names besides letters and digits.
_BESIDE: Final = b"-_*/."

#: A dot, as the number of its octet: looking for a number takes a fifth of the time that looking for octets takes.
_DOT: Final = 0x2E

_PLAIN: Final = re.compile(rb"(?:[A-Za-z0-9_*/-]{1,63}\.)*[A-Za-z0-9_*/-]{1,63}\.?")

#: Names that are cached; files with more of them are only slower.
_REMEMBERED: Final = 32_768

#: Length of the origin up to which any owner of one label is a valid name.
_ROOMY: Final = 190


class PlainNames:
    """
    The names of one zone's master file, relative to the current origin.

    @ivar apexName: the zone's name, as given.
    @ivar apex: the same, folded.
    @ivar origin: the origin to which names without a final dot are relative.
    @ivar suffix: the zone's name with dots around it, which ends absolute owners directly below the apex.
    @ivar under: the suffix of relative owners below the apex if the origin is above it.
    @ivar tail: the origin's labels above the apex; L{None} if it is outside of the zone.
    @ivar cached: cached names by word, for the current origin.
    """

    __slots__ = ("apexName", "apex", "origin", "suffix", "under", "tail", "cached")

    def __init__(self, apex: bytes) -> None:
        self.apexName, self.apex = apex, apex.lower()
        self.suffix = b"." if apex == ROOT else b"." + nameToText(apex).encode("ascii")
        self.under = b""
        self.tail: bytes | None = None
        self.cached: dict[bytes, bytes] = {}
        self.origin = b""
        self.follow(apex)

    def follow(self, origin: bytes) -> None:
        """
        Set the origin.
        """
        if origin == self.origin:
            return
        self.origin = origin
        folded = origin.lower()
        self.tail = origin[: len(origin) - len(self.apex)] if isBelow(folded, self.apex) else None
        self.under = b""
        if self.tail is None and isBelow(self.apex, folded):
            # As in "$ORIGIN .", with all names written to their last label and without its dot.
            self.under = self.suffix[: -1 if origin == ROOT else -len(nameToText(origin)) - 1]
        self.cached.clear()
        self.cached[b"."] = b"\x00"
        self.cached[b"@"] = self.origin

    def roomyTail(self) -> bytes | None:
        """
        Return the origin's labels above the apex, if every owner of one label is a valid name in the zone.
        """
        return self.tail if len(self.origin) <= _ROOMY else None

    def labels(self, word: bytes) -> bytes | None:
        """
        Return the owner's labels above the apex, or L{None} if it is outside of the zone.

        @raise ValueError: the word is not a plain name; L{LookupError} is raised for that as well.
        """
        if word.endswith(self.suffix):
            labels = _wire(word[: -len(self.suffix)])
        elif self.under and word.endswith(self.under):
            labels = _wire(word[: -len(self.under)])
        elif self.tail is None or word[-1:] in (b".", b"@"):
            name = self.name(word)
            return name[: len(name) - len(self.apex)] if isBelow(name.lower(), self.apex) else None
        else:
            labels = _wire(word) + self.tail
        return labels if len(labels) + len(self.apex) <= MOST_OCTETS else None

    def name(self, word: bytes) -> bytes:
        """
        @raise ValueError: the word is not a plain name; L{LookupError} is raised for that as well.
        """
        name = self.cached.get(word)
        if name is not None:
            return name
        if word[-1] != _DOT:
            name = _wire(word) + self.origin
        elif word.endswith(self.suffix):
            name = _wire(word[: -len(self.suffix)]) + self.apexName
        else:
            name = _wire(word[:-1]) + b"\x00"
        if len(name) > MOST_OCTETS:
            raise ValueError(word)
        if len(self.cached) >= _REMEMBERED:
            self.cached.clear()
        self.cached[word] = name
        return name


def _wire(text: bytes) -> bytes:
    """
    @param text: labels without a final dot.

    @raise ValueError: a label is not plain; L{LookupError} is raised for one that is empty or too long.
    """
    if not text.isalnum() and not text.translate(None, _BESIDE).isalnum() and not _PLAIN.fullmatch(text):
        raise ValueError(text)
    if _DOT not in text:
        return LENGTHS[len(text)] + text
    first, _, others = text.partition(b".")
    if _DOT in others:
        return b"".join([LENGTHS[len(label)] + label for label in text.split(b".")])
    return LENGTHS[len(first)] + first + LENGTHS[len(others)] + others
