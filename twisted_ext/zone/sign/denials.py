"""
The chain of NSEC3 records of a zone (RFC 5155, section 7.1), without salt and further iterations (RFC 9276, section 3.1).
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from twisted_ext.errors import BadZone
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.rrtypes import DS, NS, RRSIG

__all__ = ["PARAMETERS", "HashedChain"]

#: Rdata of the NSEC3PARAM record: SHA-1, no flags, no iterations, no salt.
PARAMETERS: Final = b"\x01\x00\x00\x00\x00"

#: An NSEC3 record before the next digest, without and with opt-out: what the parameters have, and the length of a digest.
_HEADS: Final = (b"\x01\x00\x00\x00\x00\x14", b"\x01\x01\x00\x00\x00\x14")

#: The length of a label with a digest.
_LABEL: Final = b"\x20"

_EMPTY: Final[tuple[int, ...]] = ()


class HashedChain:
    """
    Collects the names of a zone.
    """

    __slots__ = ("_apex", "_bitmaps", "_head", "_names", "_optOut", "_types")

    def __init__(self, apex: bytes, optOut: bool) -> None:
        """
        @param apex: folded.
        @param optOut: leave out delegations without DS records, and empty non-terminals of only these (RFC 5155, section 6).
        """
        self._apex = apex
        self._optOut = optOut
        self._head = _HEADS[optOut]
        # The types of each name, and of each digest the name.
        self._types: dict[bytes, tuple[int, ...]] = {}
        self._names: dict[bytes, bytes] = {}
        self._bitmaps: dict[tuple[int, ...], bytes] = {}

    def add(self, key: bytes, types: list[int], isCut: bool) -> None:
        """
        Add a name.

        @param key: folded, relative to the apex.
        @param types: of its records, without signatures.
        @param isCut: whether a zone is delegated there.
        """
        if isCut:
            types = [each for each in types if each == NS or each == DS]
            if DS not in types:
                if not self._optOut:
                    self._types[key] = (NS,)
                return
        self._types[key] = tuple(sorted([*types, RRSIG]))

    def records(self) -> list[tuple[bytes, bytes]]:
        """
        Return the key and the rdata of each record, in the order of the chain.

        @raise BadZone: two names have the same digest.
        """
        types = self._types
        for key in [*types]:
            # Empty non-terminals above it.
            while key:
                key = key[key[0] + 1 :]
                if key in types:
                    break
                types[key] = _EMPTY
        names, apex = self._names, self._apex
        for key in types:
            digest = sha1(key + apex, usedforsecurity=False).digest()
            other = names.setdefault(digest, key)
            if other is not key:
                said = f"{nameToText(key + apex)} and {nameToText(other + apex)}"
                raise BadZone(f"{said} have the same hash (RFC 5155, section 7.1); rename one of them, or use NSEC")
        digests = sorted(names)
        found: list[tuple[bytes, bytes]] = []
        bitmaps, head = self._bitmaps, self._head
        for index, digest in enumerate(digests):
            listed = types[names[digest]]
            bits = bitmaps.get(listed)
            if bits is None:
                bits = bitmaps[listed] = TypeBits().write(listed, ())
            following = digests[index + 1] if index + 1 < len(digests) else digests[0]
            found.append((_LABEL + toBase32Hex(digest).encode("ascii"), head + following + bits))
        return found
