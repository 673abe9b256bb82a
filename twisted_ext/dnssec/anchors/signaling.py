"""
Tell the operators of a zone which of its keys this resolver trusts, by the name of a query (RFC 8145, section 5).
"""

from __future__ import annotations

from typing import Final

from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.wire.names import MOST_OCTETS

__all__ = ["signalName"]

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
