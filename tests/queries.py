"""
Queries: as octets, of every kind for tests of the server, and as arguments of C{txdns query}.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from twisted_ext.apps.cli.query.args import QueryOptions, parseQueries
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import typeNumber

__all__ = ["COOKIE", "mixedCase", "optOf", "parseQuery", "queryOf"]

#: The code of the cookie option.
COOKIE = 10


def optOf(
    size: int = 1232, *, flags: int = 0, options: Sequence[tuple[int, bytes]] = (), version: int = 0, extendedRcode: int = 0
) -> bytes:
    """
    Return an OPT record.
    """
    rdata = b"".join([pack(">HH", code, len(octets)) + octets for code, octets in options])
    return b"\x00\x00\x29" + pack(">HBBHH", size, extendedRcode, version, flags, len(rdata)) + rdata


def queryOf(
    name: str | bytes = "www.test.example",
    rrType: str | int = "A",
    *,
    id: int = 0x1234,
    flags: int = 0x0100,
    rrClass: int = 1,
    opt: bytes = b"",
) -> bytes:
    """
    Return a complete query.

    @param name: a text, or a name in wire form.
    @param rrType: a mnemonic, or a number.
    @param flags: the header's second pair of octets; RD alone by default.
    @param opt: an OPT record.
    """
    number = typeNumber(rrType) if isinstance(rrType, str) else rrType
    assert number is not None
    wire = nameFromText(name) if isinstance(name, str) else name
    return pack(">HHHHHH", id, flags, 1, 0, 0, 1 if opt else 0) + wire + pack(">HH", number, rrClass) + opt


def mixedCase(query: bytes, bits: int) -> bytes:
    """
    Return the query with the letters of its name in this case.

    @param bits: one bit for each octet of the name: whether a letter there is a capital.
    """
    octets = bytearray(query)
    position = 12
    while length := octets[position]:
        for index in range(position + 1, position + 1 + length):
            if chr(octets[index]).isalpha() and octets[index] < 128:
                octets[index] = octets[index] & 0xDF if bits >> index & 1 else octets[index] | 0x20
        position += length + 1
    return bytes(octets)


def parseQuery(words: Sequence[str]) -> QueryOptions:
    """
    Return the first look-up in the arguments of C{txdns query}.
    """
    return parseQueries(words)[0]
