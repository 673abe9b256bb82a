"""
Convert IPv4 and IPv6 addresses between octets and text.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["ipv4FromText", "ipv4ToText", "ipv6FromText", "ipv6ToText"]

#: The parts of IPv4 addresses.
_NUMBERS: Final = [str(octet) for octet in range(256)]

_GROUP: Final = re.compile("[0-9A-Fa-f]{1,4}")


def ipv4FromText(text: str) -> bytes:
    """
    @raise ValueError: the text is not four decimal numbers without leading zeros.
    """
    parts = text.split(".")
    if len(parts) != 4:
        raise ValueError(text)
    for part in parts:
        if not (part.isascii() and part.isdigit()) or len(part) > 3 or (part[0] == "0" and part != "0"):
            raise ValueError(text)
    return bytes([int(part) for part in parts])


def ipv4ToText(octets: bytes) -> str:
    return f"{_NUMBERS[octets[0]]}.{_NUMBERS[octets[1]]}.{_NUMBERS[octets[2]]}.{_NUMBERS[octets[3]]}"


def ipv6FromText(text: str) -> bytes:
    """
    @raise ValueError: the text is not in the format of RFC 4291, section 2.2, with or without the last 32 bits as an IPv4 address.
    """
    head, double, tail = text.partition("::")
    before = _groups(head, not double)
    if not double:
        if len(before) != 16:
            raise ValueError(text)
        return before
    behind = _groups(tail, True)
    zeros = 16 - len(before) - len(behind)
    if zeros < 2:
        raise ValueError(text)
    return before + bytes(zeros) + behind


def _groups(text: str, last: bool) -> bytes:
    if not text:
        return b""
    octets = bytearray()
    parts = text.split(":")
    for index, part in enumerate(parts):
        if last and index == len(parts) - 1 and "." in part:
            octets += ipv4FromText(part)
        elif _GROUP.fullmatch(part):
            octets += int(part, 16).to_bytes(2, "big")
        else:
            raise ValueError(text)
    return bytes(octets)


def ipv6ToText(octets: bytes) -> str:
    """
    Write an address as RFC 5952 recommends: lower case, the longest run of zeros left out, mapped IPv4 addresses in dotted form.
    """
    if octets[:12] == b"\x00" * 10 + b"\xff\xff":
        return "::ffff:" + ipv4ToText(octets[12:])
    groups = [octets[index] << 8 | octets[index + 1] for index in range(0, 16, 2)]
    best = length = run = 0
    for index, group in enumerate(groups):
        run = run + 1 if not group else 0
        if run > length:
            length, best = run, index - run + 1
    if length < 2:
        return ":".join([f"{group:x}" for group in groups])
    before = ":".join([f"{group:x}" for group in groups[:best]])
    behind = ":".join([f"{group:x}" for group in groups[best + length :]])
    return f"{before}::{behind}"
