"""
Keys for tests of trust points, named by letters: a capital is a key, the same letter in lower case its revoked form. They cannot sign.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from twisted_ext.dnssec.anchors.rollover import KeyState, TrustPoint, revokedForm
from twisted_ext.dnssec.keys import digestOf, keyTag
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import DS

__all__ = ["DAY", "ZONE_NAME", "digestAnchor", "key", "rdatasOf", "shown", "supported"]

DAY: Final = 86400

ZONE_NAME: Final = nameFromText("example.com")


def key(letter: str) -> bytes:
    """
    Return the rdata of a key: Z has no SEP flag, U an algorithm that no validator supports.
    """
    capital = letter.upper()
    flags = 256 if capital == "Z" else 257
    algorithm = 157 if capital == "U" else 13
    material = sha256(capital.encode()).digest()
    rdata = flags.to_bytes(2, "big") + bytes([3, algorithm]) + material + material
    return rdata if letter == capital else revokedForm(rdata)


def digestAnchor(letter: str) -> Anchor:
    """
    Return the anchor of a key by its digest.
    """
    rdata = key(letter)
    digest = digestOf(ZONE_NAME, rdata, 2)
    assert digest is not None
    return Anchor(ZONE_NAME, DS, keyTag(rdata).to_bytes(2, "big") + bytes([rdata[3], 2]) + digest)


def rdatasOf(letters: str) -> list[bytes]:
    return [key(letter) for letter in letters]


def supported(rdata: bytes) -> bool:
    """
    Support every algorithm but that of U.
    """
    return rdata[3] != 157


_NAMES: Final = {key(letter): letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def shown(point: TrustPoint) -> str:
    """
    Return the keys with the numbers of their states, and C{*} for a deleted trust point.
    """
    found = [f"{_NAMES[one.rdata]}{one.state.value}" for one in point.keys.values() if one.state is not KeyState.START]
    return " ".join([*sorted(found), *(["*"] if point.deleted else [])])
