"""
Sign RRsets and zones, with keys derived from a seed, for tests and simulations: the same seed gives the same zone, octet by octet. The keys
are as secret as the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha1, sha256, shake_256
from math import gcd, prod
from struct import Struct
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from mypy_extensions import mypyc_attr

from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED448, ED25519, RSA, algorithmName, digestOf
from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT, ZONE, keyTag
from twisted_ext.dnssec.publickeys import RSA_HASHES
from twisted_ext.dnssec.signatures import Signature, signedData
from twisted_ext.errors import BadZone, CallerFault
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.names import canonicalKey, isBelow, labelCount, nameToText, parentOf
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNAME, DNSKEY, DS, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA

__all__ = ["Params", "SigningKey", "sign", "signZone"]


#: The default digest of DS records, the only one that all validators have to support (RFC 8624, section 3.3).
_SHA256: Final = 2

#: The default size of RSA keys in bits: short, so that simulations are fast.
_RSA_BITS: Final = 1024
_EXPONENT: Final = 65537

_ds: Final = Struct(">HBB").pack
_dnskey: Final = Struct(">HBB").pack
_parameters: Final = Struct(">BBHB").pack

_PKCS1: Final = padding.PKCS1v15()

#: Types that the signer adds; those in the input are dropped.
_MADE: Final = frozenset((RRSIG, NSEC, NSEC3, NSEC3PARAM))

_ODD_PRIMES: Final = [number for number in range(3, 2000, 2) if all(number % factor for factor in range(3, int(number**0.5) + 1, 2))]
_PRODUCT: Final = prod(_ODD_PRIMES)

#: Bases for the test of primes. The candidates are random, so that even one base nearly never errs.
_BASES: Final = (2, 3, 5, 7, 11, 13, 17, 19)

#: Signatures by a digest of key and data: all algorithms are used in their deterministic form.
_signatures: Final[dict[bytes, bytes]] = {}
#: Signatures that are kept by key and data, for zones of tests that are signed again and again.
_MOST_SIGNATURES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Params:
    """
    The parameters of an NSEC3 chain (RFC 5155, section 3.1; RFC 9276 recommends the defaults).

    @ivar iterations: additional ones.
    @ivar optOut: whether delegations without DS records are left out (RFC 5155, section 6).
    """

    iterations: int = 0
    salt: bytes = b""
    optOut: bool = False


@mypyc_attr(allow_interpreted_subclasses=True)
class SigningKey:
    """
    A key pair.

    @ivar dnskey: rdata of the public key's DNSKEY record.
    @ivar tag: the key tag.
    """

    __slots__ = ("algorithm", "flags", "dnskey", "tag", "_make")

    def __init__(self, algorithm: int, flags: int, public: bytes, make: Callable[[bytes], bytes]) -> None:
        self.algorithm = algorithm
        self.flags = flags
        self.dnskey = _dnskey(flags, 3, algorithm) + public
        self.tag = keyTag(self.dnskey)
        self._make = make

    @staticmethod
    def generate(algorithm: int, seed: bytes | str, *, flags: int = ZONE | SECURE_ENTRY_POINT, bits: int = _RSA_BITS) -> SigningKey:
        """
        Derive a key from a seed.

        @param flags: 257 for a key-signing key, or the only key; 256 for a zone-signing key.
        @param bits: the size of an RSA key.

        @raise CallerFault: this module cannot sign by that algorithm, or with RSA keys of that size.
        """
        octets = seed.encode() if isinstance(seed, str) else seed
        public, make = _pairOf(algorithm, octets, bits if algorithm in RSA else 0)
        return SigningKey(algorithm, flags, public, make)

    def revoked(self) -> SigningKey:
        """
        Return the same key with the REVOKE flag (RFC 5011, section 2.1), which changes its tag.
        """
        return SigningKey(self.algorithm, self.flags | REVOKED, self.dnskey[4:], self._make)

    def ds(self, owner: bytes, digestType: int = _SHA256) -> bytes:
        """
        Return rdata of the DS record for the key.

        @param owner: the zone.

        @raise CallerFault: there is no such digest.
        """
        digest = digestOf(owner, self.dnskey, digestType)
        if digest is None:
            raise CallerFault(f"{digestType} is not a supported digest type; 1, 2 and 4 are")
        return _ds(self.tag, self.algorithm, digestType) + digest

    def signature(self, data: bytes) -> bytes:
        """
        Sign octets.
        """
        name = sha256(self.dnskey + data).digest()
        made = _signatures.get(name)
        if made is None:
            made = self._make(data)
            if len(_signatures) >= _MOST_SIGNATURES:
                for old in list(_signatures)[: _MOST_SIGNATURES // 2 + 1]:
                    del _signatures[old]
            _signatures[name] = made
        return made

    def __repr__(self) -> str:
        return f"<SigningKey {self.tag} {algorithmName(self.algorithm)} flags {self.flags}>"


@lru_cache(1024)
def _pairOf(algorithm: int, seed: bytes, bits: int) -> tuple[bytes, Callable[[bytes], bytes]]:
    """
    Return a public key as in DNSKEY records, and the function that signs.
    """
    seed = b"%d %d " % (algorithm, bits) + seed
    if algorithm in RSA:
        return _pairOfRSA(algorithm, seed, bits)
    if algorithm in (ECDSA_P256, ECDSA_P384):
        return _pairOfECDSA(algorithm, seed)
    if algorithm == ED25519:
        edwards = ed25519.Ed25519PrivateKey.from_private_bytes(shake_256(seed).digest(32))
        return edwards.public_key().public_bytes_raw(), edwards.sign
    if algorithm == ED448:
        goldilocks = ed448.Ed448PrivateKey.from_private_bytes(shake_256(seed).digest(57))
        return goldilocks.public_key().public_bytes_raw(), goldilocks.sign
    raise CallerFault(f"cannot sign by algorithm {algorithmName(algorithm)}; the algorithms 5, 7, 8, 10, 13, 14, 15 and 16 are supported")


def _pairOfECDSA(algorithm: int, seed: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    curve: ec.EllipticCurve
    if algorithm == ECDSA_P256:
        curve, size, scheme = ec.SECP256R1(), 32, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    else:
        curve, size, scheme = ec.SECP384R1(), 48, ec.ECDSA(hashes.SHA384(), deterministic_signing=True)
    # The order of each curve is close enough below a power of two that this many bits are always in range.
    private = ec.derive_private_key(1 + (int.from_bytes(shake_256(seed).digest(size), "big") >> 1), curve)
    numbers = private.public_key().public_numbers()

    def make(data: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(data, scheme))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big"), make


def _pairOfRSA(algorithm: int, seed: bytes, bits: int) -> tuple[bytes, Callable[[bytes], bytes]]:
    if not 512 <= bits <= 4096 or bits % 16:
        raise CallerFault(f"{bits} bits is not a valid size of an RSA key: 512 to 4096 in steps of 16 are allowed")
    p, q = _prime(bits // 2, seed + b" p"), _prime(bits // 2, seed + b" q")
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    private = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    algorithmHash = RSA_HASHES[algorithm]

    def make(data: bytes) -> bytes:
        return private.sign(data, _PKCS1, algorithmHash)

    return b"\x03" + _EXPONENT.to_bytes(3, "big") + (p * q).to_bytes(bits // 8, "big"), make


def _prime(bits: int, seed: bytes) -> int:
    """
    Return the first prime after a number derived from the seed. The two highest bits are set, so that the product of two such primes has
    exactly twice as many bits.
    """
    candidate = int.from_bytes(shake_256(seed).digest(bits // 8), "big") | 3 << bits - 2 | 1
    while gcd(candidate, _PRODUCT) > 1 or candidate % _EXPONENT == 1 or not _isPrime(candidate):
        candidate += 2
    return candidate


def _isPrime(number: int) -> bool:
    """
    Apply the test of Miller and Rabin.
    """
    odd, twos = number - 1, 0
    while not odd & 1:
        odd >>= 1
        twos += 1
    for base in _BASES:
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def sign(rrset: RRSet, key: SigningKey, zone: bytes, inception: int, expiration: int, *, labels: int | None = None) -> RRSet:
    """
    Sign an RRset.

    @param zone: the signer's name.
    @param inception: seconds since 1970, as C{expiration}.
    @param labels: a false number of labels for the signature, for tests of validators; L{None} for the right one.

    @return: the RRSIG RRset with the one signature.
    """
    if labels is None:
        labels = labelCount(rrset.name) - (rrset.name[:2] == b"\x01*")
    times = expiration & 0xFFFFFFFF, inception & 0xFFFFFFFF
    signature = Signature(rrset.rrType, key.algorithm, labels, rrset.ttl, *times, key.tag, zone.lower())
    rdata = signature.head + key.signature(signedData(rrset, signature))
    return RRSet(rrset.name, RRSIG, rrset.rrClass, rrset.ttl, (rdata,))


def signZone(
    records: Iterable[RRSet],
    keys: Sequence[SigningKey],
    apex: bytes,
    inception: int,
    expiration: int,
    nsec3: Params | None = None,
) -> list[RRSet]:
    """
    Sign a zone: add its keys, a chain of NSEC or NSEC3 records and all signatures. Chain and signatures in the input are replaced; further
    DNSKEY records are published, and do not sign.

    For each algorithm, keys with the SEP flag sign the DNSKEY RRset and the others everything else; if there is only one kind, it signs
    everything. Revoked keys sign the DNSKEY RRset only.

    @param nsec3: the parameters of an NSEC3 chain, or L{None} for NSEC.

    @return: the whole zone in canonical order of its names, except that NSEC3 records follow at the end.

    @raise BadZone: there is no SOA record at the apex, or a record is outside of the zone.
    """
    apex = apex.lower()
    zone = _Zone(records, apex)
    zone.add(RRSet(apex, DNSKEY, zone.rrClass, zone.soa.ttl, tuple([key.dnskey for key in keys])))
    chain = zone.chain() if nsec3 is None else zone.hashedChain(nsec3)
    signers = _Signers(keys, apex, inception, expiration)
    signed: list[RRSet] = []
    for name, sets in zone.ordered():
        authoritative = name not in zone.occluded
        for rrset in sets.values():
            signed.append(rrset)
            if authoritative and (name not in zone.cuts or rrset.rrType == DS):
                signed += signers.sign(rrset)
        if nsec3 is None and authoritative:
            link = chain[name]
            signed += [link, *signers.sign(link)]
    if nsec3 is not None:
        for link in chain.values():
            signed += [link, *signers.sign(link)]
    return signed


class _Signers:
    """
    The keys of a zone by their roles.
    """

    def __init__(self, keys: Sequence[SigningKey], zone: bytes, inception: int, expiration: int) -> None:
        self.zone = zone
        self.times = inception, expiration
        self.ofKeys: list[SigningKey] = []
        self.ofRest: list[SigningKey] = []
        for key in keys:
            others = [other for other in keys if other.algorithm == key.algorithm and not other.flags & REVOKED]
            entry = bool(key.flags & SECURE_ENTRY_POINT)
            if entry or not any(other.flags & SECURE_ENTRY_POINT for other in others):
                self.ofKeys.append(key)
            if not key.flags & REVOKED and (not entry or all(other.flags & SECURE_ENTRY_POINT for other in others)):
                self.ofRest.append(key)

    def sign(self, rrset: RRSet) -> list[RRSet]:
        """
        Return the signatures of an RRset, as one RRset or none.
        """
        keys = self.ofKeys if rrset.rrType == DNSKEY else self.ofRest
        rdatas = [sign(rrset, key, self.zone, *self.times).rdatas[0] for key in keys]
        return [RRSet(rrset.name, RRSIG, rrset.rrClass, rrset.ttl, tuple(rdatas))] if rdatas else []


class _Zone:
    """
    The names of a zone that is being signed.

    @ivar names: RRsets by type, by folded owner.
    @ivar cuts: owners of delegations.
    @ivar occluded: names below a delegation or a DNAME record: glue and unreachable records.
    """

    def __init__(self, records: Iterable[RRSet], apex: bytes) -> None:
        self.apex = apex
        self.names: dict[bytes, dict[int, RRSet]] = {}
        for rrset in records:
            if not isBelow(rrset.name.lower(), apex):
                raise BadZone(f"{nameToText(rrset.name)} is outside of the zone {nameToText(apex)}")
            if rrset.rrType not in _MADE:
                self.add(rrset)
        soa = self.names.get(apex, {}).get(SOA)
        if soa is None:
            raise BadZone(f"there is no SOA record at {nameToText(apex)}")
        self.soa = soa
        self.rrClass = soa.rrClass
        # Negative answers are cached no longer than the SOA record allows (RFC 9077, section 3).
        self.ttl = min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big"))
        self.cuts: set[bytes] = set()
        self.occluded: set[bytes] = set()
        above = b""
        for name in sorted(self.names, key=canonicalKey):
            if above and name != above and isBelow(name, above):
                self.occluded.add(name)
                continue
            types = self.names[name]
            above = b""
            if NS in types and name != apex:
                self.cuts.add(name)
                above = name
            elif DNAME in types:
                above = name

    def add(self, rrset: RRSet) -> None:
        """
        Add records, to others of the same name and type if there are any.
        """
        types = self.names.setdefault(rrset.name.lower(), {})
        there = types.get(rrset.rrType)
        if there is not None:
            rrset = RRSet(there.name, there.rrType, there.rrClass, there.ttl, tuple(dict.fromkeys(there.rdatas + rrset.rdatas)))
        types[rrset.rrType] = rrset

    def ordered(self) -> Iterable[tuple[bytes, dict[int, RRSet]]]:
        """
        Return the names in canonical order, each with its RRsets.
        """
        return [(name, self.names[name]) for name in sorted(self.names, key=canonicalKey)]

    def _types(self, name: bytes) -> set[int]:
        """
        Return the types that the NSEC or NSEC3 record of a name lists, besides RRSIG and NSEC (RFC 4035, section 2.3).
        """
        types = set(self.names[name])
        return types & {NS, DS} if name in self.cuts else types

    def chain(self) -> dict[bytes, RRSet]:
        """
        Return the NSEC RRsets (RFC 4034, section 4).
        """
        names = [name for name in sorted(self.names, key=canonicalKey) if name not in self.occluded]
        found = {}
        for name, following in zip(names, [*names[1:], self.apex], strict=True):
            rdata = following + TypeBits().write(self._types(name) | {NSEC, RRSIG}, ())
            found[name] = RRSet(next(iter(self.names[name].values())).name, NSEC, self.rrClass, self.ttl, (rdata,))
        return found

    def hashedChain(self, params: Params) -> dict[bytes, RRSet]:
        """
        Return the NSEC3 RRsets (RFC 5155, section 7.1), and add the NSEC3PARAM record.
        """
        salt, iterations = params.salt, params.iterations
        if len(salt) > 255 or not 0 <= iterations <= 0xFFFF:
            raise CallerFault(f"{len(salt)} octets of salt, {iterations} iterations: at most 255 octets and 65535 iterations are allowed")
        tail = iterations.to_bytes(2, "big") + bytes([len(salt)]) + salt
        self.add(RRSet(self.apex, NSEC3PARAM, self.rrClass, 0, (b"\x01\x00" + tail,)))
        types: dict[bytes, set[int]] = {}
        for name in self.names:
            if name in self.occluded:
                continue
            listed = self._types(name)
            if name in self.cuts and DS not in listed:
                if params.optOut:
                    continue
            else:
                listed.add(RRSIG)
            types[name] = listed
            # Empty non-terminals.
            while name != self.apex:
                name = parentOf(name)
                if name in self.names or name in types:
                    break
                types[name] = set()
        hashed = {}
        for name, listed in types.items():
            digest = sha1(name + salt, usedforsecurity=False).digest()
            for _ in range(iterations):
                digest = sha1(digest + salt, usedforsecurity=False).digest()
            hashed[digest] = listed
        digests = sorted(hashed)
        head = bytes([1, params.optOut]) + tail + b"\x14"
        found = {}
        for digest, following in zip(digests, [*digests[1:], digests[0]], strict=True):
            rdata = head + following + TypeBits().write(hashed[digest], ())
            name = b"\x20" + toBase32Hex(digest).encode() + self.apex
            found[name] = RRSet(name, NSEC3, self.rrClass, self.ttl, (rdata,))
        return found
