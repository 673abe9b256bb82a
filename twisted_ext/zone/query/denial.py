"""
Proofs of nonexistence, from the NSEC or NSEC3 records of a signed zone (RFC 4035, section 3.1.3; RFC 5155, section 7.2).

Each function returns RRsets for the authority section, each followed by its signatures. If the chain has a gap, the proof is incomplete: a
validator will notice.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.rrtypes import NSEC, NSEC3
from twisted_ext.zone.limits import NSEC3_HASHES, NSEC3_ITERATIONS
from twisted_ext.zone.store.nodes import STAR

if TYPE_CHECKING:
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = ["absent", "expanded", "hashed", "noData", "noWildcardData", "tooManyIterations", "undelegated"]

#: The only hash algorithm (RFC 5155, section 11).
_SHA1: Final = 1

_MOST_ITERATIONS: Final = int(NSEC3_ITERATIONS.default)

Proof = tuple["RRSet", ...]


@lru_cache(int(NSEC3_HASHES.default))
def hashed(name: bytes, iterations: int, salt: bytes) -> bytes:
    """
    Return the NSEC3 hash of a folded absolute name (RFC 5155, section 5), in base 32 and lower case as in the owners of NSEC3 records.
    """
    digest = sha1(name + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = sha1(digest + salt, usedforsecurity=False).digest()
    return toBase32Hex(digest).encode()


def tooManyIterations(version: Version) -> bool:
    """
    Return whether the zone has so many NSEC3 iterations that its negative answers get no proof (RFC 9276, section 3.2): otherwise any
    client could cause that work.
    """
    parameters = version.nsec3Parameters
    return parameters is not None and (parameters[0] != _SHA1 or parameters[1] > _MOST_ITERATIONS)


def _chain(version: Version) -> int:
    """
    Return the type of the records that proofs are made of; 0 for no proofs.
    """
    if not version.proves:
        return 0
    if version.nsec3Parameters is None:
        return NSEC
    return 0 if tooManyIterations(version) else NSEC3


def absent(version: Version, key: bytes, encloser: bytes) -> Proof:
    """
    Prove that a name does not exist, and that no wildcard matches it (RFC 4035, section 3.1.3.2; RFC 5155, section 7.2.2).

    @param encloser: the key of the closest encloser.
    """
    chain = _chain(version)
    if chain == NSEC:
        return _sets(NSEC, (version.nsecBefore(key), version.nsecBefore(STAR + encloser)))
    if not chain:
        return ()
    nearest, further, proved = _enclosed(version, key, encloser)
    return _sets(NSEC3, (nearest, further, _covering(version, STAR + proved)))


def noData(version: Version, key: bytes) -> Proof:
    """
    Prove that an existing name has no records of a type (RFC 4035, section 3.1.3.1; RFC 5155, section 7.2.3).
    """
    chain = _chain(version)
    if chain == NSEC:
        return _sets(NSEC, (version.nsecBefore(key),))
    return _sets(NSEC3, _standing(version, key)) if chain else ()


def undelegated(version: Version, key: bytes) -> Proof:
    """
    Prove that a delegation has no DS records (RFC 4035, section 3.1.4.1; RFC 5155, sections 7.2.4 and 7.2.7).
    """
    if _chain(version) == NSEC:
        node = version.nsecBefore(key)
        # The NSEC of another name would deny the delegation itself.
        return _sets(NSEC, (node,)) if node is not None and node.key == key else ()
    return noData(version, key)


def noWildcardData(version: Version, key: bytes, encloser: bytes) -> Proof:
    """
    Prove that a name does not exist, and that the wildcard which matches it has no records of a type (RFC 4035, section 3.1.3.4; RFC
    5155, section 7.2.5).
    """
    if _chain(version) != NSEC3:
        return absent(version, key, encloser)
    nearest, further, proved = _enclosed(version, key, encloser)
    if proved != encloser:
        # The wildcard, too, has only insecure delegations below it and is opted out: prove the opt-out span only.
        return _sets(NSEC3, (nearest, further))
    wildcard = STAR + encloser
    return _sets(NSEC3, (nearest, further, _matching(version, wildcard) or _covering(version, wildcard)))


def expanded(version: Version, key: bytes, encloser: bytes) -> Proof:
    """
    Prove that a name does not exist, for an answer expanded from a wildcard (RFC 4035, section 3.1.3.3; RFC 5155, section 7.2.6).
    """
    chain = _chain(version)
    if chain == NSEC:
        return _sets(NSEC, (version.nsecBefore(key),))
    return _sets(NSEC3, (_covering(version, _nextCloser(key, encloser)),)) if chain else ()


def _sets(rrType: int, nodes: tuple[Node | None, ...]) -> Proof:
    found: list[RRSet] = []
    seen: list[bytes] = []
    for node in nodes:
        if node is None or node.key in seen:
            continue
        seen.append(node.key)
        rrset = node.of(rrType)
        if rrset is not None:
            found.append(rrset)
            signatures = node.signatures(rrType)
            if signatures is not None:
                found.append(signatures)
    return tuple(found)


def _nextCloser(key: bytes, encloser: bytes) -> bytes:
    """
    Return the next closer name: one label longer than the closest encloser (RFC 5155, section 1.3).
    """
    end = len(key) - len(encloser)
    position = 0
    while (following := position + key[position] + 1) < end:
        position = following
    return key[position:]


def _nodeFor(version: Version, key: bytes) -> tuple[Node, bool] | None:
    _, iterations, salt = version.nsec3Parameters or (_SHA1, 0, b"")
    return version.nsec3For(hashed(key + version.apex, iterations, salt))


def _matching(version: Version, key: bytes) -> Node | None:
    found = _nodeFor(version, key)
    return found[0] if found is not None and found[1] else None


def _covering(version: Version, key: bytes) -> Node | None:
    found = _nodeFor(version, key)
    return found[0] if found is not None and not found[1] else None


def _enclosed(version: Version, key: bytes, encloser: bytes) -> tuple[Node | None, Node | None, bytes]:
    """
    Return the node that matches the closest encloser, the one that covers the next closer name (RFC 5155, section 7.2.1), and the encloser.
    If that is opted out, having only insecure delegations below it, this is the closest provable encloser.
    """
    closer = _nextCloser(key, encloser)
    while True:
        nearest = _matching(version, encloser)
        if nearest is not None or not encloser:
            return nearest, _covering(version, closer), encloser
        closer = encloser
        encloser = encloser[encloser[0] + 1 :]


def _standing(version: Version, key: bytes) -> tuple[Node | None, ...]:
    """
    Return the node that matches an existing name, or, if the name is opted out, the proof of that (RFC 5155, section 6).
    """
    matching = _matching(version, key)
    if matching is not None or not key:
        return (matching,)
    nearest, further, _ = _enclosed(version, key, key[key[0] + 1 :])
    return nearest, further
