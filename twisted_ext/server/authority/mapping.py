"""
What the C extension needs of a version of a zone to make replies from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.native.chosen import mapped
from twisted_ext.server.reply.replywriter import compose
from twisted_ext.wire.message import HEADER_OCTETS
from twisted_ext.zone.query.answers import deniedBy

if TYPE_CHECKING:
    from twisted_ext.native.chosen import Mapped
    from twisted_ext.zone.store.version import Version

__all__ = ["Denial", "denialOf", "mappedOf"]

#: The authority section of a denial: its octets as they follow a question for a name with one label of one octet below the apex; the octets
#: of that label; where in the section its compression pointers are, which change with the name; and the labels before the apex at which the
#: two names in the SOA record end, C{b""} for names outside: a question that has one of these there is compressed otherwise.
Denial = tuple[bytes, int, bytes, bytes, bytes]

#: No name in an SOA record has it before the apex, as that compares without case.
_LABEL: Final = b"\x01\xff"

_POINTER: Final = 0xC0
_A_IN: Final = b"\x00\x01\x00\x01"


def mappedOf(version: Version, denies: bool) -> Mapped | None:
    """
    @param denies: whether to make denials too.

    @return: L{None} where Python has to answer: without the extension, and if cuts have changed since the image was built.
    """
    if mapped is None or version.recut or version.origin is None or version.origin.epoch is None:
        return None
    mapping = version.image.mapping()
    if mapping is None:
        return None
    buffer, places = mapping
    denial = denialOf(version) if denies and not version.overlay and not version.image.aliases else None
    return mapped(buffer, places, version.apex, version.overlay, denial, version.proves or version.signed)


def denialOf(version: Version) -> Denial | None:
    """
    @return: L{None} if the names in the SOA record are such that this is not worth it.
    """
    apex = version.apex
    name = _LABEL + apex
    start = bytes(HEADER_OCTETS) + name + _A_IN
    octets = compose(start, name, 0, ((), deniedBy(version), ()), b"", 1 << 16).octets[len(start) :]
    if octets[0] < _POINTER:
        # The apex is that of the root, to which nothing points.
        return None
    pointers = [0]
    position = 12
    for _ in range(2):
        while 0 < octets[position] < _POINTER:
            position += 1 + octets[position]
        if octets[position]:
            pointers.append(position)
            position += 1
        position += 1
    labels: list[bytes] = []
    rdata = version.soa.rdatas[0]
    position = 0
    for _ in range(2):
        last = b""
        starts: list[int] = []
        while rdata[position]:
            starts.append(position)
            position += 1 + rdata[position]
        position += 1
        for begin in starts:
            if rdata[begin + 1 + rdata[begin] : position].lower() == apex:
                last = rdata[begin : begin + 1 + rdata[begin]].lower()
        labels.append(last)
    return octets, len(_LABEL), bytes(pointers), labels[0], labels[1]
