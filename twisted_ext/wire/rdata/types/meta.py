"""
Record types that belong to a single message: OPT, TSIG, TKEY.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.limits import EDNS_OPTIONS
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.escapes import fromBase64, toBase64
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, takeOctets
from twisted_ext.wire.rdata.times import Time
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["OPT", "TKEY", "TSIG"]


class _Options(Field[tuple[tuple[int, bytes], ...]]):
    """
    Options as C{(code, octets)} up to the end of the rdata.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[tuple[int, bytes], ...], int]:
        options: list[tuple[int, bytes]] = []
        while position < len(data):
            if len(options) >= EDNS_OPTIONS.default:
                raise BadMessage(f"more than {EDNS_OPTIONS.default:.0f} options")
            head = takeOctets(data, position, 4)
            octets = takeOctets(data, position + 4, head[2] << 8 | head[3])
            options.append((head[0] << 8 | head[1], octets))
            position += 4 + len(octets)
        return tuple(options), position

    def write(self, value: Iterable[tuple[int, bytes]], before: Sequence[object]) -> bytes:
        parts: list[bytes] = []
        for code, octets in value:
            if not 0 <= code <= 0xFFFF or len(octets) > 0xFFFF:
                raise badRecord(f"option {code!r} is not valid")
            parts.append(code.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets)
        return b"".join(parts)

    def toText(self, value: Iterable[tuple[int, bytes]], before: Sequence[object]) -> None:
        return None

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[tuple[int, bytes], ...]:
        expected = "\\#, the number of octets, and these in hex,"
        raise tokens.bad(tokens.take(expected), expected)


class OPT(Rdata):
    """
    The options of EDNS (RFC 6891); L{twisted_ext.wire.message} reads the whole record, whose class and TTL have other meanings.
    """

    options = _Options()


#: Errors of TSIG and TKEY by name. 16 is BADSIG here and BADVERS in OPT (RFC 8945, section 3; RFC 6891, section 9).
_ERRORS: Final = {code.name: code.value for code in Rcode if code is not Rcode.BADVERS} | {"BADSIG": 16}


class _Sized(Field[bytes]):
    """
    Octets preceded by their length, in base 64 as text; just the length if it is zero.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        head = takeOctets(data, position, 2)
        octets = takeOctets(data, position + 2, head[0] << 8 | head[1])
        return octets, position + 2 + len(octets)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        if not isinstance(value, bytes) or len(value) > 0xFFFF:
            raise badRecord(f"{self.expected()} is {value!r:.60}; up to 65535 octets were expected")
        return len(value).to_bytes(2, "big") + value

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        expected = f"{self.expected()}, the number of octets and these in base 64,"
        text = tokens.take(expected)
        if text == "0":
            return b""
        octets = tokens.parsed(expected, fromBase64)
        if str(len(octets)) != text:
            raise badRecord(f"{len(octets)} octets where {text[:10]} were announced", tokens.column)
        return octets

    def extent(self, data: bytes, position: int, end: int) -> int:
        return position + 2 + int.from_bytes(data[position : position + 2], "big")

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return f"{len(value)} {toBase64(value)}" if value else "0"


class TSIG(Rdata):
    """
    The authenticator of a message (RFC 8945); L{twisted_ext.wire.tsig} makes and checks it.

    @ivar signed: when the message was signed, in seconds since 1970.
    @ivar other: the server's time if the error is BADTIME.
    """

    algorithm = Name(expanded=True)
    signed = Number(6)
    fudge = Number()
    mac = _Sized()
    originalId = Number()
    error = Number(2, _ERRORS, named=True)
    other = _Sized()


class TKEY(Rdata):
    """
    Establishes a key (RFC 2930, section 2).
    """

    algorithm = Name()
    inception = Time()
    expiration = Time()
    mode = Number()
    error = Number(2, _ERRORS, named=True)
    key = _Sized()
    other = _Sized()
