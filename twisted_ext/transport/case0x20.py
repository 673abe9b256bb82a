"""
Randomize the case of names in queries (draft-vixie-dnsext-dns0x20): replies repeat it, so a spoofer must guess one more bit per letter.
"""

from __future__ import annotations

from twisted_ext.transport.random import Draw
from twisted_ext.wire.message import Question

__all__ = ["mixed"]


def mixed(question: Question, draw: Draw) -> bytes:
    """
    Return the question to send, each letter of its name in a random case.
    """
    name = question.name
    bits = int.from_bytes(draw.take(-(-len(name) // 8)), "big")
    # Length octets are below 64, so they are not letters.
    lower, upper = name.lower(), name.upper()
    octets = bytes([upper[index] if bits >> index & 1 else lower[index] for index in range(len(name))])
    return octets + question.key[-4:]
