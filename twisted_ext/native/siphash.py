"""
SipHash-2-4 (Aumasson and Bernstein).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = ["sipHash"]

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_words: Final = Struct("<Q").iter_unpack
_word: Final = Struct("<Q").pack
_two: Final = Struct("<QQ").unpack


def sipHash(key: bytes, data: bytes) -> bytes:
    """
    Compute the 64-bit hash.

    @param key: sixteen octets.

    @return: eight octets.
    """
    low, high = _two(key)
    a = low ^ 0x736F6D6570736575
    b = high ^ 0x646F72616E646F6D
    c = low ^ 0x6C7967656E657261
    d = high ^ 0x7465646279746573
    whole = len(data) & ~7
    words = [word for (word,) in _words(data[:whole])]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    words.append(-1)
    for word in words:
        if word < 0:
            c ^= 0xFF
            rounds = 4
            word = 0
        else:
            d ^= word
            rounds = 2
        for _ in range(rounds):
            a = a + b & _MASK
            b = (b << 13 | b >> 51) & _MASK ^ a
            a = (a << 32 | a >> 32) & _MASK
            c = c + d & _MASK
            d = (d << 16 | d >> 48) & _MASK ^ c
            a = a + d & _MASK
            d = (d << 21 | d >> 43) & _MASK ^ a
            c = c + b & _MASK
            b = (b << 17 | b >> 47) & _MASK ^ c
            c = (c << 32 | c >> 32) & _MASK
        a ^= word
    return _word(a ^ b ^ c ^ d)
