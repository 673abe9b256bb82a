"""
Algorithms of signatures and digests, and which of them a validator accepts.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1, sha256, sha384
from typing import Final

from twisted_ext.dnssec.limits import RSA_LEAST_BITS, RSA_MOST_BITS
from twisted_ext.wire.rdata.types.dnssec import ALGORITHMS

__all__ = [
    "DSA", "DSA_NSEC3", "ECDSA_P256", "ECDSA_P384", "ED25519", "ED448", "RSASHA1", "RSASHA1_NSEC3", "RSASHA256", "RSASHA512", "RSA",
    "STANDARD", "TESTING", "Profile", "algorithmName", "digestName", "digestOf",
]

#: Algorithm numbers (RFC 8624, section 3.1, and IANA's registry).
DSA: Final = 3
RSASHA1: Final = 5
DSA_NSEC3: Final = 6
RSASHA1_NSEC3: Final = 7
RSASHA256: Final = 8
RSASHA512: Final = 10
ECDSA_P256: Final = 13
ECDSA_P384: Final = 14
ED25519: Final = 15
ED448: Final = 16

#: The algorithms that are RSA, whose keys have sizes to choose.
RSA: Final = frozenset((RSASHA1, RSASHA1_NSEC3, RSASHA256, RSASHA512))

_DIGESTS: Final = {1: sha1, 2: sha256, 4: sha384}
_DIGEST_NAMES: Final = {1: "SHA-1", 2: "SHA-256", 3: "GOST R 34.11-94", 4: "SHA-384", 5: "GOST R 34.11-2012", 6: "SM3"}
_SHA1: Final = 1

_ALGORITHM_NAMES: Final = {number: name for name, number in reversed(ALGORITHMS.items())}


def algorithmName(algorithm: int) -> str:
    """
    Return the mnemonic of an algorithm, or its number.
    """
    return _ALGORITHM_NAMES.get(algorithm) or str(algorithm)


def digestName(digestType: int) -> str:
    """
    Return the name of a DS digest, or its number.
    """
    return _DIGEST_NAMES.get(digestType) or str(digestType)


def digestOf(owner: bytes, rdata: bytes, digestType: int) -> bytes | None:
    """
    Return the digest of a key for a DS record (RFC 4034, section 5.1.4), or L{None} if the digest type is unknown.

    @param rdata: that of the DNSKEY record.
    """
    digest = _DIGESTS.get(digestType)
    return None if digest is None else digest(owner.lower() + rdata, usedforsecurity=digestType != _SHA1).digest()


class Profile:
    """
    The algorithms and keys that a validator accepts. Zones with others only are insecure (RFC 4035, section 5.2).

    @ivar algorithms: numbers of the accepted algorithms.
    @ivar digests: numbers of the accepted DS digests.
    @ivar leastBits: least size of RSA keys.
    @ivar mostBits: greatest size of RSA keys.
    @ivar everyAlgorithm: whether an RRset needs a signature by each accepted algorithm among the zone's keys. Validators should not insist
        on that (RFC 6840, section 5.11).
    """

    __slots__ = ("algorithms", "digests", "leastBits", "mostBits", "everyAlgorithm")

    def __init__(
        self,
        algorithms: Iterable[int],
        digests: Iterable[int] = (1, 2, 4),
        *,
        leastBits: float | None = None,
        mostBits: float | None = None,
        everyAlgorithm: bool = False,
    ) -> None:
        self.algorithms = frozenset(algorithms)
        self.digests = frozenset(digests)
        self.leastBits = int(RSA_LEAST_BITS.pick(leastBits))
        self.mostBits = int(RSA_MOST_BITS.pick(mostBits))
        self.everyAlgorithm = everyAlgorithm

    def supports(self, algorithm: int, bits: int | None = None) -> bool:
        """
        Return whether an algorithm is accepted, and with it keys of a size.

        @param bits: the size of the key; L{None} asks about the algorithm alone.
        """
        return algorithm in self.algorithms and (bits is None or algorithm not in RSA or self.leastBits <= bits <= self.mostBits)

    def usable(self, delegation: Iterable[bytes]) -> tuple[bytes, ...]:
        """
        Return the DS records whose algorithm and digest are accepted, without SHA-1 ones if there are others (RFC 4509, section 3). If none
        is left, the zone is insecure.

        @param delegation: rdata of the DS records of one zone.
        """
        algorithms, digests = self.algorithms, self.digests
        found = []
        for rdata in delegation:
            if len(rdata) > 4 and rdata[2] in algorithms and rdata[3] in digests:
                found.append(rdata)
        if len(found) > 1:
            found = [rdata for rdata in found if rdata[3] != _SHA1] or found
        return tuple(found)


#: The default: the algorithms that IANA's registries recommend for validation (RFC 9904), without SHA-1 in signatures (RFC 9905) and GOST
#: (RFC 9906).
STANDARD: Final = Profile((RSASHA256, RSASHA512, ECDSA_P256, ECDSA_P384, ED25519, ED448))

#: With retired algorithms and short keys, for recorded scenarios.
TESTING: Final = Profile((*STANDARD.algorithms, DSA, RSASHA1, DSA_NSEC3, RSASHA1_NSEC3), leastBits=512)
