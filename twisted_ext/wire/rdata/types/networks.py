"""
Record types that hold addresses of other networks than today's Internet, and WKS, the services of a host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import fromHex
from twisted_ext.wire.rdata.bitmaps import bitmapOf, bitsIn
from twisted_ext.wire.rdata.fields import Field, Rdata, genericText
from twisted_ext.wire.rdata.fieldtypes import Number, Octets, hexOctets
from twisted_ext.wire.rdata.types.address import Address4
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["ATMA", "EID", "EUI48", "EUI64", "IPN", "L32", "L64", "NID", "NIMLOC", "NSAP", "WKS"]

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


def _grouped(size: int, group: int, mark: str, *, padded: bool = True) -> Octets:
    """
    Make a field of a fixed number of octets in hex, in groups of equal length.

    @param group: digits in a group.
    @param padded: whether leading zeros of a group have to be written.
    """

    def toWords(octets: bytes) -> str:
        digits = octets.hex()
        return mark.join([digits[start : start + group] for start in range(0, len(digits), group)])

    def fromWords(text: str) -> bytes:
        groups = text.split(mark)
        lengths = [len(each) for each in groups]
        least = group if padded else 1
        if len(groups) * group != 2 * size or max(lengths) > group or min(lengths) < least:
            raise ValueError(text)
        return fromHex("".join([each.zfill(group) for each in groups]))

    example = mark.join(["0" * group] * (2 * size // group))
    return Octets(toWords, fromWords, f"{2 * size} digits in hex such as {example}", size=size)


class NID(Rdata):
    """
    The identifier of a node in ILNP (RFC 6742, section 2.1).
    """

    preference = Number()
    nodeId = _grouped(8, 4, ":", padded=False)


class L32(Rdata):
    """
    A 32-bit locator in ILNP (RFC 6742, section 2.2).
    """

    preference = Number()
    locator = Address4()


class L64(Rdata):
    """
    A 64-bit locator in ILNP (RFC 6742, section 2.3).
    """

    preference = Number()
    locator = _grouped(8, 4, ":", padded=False)


class EUI48(Rdata):
    """
    A 48-bit hardware address (RFC 7043, section 3).
    """

    address = _grouped(6, 2, "-")


class EUI64(Rdata):
    """
    A 64-bit hardware address (RFC 7043, section 4).
    """

    address = _grouped(8, 2, "-")


class IPN(Rdata):
    """
    A node's number in an interplanetary network (draft-johnson-dns-ipn-cla).
    """

    node = Number(8)


def _servicePoint(text: str) -> bytes:
    octets = fromHex(text[2:].replace(".", "")) if text[:2].lower() == "0x" else b""
    if not octets:
        raise ValueError(text)
    return octets


class _ServicePoint(Field[bytes]):
    """
    Octets up to the end of the rdata, in hex after C{0x}, with dots anywhere (RFC 1706, section 7).
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        if position == len(data):
            raise BadMessage("an address has one octet at least")
        return data[position:], len(data)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        if not isinstance(value, bytes):
            raise badRecord(f"{self.expected()} is {value!r:.60}; octets were expected")
        return value

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        return tokens.parsed("an address such as 0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00", _servicePoint)

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return "0x" + value.hex()


class NSAP(Rdata):
    """
    A network service access point (RFC 1706).
    """

    address = _ServicePoint()


_DIGITS: Final = re.compile(rb"[0-9]+")


class _ATMAddress(Field[bytes]):
    """
    Digits after C{+}, or octets in hex separated by dots, depending on the format.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        taken = data[position:]
        if before[0] == 1 and not _DIGITS.fullmatch(taken):
            raise BadMessage("an E.164 number has digits, at least one")
        if before[0] == 0 and len(taken) != 20:
            raise BadMessage(f"an ATM end system address of {len(taken)} octets; 20 were expected")
        return taken, len(data)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        if not isinstance(value, bytes):
            raise badRecord(f"{self.expected()} is {value!r:.60}; octets were expected")
        return value

    def toText(self, value: bytes, before: Sequence[object]) -> str | None:
        if before[0] == 1:
            return "+" + value.decode("ascii")
        return value.hex() if before[0] == 0 else None


class ATMA(Rdata):
    """
    An address in an ATM network (ATM Forum, af-saa-0069.000): format 0 in hex, format 1 a telephone number.
    """

    format = Number(1)
    address = _ATMAddress()

    @classmethod
    def words(cls, values: Sequence[object]) -> str | None:
        return cls.fields[1].toText(values[1], values)

    @classmethod
    def readWords(cls, tokens: Tokens) -> list[object]:
        expected = "an address such as +1.908.555.1212, or 40 digits in hex,"
        text = tokens.take(expected)
        digits = text.replace(".", "")
        if ".." in text or text.endswith(".") or text.removeprefix("+").startswith("."):
            raise tokens.bad(text, expected)
        if text.startswith("+"):
            if not (digits[1:].isascii() and digits[1:].isdigit()):
                raise tokens.bad(text, expected)
            return [1, digits[1:].encode("ascii")]
        try:
            octets = fromHex(digits)
        except ValueError:
            octets = b""
        if len(octets) != 20:
            raise tokens.bad(text, expected)
        return [0, octets]


class EID(Rdata):
    """
    An endpoint identifier of the Nimrod architecture, which was never deployed (IANA's registry).
    """

    octets = hexOctets()


class NIMLOC(EID):
    """
    A locator of the Nimrod architecture.
    """
