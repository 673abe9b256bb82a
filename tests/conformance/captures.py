"""
A reader of network captures: pcap files, and dnstap in frame streams. It reads no more of either than the corpora need.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, unpack_from
from typing import Final, NamedTuple

__all__ = ["Packet", "packetsOf", "messagesOf"]

_TCP: Final = 6
_UDP: Final = 17


class Packet(NamedTuple):
    """
    The content of one packet.
    """

    #: Both ends, which identify one direction of a stream.
    ends: bytes
    tcp: bool
    sourcePort: int
    targetPort: int
    sequence: int
    payload: bytes


def packetsOf(data: bytes) -> Iterator[Packet]:
    """
    Return the UDP and TCP packets of a pcap file. Wrong lengths are read as far as there are octets.
    """
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    header = Struct(order + "IIII")
    link = int(unpack_from(order + "I", data, 20)[0])
    position = 24
    while position + header.size <= len(data):
        _, _, length, _ = header.unpack_from(data, position)
        position += header.size
        found = _fromLink(link, data[position : position + length])
        if found is not None:
            yield found
        position += length


def _fromLink(link: int, octets: bytes) -> Packet | None:
    # BSD loopback or Ethernet.
    octets = octets[4:] if link == 0 else octets[14:]
    version = octets[0] >> 4
    if version == 4:
        behind, protocol, addresses = (octets[0] & 15) * 4, octets[9], octets[12:20]
        end = int.from_bytes(octets[2:4], "big")
    elif version == 6:
        behind, protocol, addresses = 40, octets[6], octets[8:40]
        end = 40 + int.from_bytes(octets[4:6], "big")
    else:
        return None
    octets = octets[: end or None]
    source, target = unpack_from(">HH", octets, behind)
    ends = addresses + octets[behind : behind + 4]
    if protocol == _UDP:
        return Packet(ends, False, source, target, 0, octets[behind + 8 :])
    if protocol != _TCP:
        return None
    sequence = int(unpack_from(">I", octets, behind + 4)[0])
    # SYN uses a sequence number.
    sequence += octets[behind + 13] >> 1 & 1
    return Packet(ends, True, source, target, sequence, octets[behind + (octets[behind + 12] >> 4) * 4 :])


def messagesOf(data: bytes) -> Iterator[bytes]:
    """
    Return the DNS messages in a dnstap file.
    """
    position = 0
    while position + 4 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        position += 4
        if not length:
            # A control frame, whose own length follows.
            position += 4 + int.from_bytes(data[position : position + 4], "big")
            continue
        for number, octets in _fieldsOf(data[position : position + length]):
            if number == 14:
                yield from [message for inner, message in _fieldsOf(octets) if inner in (10, 14)]
        position += length


def _fieldsOf(data: bytes) -> Iterator[tuple[int, bytes]]:
    """
    Return number and octets of each field of a protocol buffer that has octets.
    """
    position = 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            octet = data[position]
            position += 1
            value |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return value

    while position < len(data):
        tag = number()
        kind = tag & 7
        if kind == 0:
            number()
        elif kind == 2:
            length = number()
            yield tag >> 3, data[position : position + length]
            position += length
        else:
            position += 4 if kind == 5 else 8
