"""
Upstreams on loopback that know every name: what they answer follows from the name, the type and the upstream.
"""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from hashlib import sha256
from types import TracebackType
from typing import Final, Self

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

__all__ = ["FakeUpstreams"]

_TTL: Final = 300


class FakeUpstreams:
    """
    Several upstreams. Names whose first label begins with C{nx} do not exist, with C{alias} are aliases, with C{private} have a private
    address, with C{four} have no IPv6 address. All others have addresses that no rule for private networks blocks.

    @ivar ports: their ports, for UDP at 127.0.0.1.
    """

    def __init__(self, count: int) -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for each in self._sockets:
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        self.ports: list[int] = [each.getsockname()[1] for each in self._sockets]
        self._ended, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end.close()
        self._thread.join()
        for each in (*self._sockets, self._ended):
            each.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._ended, selectors.EVENT_READ, -1)
            for number, each in enumerate(self._sockets):
                selector.register(each, selectors.EVENT_READ, number)
            while True:
                for key, _ in selector.select():
                    if key.data < 0:
                        return
                    waiting = self._sockets[key.data]
                    # A packet that was sent to a former owner of the port may be anything.
                    with suppress(OSError, dns.exception.DNSException):
                        query, client = waiting.recvfrom(4096)
                        waiting.sendto(_reply(query, key.data), client)


def _reply(query: bytes, number: int) -> bytes:
    message = dns.message.from_wire(query)
    reply = dns.message.make_response(message, recursion_available=True)
    question = message.question[0]
    name = question.name
    label = name.labels[0].lower()
    if label.startswith(b"nx"):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif label.startswith(b"alias"):
        target = dns.name.Name((b"real", *name.labels[1:]))
        reply.answer.append(dns.rrset.from_text(name, _TTL, "IN", "CNAME", target.to_text()))
        if question.rdtype == dns.rdatatype.CNAME:
            return reply.to_wire()
        name = target
    if reply.rcode() == dns.rcode.NOERROR and (text := _rdata(name, question.rdtype, number, label)):
        reply.answer.append(dns.rrset.from_text(name, _TTL, "IN", question.rdtype, text))
    else:
        # A name without data may be the apex of the zone that is asked for.
        owner = name.parent() if reply.rcode() == dns.rcode.NXDOMAIN and len(name.labels) > 1 else name
        soa = dns.rrset.from_text(owner, _TTL, "IN", "SOA", "ns.invalid. a.invalid. 1 1 1 1 300")
        reply.authority.append(soa)
    return reply.to_wire()


def _rdata(name: dns.name.Name, rrType: int, number: int, label: bytes) -> str:
    """
    Return the data of a name, C{""} for none.
    """
    first, second, *_ = sha256(name.to_text().lower().encode()).digest()
    if rrType == dns.rdatatype.A:
        return "10.9.8.7" if label.startswith(b"private") else f"9.{number}.{first}.{second}"
    if rrType == dns.rdatatype.AAAA:
        return "" if label.startswith(b"four") else f"2a00:{number}::{first:x}:{second:x}"
    if rrType == dns.rdatatype.MX:
        return f"{first} mx{number}.invalid."
    if rrType == dns.rdatatype.TXT:
        return f'"upstream {number}" "{first}"'
    if rrType == dns.rdatatype.PTR:
        return f"host-{first}-{second}.up{number}.example."
    if rrType == dns.rdatatype.SRV:
        return f"{first} {second} {number} srv.invalid."
    return ""
