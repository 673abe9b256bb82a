"""
Convert names between Twisted's form and ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Final, Protocol, cast

from twisted.names import dns

from twisted_ext.limits import NAMES_REMEMBERED
from twisted_ext.wire.names import ROOT, labelsOf, nameFromText, nameToText

__all__ = ["ExactName", "RootName", "expectName", "nameOf", "newName", "plainTexts", "wireFromName"]


class ExactName(dns.Name):
    """
    A name that L{dns.Name} would lose: with a label that holds a dot, or octets that are no printable characters.

    @ivar name: the name with escapes (RFC 1035, section 5.1), as every look-up of this package takes it.
    @ivar wire: its octets.
    """

    def __init__(self, wire: bytes) -> None:
        super().__init__(nameToText(wire, final=False).encode("ascii"))
        self.wire = wire

    def encode(self, strio: BytesIO, compDict: dict[bytes, int] | None = None) -> None:
        """
        Write the name, uncompressed.
        """
        strio.write(self.wire)


class RootName(dns.Name):
    """
    The root, by which a record says that it has no target. Programs look for C{dns.Name(b".")}, which Twisted's own root, whose text
    is empty, does not equal.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dns.Name) and other.name in (b"", b".")

    def __hash__(self) -> int:
        return hash(self.name)


class _Name(Protocol):
    """
    A name in the making.
    """

    name: bytes


newName: Final = cast("Callable[[], _Name]", partial(object.__new__, dns.Name))

#: Uncompressed names and what Twisted makes of them. Names with odd octets are never among them.
plainTexts: dict[bytes, bytes] = {ROOT: b""}
_mostTexts: Final = int(NAMES_REMEMBERED.default)

#: Octets that may stand in a L{dns.Name} without being mistaken for something else.
_PLAIN: Final = bytes(set(range(0x21, 0x7F)) - set(b".\\"))

_PLAIN_AND_DOT: Final = _PLAIN + b"."


def nameOf(wire: bytes) -> dns.Name:
    """
    @param wire: an uncompressed name.

    @return: the name as Twisted has it: dots between labels, none at the end.
    """
    text = plainTexts.get(wire)
    if not text:
        if wire == ROOT:
            return RootName()
        labels = labelsOf(wire)
        text = b".".join(labels)
        if len(text.translate(None, _PLAIN)) >= max(1, len(labels)):
            return ExactName(wire)
        if len(plainTexts) >= _mostTexts:
            plainTexts.clear()
        plainTexts[wire] = text
    name = newName()
    name.name = text
    return cast(dns.Name, name)


def expectName(wire: bytes, text: bytes) -> bool | None:
    """
    Remember a name that will soon come back from a server, before it does: here the text is at hand already.

    @param text: what C{wire} was read from.

    @return: whether the text has a final dot; L{None} where it is empty, or not plain enough to be remembered.
    """
    # What stands between the dots are the labels, so that no label holds one.
    if not text or text.translate(None, _PLAIN_AND_DOT):
        return None
    absolute = text.endswith(b".")
    if len(plainTexts) >= _mostTexts:
        plainTexts.clear()
    plainTexts[wire] = text[:-1] if absolute else text
    return absolute


def wireFromName(name: dns.Name) -> bytes:
    """
    Return a Twisted name in uncompressed wire form. Escapes are decoded, since callers may extract the text of an L{ExactName} and must
    get the same name back.

    @raise BadName: a label is empty or too long, or the name is.
    """
    if isinstance(name, ExactName):
        return name.wire
    text = name.name
    return nameFromText(text) if text else ROOT
