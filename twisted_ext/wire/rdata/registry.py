"""
Map record types to their declarations. The module of a type is imported when the rdata of such a record is first needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from twisted_ext.wire.rrtypes import AAAA, CNAME, NS, PTR, A, moduleOf

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.fields import Rdata
    from twisted_ext.wire.records import Layout

__all__ = ["layoutOf", "declarationOf", "rdataFromWire", "rdataFromText", "rdataToText", "canonicalRdata"]

#: The layouts of frequent types. To import their declarations would delay the first look-up by some milliseconds.
_USUAL: Final[dict[int, Layout]] = {A: 4, AAAA: 16, NS: (0, 1, 0), CNAME: (0, 1, 0), PTR: (0, 1, 0)}


def declarationOf(rrType: int) -> type[Rdata]:
    """
    Return the rdata class of a type; L{Unknown<twisted_ext.wire.rdata.fieldtypes.Unknown>} for types without a declaration (RFC 3597).
    """
    from twisted_ext.wire.rdata.fields import declared

    found = declared.get(rrType)
    if found is None:
        module = moduleOf(rrType)
        if module is None:
            from twisted_ext.wire.rdata.fieldtypes import Unknown

            return Unknown
        import_module(module)
        found = declared[rrType]
    return found


def layoutOf(rrType: int) -> Layout:
    """
    Return the layout that readers need to expand names in the rdata.
    """
    layout = _USUAL.get(rrType)
    return declarationOf(rrType).layout() if layout is None else layout


def rdataFromWire(rrType: int, rdata: bytes) -> Rdata:
    """
    Parse rdata in wire format.

    @param rdata: without compression, as in L{RRSet<twisted_ext.wire.records.RRSet>}.

    @raise BadMessage: the octets are not valid for this type.
    """
    return declarationOf(rrType).fromWire(rdata)


def rdataFromText(rrType: int, text: str, origin: bytes | None = None) -> bytes:
    """
    Convert rdata in the format of master files to wire format.

    @param text: the rdata as in a master file, or in the generic format of RFC 3597, section 5.
    @param origin: the origin of names without a final dot; L{None} treats all names as absolute.

    @return: the rdata without compression.

    @raise BadRecord: the text is not valid; has the column, and what was expected there.
    """
    return declarationOf(rrType).fromText(text, origin).wire


def rdataToText(rrType: int, rdata: bytes) -> str:
    """
    Format rdata as in a master file, in one line. The generic format of RFC 3597, section 5, is used for unknown types, for types without
    another format, and for octets that are not valid for the type.
    """
    from twisted_ext.errors import BadMessage

    try:
        return declarationOf(rrType).fromWire(rdata).toText()
    except BadMessage:
        from twisted_ext.wire.rdata.fields import genericText

        return genericText(rdata)


def canonicalRdata(rrType: int, rdata: bytes) -> bytes:
    """
    Convert rdata to canonical form (RFC 4034, section 6.2; RFC 6840, section 5.1).

    @raise BadMessage: the octets are not valid for this type.
    """
    return declarationOf(rrType).fromWire(rdata).canonical()
