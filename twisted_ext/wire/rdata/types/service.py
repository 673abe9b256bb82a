"""
Record types that locate services, or name the authorities that may issue certificates for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import quoted
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, Text
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["CAA", "NAPTR", "SRV", "URI"]


class SRV(Rdata):
    """
    The location of a service (RFC 2782); the root as target means that the service is not available.
    """

    priority = Number()
    weight = Number()
    port = Number()
    target = Name(expanded=True, folded=True)


class NAPTR(Rdata):
    """
    A rewriting rule from one name to another, or to a URI (RFC 3403, section 4).
    """

    order = Number()
    preference = Number()
    flags = Text()
    services = Text()
    regexp = Text()
    replacement = Name(expanded=True, folded=True)


class _LongText(Field[bytes]):
    """
    One string up to the end of the rdata, without a length prefix.
    """

    def __init__(self, least: int = 0) -> None:
        self.least = least

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        taken = data[position:]
        if len(taken) < self.least:
            raise BadMessage("nothing is left for it")
        return taken, len(data)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        if not isinstance(value, bytes) or len(value) < self.least:
            raise badRecord(f"{self.expected()} is {value!r:.60}; {self.least} octets or more were expected")
        return value

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        octets = tokens.octets(f"{self.expected()}, a string,")
        if len(octets) < self.least:
            raise badRecord(f"{self.expected()} is empty", tokens.column)
        return octets

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return quoted(value)


class URI(Rdata):
    """
    A URI for the name (RFC 7553).
    """

    priority = Number()
    weight = Number()
    target = _LongText(1)


class _Tag(Text):
    """
    One or more ASCII letters and digits, written without quotes.
    """

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        tag = super().fromText(tokens, before)
        if not tag.isalnum():
            raise tokens.bad(tag.decode("latin-1"), f"{self.expected()}, letters and digits,")
        return tag

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return value.decode("ascii")


class CAA(Rdata):
    """
    The certification authorities that may issue certificates for the domain (RFC 8659).
    """

    flags = Number(1)
    tag = _Tag()
    value = _LongText()

    @property
    def critical(self) -> bool:
        """
        Whether an issuer that does not understand the tag must not issue (RFC 8659, section 4.1).
        """
        return bool(self.flags & 0x80)

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        tag = cast(bytes, values[1])
        return "" if tag.isalnum() else "the tag is not made of letters and digits"
