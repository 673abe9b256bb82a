"""
The WKS record type: the well-known services of a host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.bitmaps import bitmapOf, bitsIn
from twisted_ext.wire.rdata.fields import Field, Rdata, genericText
from twisted_ext.wire.rdata.fieldtypes import Number
from twisted_ext.wire.rdata.types.address import Address4
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["WKS"]

#: Mnemonics of WKS; others are written as numbers (RFC 1035, section 3.4.2, RFC 1010, which it refers to, and its successors).
_PROTOCOLS: Final = {"ICMP": 1, "TCP": 6, "UDP": 17}

_PORTS: Final = {
    "TCPMUX": 1,
    "ECHO": 7,
    "DISCARD": 9,
    "SYSTAT": 11,
    "DAYTIME": 13,
    "NETSTAT": 15,
    "QOTD": 17,
    "CHARGEN": 19,
    "FTP-DATA": 20,
    "FTP": 21,
    "SSH": 22,
    "TELNET": 23,
    "SMTP": 25,
    "TIME": 37,
    "NAMESERVER": 42,
    "NICNAME": 43,
    "WHOIS": 43,
    "DOMAIN": 53,
    "BOOTPS": 67,
    "BOOTPC": 68,
    "TFTP": 69,
    "GOPHER": 70,
    "FINGER": 79,
    "HTTP": 80,
    "KERBEROS": 88,
    "HOSTNAME": 101,
    "POP2": 109,
    "POP3": 110,
    "SUNRPC": 111,
    "AUTH": 113,
    "NNTP": 119,
    "NTP": 123,
    "IMAP": 143,
    "IMAP2": 143,
    "SNMP": 161,
    "SNMPTRAP": 162,
    "HTTPS": 443,
}


class _Ports(Field[tuple[int, ...]]):
    """
    Port numbers as a bitmap; the highest bit of the first octet is port 0.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[int, ...], int]:
        bits = data[position:]
        if len(bits) > 8192:
            raise BadMessage(f"{len(bits)} octets of ports; at most 8192 are allowed")
        return tuple(bitsIn(bits)), len(data)

    def write(self, value: tuple[int, ...], before: Sequence[object]) -> bytes:
        for port in value:
            if not 0 <= port <= 0xFFFF:
                raise badRecord(f"the port {port!r}; a number from 0 to 65535 was expected")
        return bitmapOf(value)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[int, ...]:
        ports: set[int] = set()
        while tokens.more():
            expected = "a port, a number from 0 to 65535 or a mnemonic such as SMTP,"
            text = tokens.take(expected)
            port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else _PORTS.get(text.upper(), -1)
            if not 0 <= port <= 0xFFFF:
                raise tokens.bad(text, expected)
            ports.add(port)
        return tuple(sorted(ports))

    def toText(self, value: tuple[int, ...], before: Sequence[object]) -> str:
        return " ".join([str(port) for port in value])


class WKS(Rdata):
    """
    The well-known services of a host (RFC 1035, section 3.4.2).
    """

    address = Address4()
    protocol = Number(1, _PROTOCOLS)
    ports = _Ports()

    def toText(self) -> str:
        """
        See L{Rdata.toText}; trailing zeros have no other text form than that of RFC 3597.
        """
        return super().toText() if self.build(self.values) == self.wire else genericText(self.wire)
