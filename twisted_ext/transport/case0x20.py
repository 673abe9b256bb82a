"""
Randomize the case of names in queries (draft-vixie-dnsext-dns0x20): replies repeat it, so a spoofer must guess one more bit per letter.
"""

from __future__ import annotations

from twisted_ext.transport.random import Draw
from twisted_ext.wire.message import Question

__all__ = ["mixed"]


def mixed(question: Question, draw: Draw) -> bytes:
    """
    @return: the question as it is sent, each letter in a case drawn for it.
    """
    name = question.name
    bits = int.from_bytes(draw.take(-(-len(name) // 8)), "big")
    # Octets of length are below 64 and no letters.
    lower, upper = name.lower(), name.upper()
    octets = bytes([upper[index] if bits >> index & 1 else lower[index] for index in range(len(name))])
    return octets + question.key[-4:]
