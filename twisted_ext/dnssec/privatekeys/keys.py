"""
Private keys of zones. Signatures are always deterministic: the same key and data give the same octets, on each server and after each
restart.

The secret stays in the object: it is not in its repr, nor in exceptions, and pickling and copying are refused.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from struct import Struct
from typing import Final, NoReturn

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from mypy_extensions import mypyc_attr

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
    algorithmName,
)
from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT, ZONE, ZoneKey, keyTag
from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.errors import BadKey, CallerFault

__all__ = ["SIGNING", "PrivateKey", "badKey", "checkAlgorithm", "newKey", "secretNames"]

#: The algorithms of new signatures (RFC 9904), without RSASHA512, which is as good as RSASHA256 and never preferred.
SIGNING: Final = (RSASHA256, ECDSA_P256, ECDSA_P384, ED25519, ED448)

_RETIRED: Final = {
    1: "MD5 is broken",
    DSA: "its keys are too short",
    RSASHA1: "SHA-1 is broken (RFC 9905)",
    DSA_NSEC3: "its keys are too short",
    RSASHA1_NSEC3: "SHA-1 is broken (RFC 9905)",
    12: "GOST R 34.10-2001 is retired (RFC 9906)",
}

#: Sizes of RSA keys: shorter ones can be broken, and validators refuse longer ones.
_LEAST_BITS: Final = 2048
_MOST_BITS: Final = 4096

_EXPONENT: Final = 65537

#: How many keys are made at most to find one with a free tag: those of RSA take a tenth of a second each.
_TRIES: Final = 1 << 16
_RSA_TRIES: Final = 256

#: Numbers of an RSA key in the order of a key file, and the one of other keys.
_RSA_NAMES: Final = (
    "Modulus", "PublicExponent", "PrivateExponent", "Prime1", "Prime2", "Exponent1", "Exponent2", "Coefficient",
)
_NAMES: Final = ("PrivateKey",)

#: Octets of a PEM file, which is less than 4000 for the longest key. Checking the primes of a far longer key takes minutes.
_PEM_OCTETS: Final = 16_384

#: The text of an unencrypted key, and the octets of one before its number (RFC 5208, section 5; RFC 5915, section 3): version 0, ECDSA
#: with a curve, version 1, and the length of the number. Lengths take one octet, or two.
_PEM: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]*)-----END PRIVATE KEY-----")
_LENGTH: Final = rb"(?:[\x00-\x7f]|\x81.)"
_ECDSA_LAYOUTS: Final = {
    algorithm: re.compile(
        rb"\x30" + _LENGTH + rb"\x02\x01\x00\x30.\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
        + curve + rb"\x04" + _LENGTH + rb"\x30" + _LENGTH + rb"\x02\x01\x01\x04([\x01-\x40])",
        re.DOTALL,
    )
    for algorithm, curve in (
        (ECDSA_P256, rb"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"), (ECDSA_P384, rb"\x06\x05\x2b\x81\x04\x00\x22"),
    )
}

_dnskey: Final = Struct(">HBB").pack

_PKCS1: Final = padding.PKCS1v15()
_SHA256: Final = hashes.SHA256()
_SCHEME_P256: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_SCHEME_P384: Final = ec.ECDSA(hashes.SHA384(), deterministic_signing=True)

#: What a key signs to be tested. No record begins so: the first two octets of signed data are a type, and 0 is not one.
_PROOF: Final = b"\0\0 Is this signature right?"

#: What to do with a key in a folder that cannot sign: all keys there are of the zone.
_MOVE: Final = "move its files out of the folder if the parent has no DS record of it, else replace that first"

#: The exceptions of cryptography for invalid keys. Those that are raised here do not refer to them: they may have a part of the key.
_INVALID: Final = (UnsupportedAlgorithm, InternalError, ValueError, OverflowError, TypeError)

_Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


def badKey(source: str, text: str) -> BadKey:
    """
    Return an exception whose text begins with the path of the key's file.
    """
    return BadKey(f"{source}: {text}" if source else text)


def secretNames(algorithm: int) -> tuple[str, ...]:
    """
    Return the names of the secret numbers in a key file.
    """
    return _RSA_NAMES if algorithm == RSASHA256 else _NAMES


@mypyc_attr(allow_interpreted_subclasses=True)
class PrivateKey(SigningKey):
    """
    A key that signs, with its secret.

    @ivar bits: the size in bits.
    @ivar source: the path of its file, or C{""}.
    """

    __slots__ = ("bits", "source", "_private")

    def __init__(self, algorithm: int, flags: int, private: _Private, source: str = "") -> None:
        """
        @param private: cryptography's key.

        @raise BadKey: keys of this kind or size do not sign.
        """
        _checkKind(algorithm, flags, source)
        public, bits = _publicOf(algorithm, private, source)
        super().__init__(_dnskey(flags, 3, algorithm) + public)
        self.source = source
        self.bits = bits
        self._private = private

    @classmethod
    def fromNumbers(cls, algorithm: int, flags: int, numbers: Mapping[str, bytes], source: str = "") -> PrivateKey:
        """
        Return the key of the numbers in a key file, after it has signed once and the signature was verified.

        @param numbers: one for each of L{secretNames}.

        @raise BadKey: they are not those of a key.
        """
        _checkKind(algorithm, flags, source)
        values = [numbers[name] for name in secretNames(algorithm)]
        for name, value in zip(secretNames(algorithm), values, strict=True):
            if len(value) > _MOST_BITS // 8:
                raise badKey(source, f"{name} has {len(value)} octets, more than any key that signs")
        if algorithm == RSASHA256:
            _checkBits(int.from_bytes(values[0], "big").bit_length(), source)
        private = _privateOf(algorithm, values)
        if private is None:
            raise badKey(source, "its numbers are not those of a key; one of them is damaged")
        key = cls(algorithm, flags, private, source)
        key.prove()
        return key

    @classmethod
    def fromPEM(cls, pem: bytes, algorithm: int, flags: int, source: str = "") -> PrivateKey:
        """
        Return the key in a text of PEM (PKCS #8), after it has signed once and the signature was verified.

        @raise BadKey: it has none, or one of another algorithm.
        """
        _checkKind(algorithm, flags, source)
        if len(pem) > _PEM_OCTETS:
            raise badKey(source, f"it is larger than {_PEM_OCTETS} octets, so it is not the file of one key")
        if b"ENCRYPTED" in pem:
            raise badKey(source, "the key is encrypted; write it without a passphrase, into a file of mode 600")
        private = _privateOfPEM(pem) or _privateOfLength(pem, algorithm)
        if private is None:
            raise badKey(source, "a private key in PEM (PKCS #8) was expected")
        if isinstance(private, rsa.RSAPrivateKey):
            _checkBits(private.key_size, source)
            private = _validated(private)
            if private is None:
                raise badKey(source, "its numbers are not those of a key; one of them is damaged")
        key = cls(algorithm, flags, private, source)
        key.prove()
        return key

    def numbers(self) -> list[tuple[str, bytes]]:
        """
        Return the secret, for a key file: numbers with their names in the order of the file.
        """
        private = self._private
        if isinstance(private, rsa.RSAPrivateKey):
            each = private.private_numbers()
            public = each.public_numbers
            values = (public.n, public.e, each.d, each.p, each.q, each.dmp1, each.dmq1, each.iqmp)
            return [(name, _octets(value)) for name, value in zip(_RSA_NAMES, values, strict=True)]
        if isinstance(private, ec.EllipticCurvePrivateKey):
            secret = private.private_numbers().private_value.to_bytes(self.bits // 8, "big")
        else:
            secret = private.private_bytes_raw()
        return [(_NAMES[0], secret)]

    def signMany(self, several: Sequence[bytes]) -> list[bytes]:
        """
        Return a signature of each of some data, as RRSIG records have it (RFC 5702, section 3; RFC 6605, section 4; RFC 8080, section 4).
        """
        private = self._private
        if isinstance(private, ec.EllipticCurvePrivateKey):
            sign, size = private.sign, self.bits // 8
            scheme = _SCHEME_P256 if self.algorithm == ECDSA_P256 else _SCHEME_P384
            return [_raw(sign(data, scheme), size) for data in several]
        if isinstance(private, rsa.RSAPrivateKey):
            return [private.sign(data, _PKCS1, _SHA256) for data in several]
        return [private.sign(data) for data in several]

    def prove(self) -> None:
        """
        Sign once, and verify the signature as validators do. A signature that is made with one wrong number of an RSA key would reveal the
        whole key.

        @raise BadKey: it is wrong.
        """
        if not ZoneKey(self.dnskey).verify(self.signMany((_PROOF,))[0], _PROOF):
            raise badKey(self.source, "its first signature is wrong, so one of its numbers is damaged")

    def revokedTag(self) -> int:
        """
        Return the tag that the key has once it is revoked (RFC 5011, section 2.1).
        """
        return keyTag(_dnskey(self.flags | REVOKED, 3, self.algorithm) + self.dnskey[4:])

    def revoked(self) -> PrivateKey:
        """
        Return the key as a revoked one (RFC 5011, section 2.1).
        """
        return PrivateKey(self.algorithm, self.flags | REVOKED, self._private, self.source)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key can neither be pickled nor copied")


def newKey(algorithm: int, flags: int = ZONE | SECURE_ENTRY_POINT, *, bits: int = 2048, avoid: Collection[int] = ()) -> PrivateKey:
    """
    Make a key.

    @param bits: the size of an RSA key.
    @param avoid: tags of the zone's other keys. The new key has none of them, neither now nor when it is revoked.

    @raise BadKey: keys of that kind or size do not sign.
    @raise CallerFault: so many tags are taken that no key with another was found.
    """
    _checkKind(algorithm, flags, "")
    if algorithm == RSASHA256:
        _checkBits(bits, "")
    for _ in range(_RSA_TRIES if algorithm == RSASHA256 else _TRIES):
        key = PrivateKey(algorithm, flags, _generate(algorithm, bits))
        if key.tag not in avoid and key.revokedTag() not in avoid:
            key.prove()
            return key
    raise CallerFault(f"no key with a free tag was found: {len(avoid)} tags are taken by other keys of the zone")


def checkAlgorithm(algorithm: int, source: str = "") -> None:
    """
    @raise BadKey: zones are not signed by this algorithm.
    """
    if algorithm not in SIGNING:
        why = _RETIRED.get(algorithm)
        names = ", ".join([algorithmName(each) for each in SIGNING])
        because = f": {why}" if why else ""
        advice = _MOVE if source else f"choose one of {names}"
        raise badKey(source, f"zones are not signed by algorithm {algorithmName(algorithm)}{because}; {advice}")


def _checkKind(algorithm: int, flags: int, source: str) -> None:
    checkAlgorithm(algorithm, source)
    if flags & ~(REVOKED | SECURE_ENTRY_POINT) != ZONE:
        raise badKey(source, f"its flags are {flags}; those of a key that signs are 256 or 257, and with REVOKE 384 or 385")


def _checkBits(bits: int, source: str) -> None:
    if bits < _LEAST_BITS:
        raise badKey(source, f"an RSA key of {bits} bits can be broken; {_LEAST_BITS} to {_MOST_BITS} bits are right{_orMove(source)}")
    if bits > _MOST_BITS:
        raise badKey(source, f"validators refuse an RSA key of {bits} bits; {_LEAST_BITS} to {_MOST_BITS} bits are right{_orMove(source)}")


def _orMove(source: str) -> str:
    return f"; {_MOVE}" if source else ""


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _raw(der: bytes, size: int) -> bytes:
    """
    Convert a signature of ECDSA from DER. Slices take a third of the time of integers. All lengths are below 128, so they take one octet;
    a number has a zero octet in front where its first bit is set, and fewer octets where it is small.
    """
    end = 4 + der[3]
    return der[4:end][-size:].rjust(size, b"\0") + der[end + 2 :][-size:].rjust(size, b"\0")


def _generate(algorithm: int, bits: int) -> _Private:
    if algorithm == RSASHA256:
        return rsa.generate_private_key(_EXPONENT, bits)
    if algorithm == ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == ED448:
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(_curve(algorithm))


def _curve(algorithm: int) -> ec.EllipticCurve:
    return ec.SECP256R1() if algorithm == ECDSA_P256 else ec.SECP384R1()


def _privateOf(algorithm: int, values: Sequence[bytes]) -> _Private | None:
    """
    Return a key of its numbers, or L{None} if they do not fit together.
    """
    try:
        if algorithm == ED25519:
            return ed25519.Ed25519PrivateKey.from_private_bytes(values[0])
        if algorithm == ED448:
            return ed448.Ed448PrivateKey.from_private_bytes(values[0])
        if algorithm != RSASHA256:
            return ec.derive_private_key(int.from_bytes(values[0], "big"), _curve(algorithm))
        n, e, d, p, q, dp, dq, inverse = [int.from_bytes(value, "big") for value in values]
        return rsa.RSAPrivateNumbers(p, q, d, dp, dq, inverse, rsa.RSAPublicNumbers(e, n)).private_key()
    except _INVALID:
        return None


def _privateOfPEM(pem: bytes) -> _Private | None:
    """
    Return the key in a PEM text, or L{None} if there is none that could sign. The numbers of an RSA key are not checked yet, which takes
    long for large ones.
    """
    try:
        found = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except _INVALID:
        return None
    if isinstance(found, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return found
    return None


def _privateOfLength(pem: bytes, algorithm: int) -> _Private | None:
    """
    Return the key of ECDSA in a PEM text whose number has an octet too many or too few, or L{None} if there is none. GnuTLS writes a zero
    octet before numbers whose first bit is set, so that half of Knot's keys have one, and cryptography refuses these.
    """
    layout, text = _ECDSA_LAYOUTS.get(algorithm), _PEM.search(pem)
    if layout is None or text is None:
        return None
    try:
        der = b64decode(b"".join(text[1].split()), validate=True)
    except ValueError:
        return None
    found = layout.match(der)
    if found is None:
        return None
    end = found.end() + found[1][0]
    private = _privateOf(algorithm, (der[found.end() : end],))
    if private is None or _publicOf(algorithm, private, "")[0] not in der[end:]:
        return None
    return private


def _validated(private: rsa.RSAPrivateKey) -> _Private | None:
    try:
        return private.private_numbers().private_key()
    except _INVALID:
        return None


def _publicOf(algorithm: int, private: _Private, source: str) -> tuple[bytes, int]:
    """
    Return the public key as in DNSKEY records, and its size in bits.
    """
    if algorithm == RSASHA256 and isinstance(private, rsa.RSAPrivateKey):
        numbers = private.public_key().public_numbers()
        _checkBits(private.key_size, source)
        exponent = _octets(numbers.e)
        # The length of longer ones takes three octets (RFC 3110, section 2), and validators refuse them.
        if len(exponent) > 16:
            raise badKey(source, f"its public exponent has {len(exponent)} octets; 65537 is right")
        return bytes((len(exponent),)) + exponent + _octets(numbers.n), private.key_size
    if isinstance(private, ec.EllipticCurvePrivateKey):
        if algorithm in (ECDSA_P256, ECDSA_P384) and private.curve.name == _curve(algorithm).name:
            size = private.key_size // 8
            point = private.public_key().public_numbers()
            return point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big"), private.key_size
    elif algorithm == ED25519 and isinstance(private, ed25519.Ed25519PrivateKey):
        return private.public_key().public_bytes_raw(), 256
    elif algorithm == ED448 and isinstance(private, ed448.Ed448PrivateKey):
        return private.public_key().public_bytes_raw(), 456
    raise badKey(source, f"the key in it is not one of algorithm {algorithmName(algorithm)}")
