"""
Check whether octets are a reply to a question (RFC 5452, section 9.1). Callers have already compared address, port and id.

Names may be sent in mixed case (draft-vixie-dnsext-dns0x20): replies repeat it, so a spoofer must guess one more bit per letter.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.transport.random import Draw
from twisted_ext.wire.codes import AA, AD, CD, RA, RD
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameEnd

__all__ = ["USUAL_STARTS", "hasOtherQuestion", "isBareFailure", "isReplyTo", "mixed"]

_ONE = b"\x00\x01"

#: The third to sixth octets of nearly all usable replies, flags and question count: QR, with or without AA, RD, RA, AD and CD; NOERROR or
#: NXDOMAIN; one question.
USUAL_STARTS: Final = frozenset(
    (0x8000 | aa | rd | ra | ad | cd | rcode).to_bytes(2, "big") + b"\x00\x01"
    for aa in (0, AA)
    for rd in (0, RD)
    for ra in (0, RA)
    for ad in (0, AD)
    for cd in (0, CD)
    for rcode in (0, 3)
)


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


def isReplyTo(octets: bytes, wire: bytes, sameCase: bool) -> bool:
    """
    Check for QR, the opcode QUERY, and exactly one question, which has to equal the one that was asked.

    @param octets: the whole message, of any length.
    @param wire: the question as it was sent.
    @param sameCase: whether the name has to be in exactly the case in which it was sent: with mixed case, this is further evidence that the
        sender has seen the query.
    """
    end = 12 + len(wire)
    if len(octets) < end or octets[2] & 0xF8 != 0x80 or octets[4:6] != _ONE:
        return False
    asked = octets[12:end]
    if asked == wire:
        return True
    # Only fold the name: type 65 is "A" and type 97 is "a".
    return not sameCase and asked[-4:] == wire[-4:] and asked[:-4].lower() == wire[:-4].lower()


def hasOtherQuestion(octets: bytes, query: bytes) -> bool:
    """
    Return whether this is a reply to another question than that of a query, which says nothing about the query.

    @param query: the message that was sent, without its id.
    """
    wire = query[10 : nameEnd(query, 10) + 4]
    isReply = len(octets) > 12 and octets[2] & 0xF8 == 0x80 and octets[4:6] == _ONE
    return isReply and not isReplyTo(octets, wire, False)


def isBareFailure(octets: bytes) -> bool:
    """
    Return whether this is a bare header with an error rcode, as servers without EDNS send it. Callers must trust it only on a channel
    that cannot be spoofed.
    """
    return len(octets) == 12 and octets[2] & 0xF8 == 0x80 and octets[4:6] == b"\x00\x00" and octets[3] & 15 not in (0, 3)
