"""
When the signatures of a zone end.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted_ext.wire.rrtypes import RRSIG

if TYPE_CHECKING:
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = ["FirstEnd", "firstEnd"]

#: Octets of an image that are read in one step: some milliseconds of work if most records are signatures.
_STEP: Final = 1 << 18

#: Nodes outside of the image that are read in one step.
_NODES: Final = 1000

#: An RRSIG record from the pointer behind its owner's labels on: type, class, TTL, length, and the rdata up to the expiration (RFC 4034,
#: section 3.1). Other records can contain the same octets, so each find has to be confirmed.
_PATTERN: Final = re.compile(rb"\xc0\x0c\x00\x2e\x00\x01(?=.{14}(.{4}))", re.DOTALL)

#: Where the rdata of an RRSIG has the expiration.
_FROM: Final = 8
_TO: Final = 12

_MASK: Final = 0xFFFFFFFF
_HALF: Final = 0x80000000


class FirstEnd(NamedTuple):
    """
    The signature of a zone that ends first.

    @ivar time: its expiration, in seconds since 1970.
    @ivar name: the owner's name, in wire form.
    @ivar covered: the type of the records that it signs.
    """

    time: int
    name: bytes
    covered: int


def firstEnd(version: Version, now: float) -> Generator[None, None, FirstEnd | None]:
    """
    Find the signature that ends first, in short steps. In an image the signatures are found by a search for their octets, which takes a
    tenth of the time that decoding all records would; those of changed names are read from these names.

    @param now: seconds since 1970. Expirations are the times closest to that (RFC 4034, section 3.1.5).

    @return: L{None} if the zone has no signatures.
    """
    image, overlay = version.image, version.overlay
    base = int(now) - _HALF
    best, first = _MASK + 1, None
    for count, node in enumerate(overlay.values()):
        if count % _NODES == _NODES - 1:
            yield
        for end, covered in [] if node is None else _endsOf(node):
            if (end - base) & _MASK < best:
                assert node is not None
                best, first = (end - base) & _MASK, FirstEnd(0, node.sets[0].name, covered)
    start = 0
    while start < image.nodes:
        view, _, following = image.stretches(start, _STEP, image.nodes)
        for found in _PATTERN.finditer(view):
            octets: bytes = found[1]
            if (int.from_bytes(octets, "big") - base) & _MASK >= best:
                continue
            node = image.node(image.nodeAt(start, found.start()))
            if node.key in overlay:
                continue
            for end, covered in _endsOf(node):
                if (end - base) & _MASK < best:
                    best, first = (end - base) & _MASK, FirstEnd(0, node.sets[0].name, covered)
        start = following
        yield
    return None if first is None else first._replace(time=base + best)


def _endsOf(node: Node) -> list[tuple[int, int]]:
    """
    Return the expiration of each signature of a node, and the type of the records that it covers.
    """
    return [
        (int.from_bytes(rdata[_FROM:_TO], "big"), int.from_bytes(rdata[:2], "big"))
        for rrset in node.sets
        if rrset.rrType == RRSIG
        for rdata in rrset.rdatas
        if len(rdata) >= _TO
    ]
