"""
Convert octets from and to master file text: C{\\DDD} and C{\\X} escapes, quotes (RFC 1035, section 5.1; RFC 4343, section 2.1), and the
encodings of binary data, such as base64.
"""

from __future__ import annotations

import re
from base64 import b32hexencode, b64encode
from binascii import Error as BinasciiError
from binascii import a2b_base64, unhexlify
from typing import Final

__all__ = [
    "fromBase32Hex",
    "fromBase64",
    "fromHex",
    "ipv4FromText",
    "ipv4ToText",
    "ipv6FromText",
    "ipv6ToText",
    "printable",
    "quoted",
    "resolved",
    "toBase32Hex",
    "toBase64",
    "unescaped",
]

_IN_QUOTES: Final = [
    "\\" + chr(octet) if octet in b'"\\' else chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}" for octet in range(256)
]

_PLAIN_IN_QUOTES: Final = bytes(octet for octet in range(256) if _IN_QUOTES[octet] == chr(octet))

_ESCAPE: Final = re.compile(rb"\\([0-9]{1,3}|[^0-9])", re.DOTALL)

#: The parts of IPv4 addresses.
_NUMBERS: Final = [str(octet) for octet in range(256)]

_GROUP: Final = re.compile("[0-9A-Fa-f]{1,4}")


def ipv4FromText(text: str) -> bytes:
    """
    @raise ValueError: the text is not four decimal numbers without leading zeros.
    """
    parts = text.split(".")
    if len(parts) != 4:
        raise ValueError(text)
    for part in parts:
        if not (part.isascii() and part.isdigit()) or len(part) > 3 or (part[0] == "0" and part != "0"):
            raise ValueError(text)
    return bytes([int(part) for part in parts])


def ipv4ToText(octets: bytes) -> str:
    return f"{_NUMBERS[octets[0]]}.{_NUMBERS[octets[1]]}.{_NUMBERS[octets[2]]}.{_NUMBERS[octets[3]]}"


def ipv6FromText(text: str) -> bytes:
    """
    @raise ValueError: the text is not in the format of RFC 4291, section 2.2, with or without the last 32 bits as an IPv4 address.
    """
    head, double, tail = text.partition("::")
    before = _groups(head, not double)
    if not double:
        if len(before) != 16:
            raise ValueError(text)
        return before
    behind = _groups(tail, True)
    zeros = 16 - len(before) - len(behind)
    if zeros < 2:
        raise ValueError(text)
    return before + bytes(zeros) + behind


def _groups(text: str, last: bool) -> bytes:
    if not text:
        return b""
    octets = bytearray()
    parts = text.split(":")
    for index, part in enumerate(parts):
        if last and index == len(parts) - 1 and "." in part:
            octets += ipv4FromText(part)
        elif _GROUP.fullmatch(part):
            octets += int(part, 16).to_bytes(2, "big")
        else:
            raise ValueError(text)
    return bytes(octets)


def ipv6ToText(octets: bytes) -> str:
    """
    Write an address as RFC 5952 recommends: lower case, the longest run of zeros left out, mapped IPv4 addresses in dotted form.
    """
    if octets[:12] == b"\x00" * 10 + b"\xff\xff":
        return "::ffff:" + ipv4ToText(octets[12:])
    groups = [octets[index] << 8 | octets[index + 1] for index in range(0, 16, 2)]
    best = length = run = 0
    for index, group in enumerate(groups):
        run = run + 1 if not group else 0
        if run > length:
            length, best = run, index - run + 1
    if length < 2:
        return ":".join([f"{group:x}" for group in groups])
    before = ":".join([f"{group:x}" for group in groups[:best]])
    behind = ":".join([f"{group:x}" for group in groups[best + length :]])
    return f"{before}::{behind}"


def quoted(octets: bytes) -> str:
    """
    Format a character string in quotes, as in a master file.
    """
    if octets.translate(None, _PLAIN_IN_QUOTES):
        return '"' + "".join([_IN_QUOTES[octet] for octet in octets]) + '"'
    return '"' + octets.decode("ascii") + '"'


def unescaped(text: str) -> bytes:
    """
    Resolve the escapes in a quoted string or a word. Characters beyond ASCII become UTF-8.

    @raise ValueError: a backslash is the last character, or is followed by digits other than three from 000 to 255.
    """
    octets = text.encode("utf-8", "surrogateescape")
    if b"\\" not in octets:
        return octets
    if octets.endswith(b"\\") and (len(octets) - len(octets.rstrip(b"\\"))) % 2:
        raise ValueError("a backslash ends the text; write two for the character itself")
    return resolved(octets)


def resolved(octets: bytes) -> bytes:
    """
    Resolve the escapes in octets that do not end in the middle of one.

    @raise ValueError: a backslash is followed by digits other than three from 000 to 255.
    """
    return _ESCAPE.sub(_unescape, octets)


def _unescape(match: re.Match[bytes]) -> bytes:
    found = match[1]
    if not found[:1].isdigit():
        return found
    if len(found) != 3 or int(found) > 255:
        raise ValueError("an escape needs three digits from \\000 to \\255")
    return bytes([int(found)])


def toBase64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def fromBase64(text: str) -> bytes:
    """
    @raise ValueError: a character is outside the alphabet, or padding is missing or misplaced.
    """
    if len(text) % 4:
        raise ValueError("not a whole number of quadruples")
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True) if text else b""
    except (BinasciiError, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None


def toBase32Hex(octets: bytes) -> str:
    """
    Encode octets as one word in lower case, without padding (RFC 5155, section 3.3).
    """
    return b32hexencode(octets).decode("ascii").rstrip("=").lower()


def fromBase32Hex(text: str) -> bytes:
    """
    @param text: padding is ignored.

    @raise ValueError: a character is outside the alphabet, or the length is not possible.
    """
    digits = text.rstrip("=")
    if not digits:
        return b""
    # int() accepts signs, blanks and underscores too.
    if not (digits.isascii() and digits.isalnum()):
        raise ValueError(f"{text!r} is not of base 32 with the extended hex alphabet")
    number = int(digits, 32)
    bits = len(digits) * 5
    spare = bits % 8
    if spare >= 5 or number & ((1 << spare) - 1):
        raise ValueError("not a whole number of octets")
    return (number >> spare).to_bytes(bits // 8, "big")


def fromHex(text: str) -> bytes:
    """
    @raise ValueError: an odd number of digits, or characters other than hexadecimal digits.
    """
    try:
        return unhexlify(text)
    except (BinasciiError, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None


def printable(text: str) -> str:
    """
    Return the text with control characters escaped as in Python, so that a terminal does not interpret them.
    """
    return text if text.isprintable() else "".join([each if each.isprintable() else repr(each)[1:-1] for each in text])
