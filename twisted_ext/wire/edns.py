"""
The OPT pseudo-record (RFC 6891).
"""

from __future__ import annotations

from struct import pack

from twisted_ext.errors import BadMessage
from twisted_ext.limits import EDNS_OPTIONS
from twisted_ext.wire.codes import DO

__all__ = ["EDNS"]


class EDNS:
    """
    The content of an OPT record.

    @ivar payloadSize: the sender's UDP payload size; below 512 means 512 (RFC 6891, section 6.2.3).
    @ivar extendedRcode: the upper eight bits of the rcode.
    @ivar flags: sixteen bits, the first of which is C{DO}.
    @ivar options: C{(code, octets)} in order; L{twisted_ext.wire.options} converts them to typed values.
    """

    __slots__ = ("payloadSize", "extendedRcode", "version", "flags", "options")

    def __init__(
        self,
        payloadSize: int = 1232,
        flags: int = 0,
        options: tuple[tuple[int, bytes], ...] = (),
        version: int = 0,
        extendedRcode: int = 0,
    ) -> None:
        self.payloadSize = payloadSize
        self.flags = flags
        self.options = options
        self.version = version
        self.extendedRcode = extendedRcode

    @property
    def dnssecOk(self) -> bool:
        """
        Whether DNSSEC records are requested (RFC 3225).
        """
        return bool(self.flags & DO)

    def option(self, code: int) -> bytes | None:
        """
        Return the octets of the first option with this code, or L{None}.
        """
        for each, octets in self.options:
            if each == code:
                return octets
        return None

    @classmethod
    def fromRecord(cls, payloadSize: int, ttl: int, rdata: bytes) -> EDNS:
        """
        @param payloadSize: the record's class field.
        @param ttl: the record's TTL field, all 32 bits.

        @raise BadMessage: an option is truncated, or there are more than L{EDNS_OPTIONS}.
        """
        options: list[tuple[int, bytes]] = []
        if rdata:
            position, end = 0, len(rdata)
            most = EDNS_OPTIONS.default
            while position < end:
                if position + 4 > end:
                    raise BadMessage("an EDNS option is cut off")
                code, length = rdata[position] << 8 | rdata[position + 1], rdata[position + 2] << 8 | rdata[position + 3]
                position += 4
                if position + length > end:
                    raise BadMessage(f"EDNS option {code} extends past the end of its record")
                if len(options) >= most:
                    raise BadMessage(f"more than {most:.0f} EDNS options")
                options.append((code, rdata[position : position + length]))
                position += length
        return EDNS(payloadSize, ttl & 0xFFFF, tuple(options), ttl >> 16 & 0xFF, ttl >> 24)

    def toWire(self) -> bytes:
        rdata = b"".join([pack(">HH", code, len(octets)) + octets for code, octets in self.options])
        ttl = self.extendedRcode << 24 | self.version << 16 | self.flags
        return b"\x00\x00\x29" + pack(">HIH", self.payloadSize, ttl, len(rdata)) + rdata

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EDNS):
            return NotImplemented
        return self.toWire() == other.toWire()

    def __hash__(self) -> int:
        return hash(self.toWire())

    def __repr__(self) -> str:
        return f"<EDNS version={self.version} payloadSize={self.payloadSize} flags={self.flags:#06x} options={len(self.options)}>"
