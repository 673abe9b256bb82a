"""
Public keys: how they are parsed, and how their signatures are verified.

This is the only module of the validator that imports cryptography, which takes 30 ms: L{twisted_ext.dnssec.keys} imports it when the first
key is parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import Final

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from twisted_ext.dnssec.algorithms import (
    DSA,
    DSA_NSEC3,
    ECDSA_P256,
    ECDSA_P384,
    ED448,
    ED25519,
    RSASHA1,
    RSASHA1_NSEC3,
    RSASHA256,
    RSASHA512,
    algorithmName,
)
from twisted_ext.dnssec.limits import EXPONENT_BITS, RSA_MOST_BITS

__all__ = ["RSA_HASHES", "Check", "parsePublicKey"]

#: The hashes of the algorithms that are RSA.
RSA_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    RSASHA1: hashes.SHA1(),
    RSASHA1_NSEC3: hashes.SHA1(),
    RSASHA256: hashes.SHA256(),
    RSASHA512: hashes.SHA512(),
}

_PKCS1: Final = padding.PKCS1v15()
_EXPONENT_BITS: Final = int(EXPONENT_BITS.default)
_MOST_BITS: Final = int(RSA_MOST_BITS.default)

#: The exceptions of cryptography for invalid signatures and keys.
_INVALID: Final = (InvalidSignature, UnsupportedAlgorithm, InternalError, ValueError, OverflowError)

#: A function of a signature and the signed data that returns whether the signature is right.
Check = Callable[[bytes, bytes], bool]

#: A parsed key: its check, or L{None} if it is unusable; its size in bits; why it is unusable.
_Parsed = tuple[Check | None, int, str]


def parsePublicKey(algorithm: int, key: bytes) -> tuple[Check | None, int, str]:
    """
    Parse the public key of a DNSKEY record.

    @return: the function that verifies its signatures, or L{None} if the key is unusable; its size in bits, 0 if unknown; and in words why
        it is unusable.
    """
    parser = _PARSERS.get(algorithm)
    if parser is None:
        return None, 0, f"algorithm {algorithmName(algorithm)} is not implemented"
    try:
        return parser(algorithm, key)
    except _INVALID:
        return None, 0, "it is not a valid public key"


def _parseRSA(algorithm: int, key: bytes) -> _Parsed:
    """
    Parse a key of RSA (RFC 3110, section 2).
    """
    if not key:
        return None, 0, "it is empty"
    length, start = key[0], 1
    if not length:
        length, start = int.from_bytes(key[1:3], "big"), 3
    end = start + length
    if not length or end >= len(key):
        return None, 0, "it is cut off"
    modulus = key[end:].lstrip(b"\0")
    exponent = key[start:end].lstrip(b"\0")
    bits = 8 * (len(modulus) - 1) + modulus[0].bit_length() if modulus else 0
    if bits > _MOST_BITS:
        return None, bits, f"a modulus of {bits} bits, more than {_MOST_BITS}"
    if len(exponent) * 8 > _EXPONENT_BITS:
        return None, bits, f"an exponent of more than {_EXPONENT_BITS} bits"
    public = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()
    verify, algorithmHash = public.verify, RSA_HASHES[algorithm]

    def check(signature: bytes, data: bytes) -> bool:
        try:
            verify(signature, data, _PKCS1, algorithmHash)
        except _INVALID:
            return False
        return True

    return check, bits, ""


#: Curves, and the octets of a coordinate (RFC 6605, section 4).
_CURVES: Final[dict[int, tuple[ec.EllipticCurve, int, ec.ECDSA]]] = {
    ECDSA_P256: (ec.SECP256R1(), 32, ec.ECDSA(hashes.SHA256())),
    ECDSA_P384: (ec.SECP384R1(), 48, ec.ECDSA(hashes.SHA384())),
}


def _parseECDSA(algorithm: int, key: bytes) -> _Parsed:
    curve, size, scheme = _CURVES[algorithm]
    if len(key) != 2 * size:
        return None, 0, f"it has {len(key)} octets, where {2 * size} are needed"
    verify = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + key).verify
    octets = 2 * size

    def check(signature: bytes, data: bytes) -> bool:
        if len(signature) != octets:
            return False
        r, s = signature[:size].lstrip(b"\0"), signature[size:].lstrip(b"\0")
        # In DER, numbers whose first bit is set begin with a zero octet. Lengths are below 128, so they take one octet.
        if not r or r[0] > 127:
            r = b"\0" + r
        if not s or s[0] > 127:
            s = b"\0" + s
        try:
            verify(b"\x30%c\x02%c%b\x02%c%b" % (len(r) + len(s) + 4, len(r), r, len(s), s), data, scheme)
        except _INVALID:
            return False
        return True

    return check, 8 * size, ""


def _parseEdDSA(algorithm: int, key: bytes) -> _Parsed:
    """
    Parse a key of Ed25519 or Ed448 (RFC 8080, section 3).
    """
    size = 32 if algorithm == ED25519 else 57
    if len(key) != size:
        return None, 0, f"it has {len(key)} octets, where {size} are needed"
    kind = ed25519.Ed25519PublicKey if algorithm == ED25519 else ed448.Ed448PublicKey
    verify = kind.from_public_bytes(key).verify

    def check(signature: bytes, data: bytes) -> bool:
        try:
            verify(signature, data)
        except _INVALID:
            return False
        return True

    return check, 256 if algorithm == ED25519 else 456, ""


def _parseDSA(algorithm: int, key: bytes) -> _Parsed:
    """
    Parse a key of DSA (RFC 2536, section 2). Only recorded scenarios have such keys; cryptography no longer accepts their sizes. Their
    signatures are as in section 3, or in DER, which old versions of ldns wrote.
    """
    if not key or key[0] > 8:
        return None, 0, "its size is not one of DSA's"
    size = 64 + 8 * key[0]
    if len(key) != 21 + 3 * size:
        return None, 0, f"it has {len(key)} octets, where {21 + 3 * size} are needed"
    p, g, y = [int.from_bytes(key[21 + size * index : 21 + size * (index + 1)], "big") for index in range(3)]
    q = int.from_bytes(key[1:21], "big")
    if not (1 < q < p and 1 < g < p and 0 < y < p):
        return None, 0, "its numbers are out of range"

    def check(signature: bytes, data: bytes) -> bool:
        try:
            if len(signature) == 41:
                r, s = int.from_bytes(signature[1:21], "big"), int.from_bytes(signature[21:], "big")
            else:
                r, s = decode_dss_signature(signature)
            inverse = pow(s, -1, q)
        except ValueError:
            return False
        if not (0 < r < q and 0 < s < q):
            return False
        digest = int.from_bytes(sha1(data, usedforsecurity=False).digest(), "big")
        return pow(g, digest * inverse % q, p) * pow(y, r * inverse % q, p) % p % q == r

    return check, 8 * size, ""


_PARSERS: Final[dict[int, Callable[[int, bytes], _Parsed]]] = {
    **dict.fromkeys(RSA_HASHES, _parseRSA),
    **dict.fromkeys(_CURVES, _parseECDSA),
    **dict.fromkeys((ED25519, ED448), _parseEdDSA),
    **dict.fromkeys((DSA, DSA_NSEC3), _parseDSA),
}
