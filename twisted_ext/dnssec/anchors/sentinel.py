"""
What others can learn about the keys that this resolver trusts: clients, by names that it answers in a special way (RFC 8509), and operators
of zones, by the name of a query (RFC 8145, section 5).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.wire.names import MOST_OCTETS
from twisted_ext.wire.rrtypes import AAAA, A

__all__ = ["refusesSentinel", "sentinelOf", "signalName"]

_IS: Final = b"root-key-sentinel-is-ta-"
_NOT: Final = b"root-key-sentinel-not-ta-"

#: Digits of the key tag, with zeros in front.
_DIGITS: Final = 5

_MOST_TAG: Final = 0xFFFF

#: Key tags in the name of one trust anchor signal: as many as a label of 63 octets has room for (RFC 8145, section 5.1).
_SIGNALED_TAGS: Final = 12


def signalName(anchors: ZoneAnchors) -> bytes | None:
    """
    Return the name to query for, with type NULL: the tags in hex and ascending order, such as C{_ta-4f66-9728.} for the root.

    @return: L{None} if the zone has no trust anchors, or if its name leaves no room.
    """
    tags = anchors.tags()[: _SIGNALED_TAGS]
    label = b"-".join([b"_ta", *[b"%04x" % tag for tag in tags]])
    name = bytes([len(label)]) + label + anchors.zone
    return name if tags and len(name) <= MOST_OCTETS else None


def sentinelOf(name: bytes) -> tuple[bool, int] | None:
    """
    Parse the first label of a name.

    @param name: in wire format.

    @return: whether the name asks if the key is trusted (else if it is not), and the key tag; L{None} for other names.
    """
    length = name[0]
    # The common case is decided by the length alone.
    if length == len(_IS) + _DIGITS:
        asksIs, prefix = True, _IS
    elif length == len(_NOT) + _DIGITS:
        asksIs, prefix = False, _NOT
    else:
        return None
    label = name[1 : length + 1].lower()
    digits = label[len(prefix) :]
    if not label.startswith(prefix) or not digits.isdigit() or int(digits) > _MOST_TAG:
        return None
    return asksIs, int(digits)


def refusesSentinel(name: bytes, rrType: int, rootTags: Collection[int], secure: bool, checkingDisabled: bool) -> bool:
    """
    Return whether to reply SERVFAIL in place of the answer (RFC 8509, section 3.1 and 3.2).

    @param name: the name queried for.
    @param rootTags: the key tags of the root's trust anchors.
    @param secure: whether the answer is secure, with rcode NOERROR.
    @param checkingDisabled: whether the query has the CD flag.
    """
    if not secure or checkingDisabled or (rrType != A and rrType != AAAA):
        return False
    sentinel = sentinelOf(name)
    if sentinel is None:
        return False
    asksIs, tag = sentinel
    return asksIs is not (tag in rootTags)
