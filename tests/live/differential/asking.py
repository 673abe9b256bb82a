"""
Asks a resolver many questions at a time.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Final, NamedTuple

from tests.live.differential.questions import Case
from twisted_ext.errors import BadMessage
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AD, RD, TC, rcodeName
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import CNAME, DNAME, MX, NS, PTR, SOA, SRV, typeName

__all__ = ["Reply", "ask", "askAll"]

#: Seconds until a question is asked again, and how often it is asked.
_WAIT: Final = 6.0
_TRIES: Final = 3

#: An extended error (RFC 8914).
_EXTENDED_ERROR: Final = 15

#: Types with names in their data, whose case does not count.
_WITH_NAMES: Final = frozenset((NS, CNAME, DNAME, MX, SOA, SRV, PTR))

_ids: Final = count(1)


class Reply(NamedTuple):
    """
    What is compared of a reply.

    @ivar status: the rcode, or C{"none"} without a reply.
    @ivar ad: whether it is said to be secure.
    @ivar records: of the answer section, as text without TTLs, sorted.
    @ivar ede: the extended errors; not compared.
    @ivar seconds: the time that it took.
    """

    status: str
    ad: bool = False
    records: tuple[str, ...] = ()
    ede: tuple[int, ...] = ()
    seconds: float = 0.0

    def agrees(self, other: Reply) -> bool:
        """
        Return whether another reply says the same. A failure says nothing else.
        """
        return self.status == other.status and (self.status == "SERVFAIL" or self[1:3] == other[1:3])


_NONE: Final = Reply("none")


def ask(port: int, name: str, rrType: str = "A", *, tries: int = _TRIES, wait: float = _WAIT, flags: int = RD | AD) -> Reply:
    """
    Ask a resolver at 127.0.0.1, over UDP and then TCP if the reply is truncated.
    """
    began = time.monotonic()
    number = next(_ids) & 0xFFFF
    query = buildMessage(Message(number, flags, (questionOf(name, rrType),), edns=EDNS(4096)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", port))
        udp.settimeout(wait)
        for _ in range(tries):
            with suppress(OSError, BadMessage, struct.error):
                udp.send(query)
                message = Message.fromWire(udp.recv(65_535))
                if message.id != number:
                    continue
                if message.flags & TC:
                    message = _overTCP(port, query, wait)
                return _replyOf(message, time.monotonic() - began)
    return _NONE._replace(seconds=time.monotonic() - began)


def _overTCP(port: int, query: bytes, wait: float) -> Message:
    with socket.create_connection(("127.0.0.1", port), wait) as stream, stream.makefile("rb") as reading:
        stream.sendall(struct.pack(">H", len(query)) + query)
        (length,) = struct.unpack(">H", reading.read(2))
        return Message.fromWire(reading.read(length))


def _replyOf(message: Message, seconds: float) -> Reply:
    records = set()
    for rrset in message.answer:
        start = f"{nameToText(rrset.name.lower())} {typeName(rrset.rrType)} "
        for rdata in rrset.rdatas:
            text = rdataToText(rrset.rrType, rdata)
            records.add(start + (text.lower() if rrset.rrType in _WITH_NAMES else text))
    options = () if message.edns is None else message.edns.options
    ede = tuple([int.from_bytes(octets[:2], "big") for code, octets in options if code == _EXTENDED_ERROR])
    return Reply(rcodeName(message.rcode), bool(message.flags & AD), tuple(sorted(records)), ede, seconds)


def askAll(port: int, cases: Iterable[Case], together: int, flags: int = RD | AD) -> list[Reply]:
    """
    Ask all questions, in their order.

    @param together: how many at a time.
    """
    with ThreadPoolExecutor(together) as pool:
        return list(pool.map(lambda case: ask(port, case.name, case.rrType, flags=flags), cases))
