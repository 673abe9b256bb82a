"""
Rdata of signed zones from plain words, where parts of them are as in records before: who signs a zone says the same times and types again
and again.

What has not been there yet is read by its type's declaration, once.
"""

from __future__ import annotations

from binascii import a2b_base64, unhexlify
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from twisted_ext.wire.rrtypes import DS, NSEC, NSEC3, RRSIG
from twisted_ext.zone.fitness import DIGEST_OCTETS

__all__ = ["converted", "keep"]

#: Octets of a signature record before the signer's name, and the words that they are written in.
_SIGNED: Final = 18
_SIGNED_WORDS: Final = 7

#: Words before an NSEC3 record's hash, and letters and octets of a hash by SHA-1.
_HASHED_WORDS: Final = 4
_HASH_LETTERS: Final = 32
_HASH: Final = 20

#: Letters of base 64 that belong together.
_QUARTET: Final = 4

_DIGESTED: Final = Struct(">HBB").pack
_MOST: Final = 0xFFFF
_DIGITS: Final = 5

#: What words came to, by type and place. They mean the same in any zone.
_parts: Final[dict[tuple[object, ...], bytes]] = {}

_KEPT: Final = 8192

#: Words of a record of which something is remembered: those for more types than a name has are not.
_KEPT_WORDS: Final = 64


def converted(rrType: int, words: Sequence[bytes], name: Callable[[bytes], bytes]) -> bytes | None:
    """
    @param words: plain ones, all that the rdata consists of.
    @param name: gives a name for a word, or raises L{ValueError}.

    @return: the rdata, or L{None} where something is new about it.

    @raise ValueError: something is wrong with it.
    """
    if rrType == RRSIG:
        head = _parts.get((RRSIG, *words[:_SIGNED_WORDS]))
        letters = b"".join(words[_SIGNED_WORDS + 1 :])
        if head is None or not letters or (letters[-1:] == b"=" and len(words[-1]) < _QUARTET):
            return None
        return head + name(words[_SIGNED_WORDS]) + a2b_base64(letters, strict_mode=True)
    if rrType == NSEC:
        types = _parts.get((NSEC, *words[1:]))
        return None if types is None else name(words[0]) + types
    if rrType == NSEC3:
        head = _parts.get((NSEC3, *words[:_HASHED_WORDS]))
        types = _parts.get((NSEC3, 1, *words[_HASHED_WORDS + 1 :]))
        if head is None or types is None or len(words[_HASHED_WORDS]) != _HASH_LETTERS or not words[_HASHED_WORDS].isalnum():
            return None
        return head + bytes([_HASH]) + int(words[_HASHED_WORDS], _HASH_LETTERS).to_bytes(_HASH, "big") + types
    if rrType == DS and len(words) == 4 and words[3] and b"".join(words[:3]).isdigit() and max(map(len, words[:3])) <= _DIGITS:
        tag, algorithm, digest = int(words[0]), int(words[1]), int(words[2])
        if tag <= _MOST and algorithm <= 255 and digest <= 255 and DIGEST_OCTETS.get(digest, 0) in (0, len(words[3]) >> 1):
            return _DIGESTED(tag, algorithm, digest) + unhexlify(words[3])
    return None


def keep(rrType: int, words: Sequence[bytes], rdata: bytes) -> None:
    """
    Remember what the parts of a record came to.

    @param rdata: what its words gave.
    """
    if rrType not in (RRSIG, NSEC, NSEC3) or len(words) > _KEPT_WORDS:
        return
    if len(_parts) >= _KEPT:
        _parts.clear()
    if rrType == RRSIG:
        _parts[RRSIG, *words[:_SIGNED_WORDS]] = rdata[:_SIGNED]
    elif rrType == NSEC:
        position = 0
        while rdata[position]:
            position += rdata[position] + 1
        _parts[NSEC, *words[1:]] = rdata[position + 1 :]
    else:
        salted = 5 + rdata[4]
        _parts[NSEC3, *words[:_HASHED_WORDS]] = rdata[:salted]
        _parts[NSEC3, 1, *words[_HASHED_WORDS + 1 :]] = rdata[salted + 1 + rdata[salted] :]
