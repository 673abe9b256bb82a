"""
Let clients find out whether this resolver trusts a key of the root, by names that it answers in a special way (RFC 8509).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from twisted_ext.wire.rrtypes import AAAA, A

__all__ = ["refusesSentinel", "sentinelOf"]

_IS: Final = b"root-key-sentinel-is-ta-"
_NOT: Final = b"root-key-sentinel-not-ta-"

#: Digits of the key tag, with zeros in front.
_DIGITS: Final = 5

_MOST_TAG: Final = 0xFFFF


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
