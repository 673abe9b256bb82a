"""
Convert octets from and to master file text: C{\\DDD} and C{\\X} escapes, quotes (RFC 1035, section 5.1; RFC 4343, section 2.1), and the
encodings of binary data, such as base64.
"""

from __future__ import annotations

import re
from base64 import b32encode, b64encode
from binascii import Error as BinasciiError
from binascii import a2b_base64, unhexlify
from typing import Final

__all__ = [
    "quoted",
    "escaped",
    "unescaped",
    "toBase64",
    "fromBase64",
    "toBase32Hex",
    "fromBase32Hex",
    "fromHex",
    "printable",
]

_IN_QUOTES: Final = [
    "\\" + chr(octet) if octet in b'"\\' else chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}" for octet in range(256)
]

_PLAIN_IN_QUOTES: Final = bytes(octet for octet in range(256) if _IN_QUOTES[octet] == chr(octet))

_IN_WORDS: Final = [
    "\\" + chr(octet) if octet in b'"\\();' else chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03d}" for octet in range(256)
]

_PLAIN_IN_WORDS: Final = bytes(octet for octet in range(256) if _IN_WORDS[octet] == chr(octet))

_ESCAPE: Final = re.compile(rb"\\([0-9]{1,3}|[^0-9])", re.DOTALL)

_BASE32: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE32_HEX: Final = b"0123456789abcdefghijklmnopqrstuv"
_TO_HEX: Final = bytes.maketrans(_BASE32, _BASE32_HEX)

#: The value of each character of the extended-hex alphabet, in either case.
_VALUES: Final = {letter: value for value, letter in enumerate(_BASE32_HEX.decode())} | {
    letter: value for value, letter in enumerate(_BASE32_HEX.decode().upper())
}


def quoted(octets: bytes) -> str:
    """
    Format a character string in quotes, as in a master file.
    """
    if octets.translate(None, _PLAIN_IN_QUOTES):
        return '"' + "".join([_IN_QUOTES[octet] for octet in octets]) + '"'
    return '"' + octets.decode("ascii") + '"'


def escaped(octets: bytes) -> str:
    """
    Format a character string without quotes; special characters are escaped.
    """
    if octets.translate(None, _PLAIN_IN_WORDS):
        return "".join([_IN_WORDS[octet] for octet in octets])
    return octets.decode("ascii")


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
    return _ESCAPE.sub(_unescape, octets)


def _unescape(match: re.Match[bytes]) -> bytes:
    found = match[1]
    if not found[:1].isdigit():
        return found
    if len(found) != 3 or int(found) > 255:
        raise ValueError("an escape needs three digits from \\000 to \\255")
    return bytes([int(found)])


def toBase64(octets: bytes) -> str:
    """
    Encode octets as one padded word (RFC 4648, section 4).
    """
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
    return b32encode(octets).rstrip(b"=").translate(_TO_HEX).decode("ascii")


def fromBase32Hex(text: str) -> bytes:
    """
    @param text: padding is ignored.

    @raise ValueError: a character is outside the alphabet, or the length is not possible.
    """
    number = 0
    text = text.rstrip("=")
    for letter in text:
        value = _VALUES.get(letter)
        if value is None:
            raise ValueError(f"{letter!r} is not of base 32 with the extended hex alphabet")
        number = number << 5 | value
    bits = len(text) * 5
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
