"""
What the package makes of an input, as text: the same inputs give the same texts, from source and compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from tests.conformance.examining import contentOf
from tests.packetcache.pairs import Pair, packets
from tests.wire.shown import optionsOf
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import ROOT, canonicalKey, labelCount, labelsOf, nameFromText, nameToText, parentOf
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.wire.tsig import splitSigned
from twisted_ext.zone.zonefile.reader import readMaster

__all__ = ["OUTCOMES"]


def _attempt(function: Callable[[], object]) -> str:
    """
    Return the result of a call, or its error.
    """
    try:
        return repr(function())
    except Exception as error:
        return f"{type(error).__module__}.{type(error).__qualname__}: {error}"


def _request(octets: bytes) -> object:
    request = Request.fromWire(octets, ("192.0.2.1", 4000), "udp")
    if request is None:
        return None
    fault = request.fault
    # Compiled code keeps rcodes as plain numbers.
    refused = None if fault is None else (int(fault.rcode), fault.ede, fault.truncated, fault.silent, fault.bare, fault.flags)
    return (request.id, request.flags, request.opcode, refused, request.edns, request.signature)


def _message(octets: bytes) -> str:
    """
    Read a message, as a whole and as a server does, show its records and options, and build it again.
    """
    found = [_attempt(lambda: _request(octets)), _attempt(lambda: splitSigned(octets))]
    try:
        message = Message.fromWire(octets)
        found.append(_attempt(lambda: str(message)))
        message.check()
    except Exception:
        found.append(_attempt(lambda: Message.fromWire(octets).check()))
        return "\n".join(found)
    found.append(_attempt(lambda: contentOf(message)))
    found.append(_attempt(lambda: [recordToText(rrset) for rrset in message.answer + message.authority + message.additional]))
    found.append(_attempt(lambda: [option.toText() for option in optionsOf(message.edns)]))
    found.append(_attempt(lambda: buildMessage(message)))
    return "\n".join(found)


def _name(octets: bytes) -> str:
    """
    Parse a name as text, and take octets as a name.
    """
    text = octets.decode("utf-8", "surrogateescape")
    found = [_attempt(lambda: nameFromText(text)), _attempt(lambda: nameFromText(octets, b"\x07example\x00"))]
    try:
        name = nameFromText(text)
    except Exception:
        return "\n".join(found)
    parts = (nameToText(name), nameToText(name, unicode=True), labelsOf(name), labelCount(name), canonicalKey(name))
    return "\n".join([*found, repr(parts), _attempt(lambda: parentOf(name))])


def _zone(octets: bytes) -> str:
    """
    Read lines of a zone file, with and without the fast path, and build an image of the zone.
    """
    found: list[str] = []
    for quick in (True, False):
        content = readMaster(octets, ROOT, ttl=60, quick=quick)
        found.append(repr(([str(each) for each in content.complaints], content.builder.nodes)))
    if content.sound:
        found.append(_attempt(lambda: sha256(content.builder.finish()).hexdigest()))
    return "\n".join(found)


def _replies(octets: bytes) -> str:
    """
    Send packets to two new servers, one of them with a packet cache.

    @param octets: the number of packets as two octets, then the seed from which they are made.
    """
    count, seed = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:], "big")
    found: list[str] = []
    pair = Pair()
    try:
        for packet, client, stream, passes in packets(count, seed):
            found.append(repr((packet, pair.replies(packet, client, stream=stream, passes=passes))))
    finally:
        pair.close()
    return "\n".join(found)


#: For each kind of input, a function that turns it into text.
OUTCOMES: Final[Mapping[str, Callable[[bytes], str]]] = MappingProxyType(
    {"message": _message, "name": _name, "zone": _zone, "replies": _replies}
)
