"""
Convert names between twisted.names and the wire form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Final, TypeVar, cast

from mypy_extensions import mypyc_attr
from twisted.names.dns import Name, Query

from twisted_ext.wire.names import ROOT, labelsOf, nameFromText, nameToText

__all__ = ["ExactName", "emptyOf", "expectName", "nameOf", "newName", "plainTexts", "queryOf", "wireFromName"]

#: Names cached in Twisted's form, so that equal ones share their octets.
_NAMES_REMEMBERED: Final = 4096

_T = TypeVar("_T")


@mypyc_attr(native_class=False)
class ExactName(Name):
    """
    A name that L{Name<twisted.names.dns.Name>} cannot represent: a label contains a dot, or unprintable octets.

    @ivar name: the name with escapes (RFC 1035, section 5.1), which every look-up of this package accepts.
    @ivar wire: the name in wire form.
    """

    def __init__(self, wire: bytes) -> None:
        super().__init__(nameToText(wire, final=False).encode("ascii"))
        self.wire = wire

    def encode(self, strio: BytesIO, compDict: dict[bytes, int] | None = None) -> None:
        strio.write(self.wire)


@mypyc_attr(native_class=False)
class RootName(Name):
    """
    The root, which records use for "no target". Applications compare it with C{dns.Name(b".")}, which Twisted's own root, whose text is
    empty, does not equal.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and other.name in (b"", b".")

    def __hash__(self) -> int:
        return hash(self.name)


def emptyOf(kind: type[_T]) -> Callable[[], _T]:
    """
    Return a function that creates an object without calling its constructor, whose checks were made when the reply was parsed.
    """
    return cast("Callable[[], _T]", partial(object.__new__, kind))


newName: Final = emptyOf(Name)

#: Maps uncompressed names to the text of a L{Name<twisted.names.dns.Name>}. Names that need an L{ExactName} are never in it.
plainTexts: dict[bytes, bytes] = {ROOT: b""}
_mostTexts: Final = _NAMES_REMEMBERED

#: Octets that are unambiguous in a L{Name<twisted.names.dns.Name>}.
_PLAIN: Final = bytes(set(range(0x21, 0x7F)) - set(b".\\"))

_PLAIN_AND_DOT: Final = _PLAIN + b"."


def nameOf(wire: bytes) -> Name:
    """
    Return an uncompressed name as twisted.names has it: with dots between labels, none at the end.
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
    return name


def queryOf(name: bytes, rrType: int, rrClass: int) -> Query:
    query = Query(b"", rrType, rrClass)
    query.name = nameOf(name)
    return query


def expectName(wire: bytes, text: bytes) -> bool | None:
    """
    Cache the text that a name was parsed from, as a server will soon send it back.

    @return: whether the text has a final dot; L{None} if it is empty or contains characters that cannot be cached.
    """
    # Without escapes, labels contain no dots.
    if not text or text.translate(None, _PLAIN_AND_DOT):
        return None
    absolute = text.endswith(b".")
    if len(plainTexts) >= _mostTexts:
        plainTexts.clear()
    plainTexts[wire] = text[:-1] if absolute else text
    return absolute


def wireFromName(name: Name) -> bytes:
    """
    Return a Twisted name in uncompressed wire form. Escapes are decoded: a caller may take the text of an L{ExactName} and must get the
    same name back.

    @raise BadName: a label is empty or too long, or the name is too long.
    """
    if isinstance(name, ExactName):
        return name.wire
    text = name.name
    return nameFromText(text) if text else ROOT
