"""
Rdata in the middle of a message, read as a message is read.
"""

from __future__ import annotations

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.registry import layoutOf, rdataFromWire
from twisted_ext.wire.reader import Reader

__all__ = ["textAt"]


def textAt(rrType: int, data: bytes, offset: int, length: int | None = None) -> str | None:
    """
    Read the rdata at C{offset}, expand the compressed names in it, and parse the result.

    @param length: octets of the rdata. L{None} takes it from the first two octets.
    @return: the rdata as text, or L{None} where it is not valid rdata of this type.
    """
    if length is None:
        length = int.from_bytes(data[offset : offset + 2], "big")
        offset += 2
    end = offset + length
    layout = layoutOf(rrType)
    try:
        if end > len(data):
            return None
        rdata = data[offset:end]
        if isinstance(layout, int) and layout != length:
            return None
        if isinstance(layout, tuple):
            reader = Reader(data)
            before, count, behind = layout
            position = offset + before
            rdata = data[offset:position]
            for _ in range(count):
                name, position = reader.name(position)
                rdata += name
            if position + behind != end:
                return None
            rdata += data[position:end]
        elif callable(layout):
            rdata = layout(Reader(data), offset, end)
        return rdataFromWire(rrType, rdata).toText()
    except BadMessage:
        return None
