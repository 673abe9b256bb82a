"""
Parses EDNS options in the text of commands and resolver descriptions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_ext.errors import BadDescription, BadMessage, CallerFault
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.options import ClientSubnet, KeepAlive, Option, optionFromWire

__all__ = ["optionCode", "optionFromText"]


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadDescription(f"{text[:80]!r} is not hexadecimal, two digits for each octet") from None


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > most:
        raise BadDescription(f"{text[:80]!r} is not a number from 0 to {most}")
    return int(text)


#: The code of each option, and a function that encodes the text after the equals sign.
_WORDS: Final[dict[str, tuple[int, Callable[[str], bytes]]]] = {
    "nsid": (3, _hex),
    "subnet": (8, lambda text: ClientSubnet.of("0.0.0.0/0" if text == "0" else text).octets),
    "expire": (9, _hex),
    "cookie": (10, _hex),
    "keepalive": (11, lambda text: KeepAlive.of(_number(text, 6553)).octets if text else b""),
    "padding": (12, lambda text: bytes(_number(text, 0xFFFF))),
    "chain": (13, nameFromText),
    "key-tag": (14, lambda text: b"".join([_number(tag, 0xFFFF).to_bytes(2, "big") for tag in text.split(",")])),
    "zoneversion": (19, _hex),
}


def optionCode(word: str) -> int:
    """
    Return the code of an option.

    @param word: the name of an option as L{optionFromText} takes it, without a value.

    @raise BadDescription: there is no such option.
    """
    known = _WORDS.get(word.strip().lower())
    if known is None:
        raise BadDescription(f"{word[:80]!r} is none of {', '.join(_WORDS)}; others are written as number:hexadecimal")
    return known[0]


def optionFromText(text: str) -> Option:
    """
    Parse an option: C{nsid}, C{subnet=192.0.2.0/24}, C{cookie=0011223344556677}, C{padding=128}, C{expire}, C{keepalive},
    C{chain=example.com}, C{key-tag=20326,38696}, C{zoneversion}, and others as C{65001} or C{65001:c0ffee}, number and hexadecimal.

    @raise BadDescription: the text is none of these.
    """
    number, _, digits = text.partition(":")
    try:
        if number.isascii() and number.isdigit():
            return optionFromWire(_number(number, 0xFFFF), _hex(digits))
        word, _, value = text.partition("=")
        code = optionCode(word)
        return optionFromWire(code, _WORDS[word.strip().lower()][1](value.strip()))
    except (CallerFault, BadMessage) as error:
        raise BadDescription(f"EDNS option {text[:80]!r}: {error}") from error
