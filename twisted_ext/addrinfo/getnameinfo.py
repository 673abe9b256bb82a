"""
Look up the names of an address and a port like getnameinfo(3), without blocking.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from twisted_ext.aliases import found, isHostName
from twisted_ext.answers import Question
from twisted_ext.compat.conversion.errors import addressError
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.errors import Closed, DNSFault
from twisted_ext.limits import LOCAL_ALIASES
from twisted_ext.resolver.ask import askedOn
from twisted_ext.wire.addressranges import reverseNameOf
from twisted_ext.wire.names import ROOT, nameToText
from twisted_ext.wire.rrtypes import PTR

if TYPE_CHECKING:
    from twisted_ext.addrinfo.hints import SocketAddress
    from twisted_ext.answers import QueryContext
    from twisted_ext.compat.names import NamesResolver

__all__ = ["getnameinfo"]

#: Prefixes of IPv6 addresses with embedded IPv4 addresses (RFC 4291, section 2.5.5).
_IPV4_WITHIN: Final = (bytes(10) + b"\xff\xff", bytes(12))


async def getnameinfo(resolver: NamesResolver, sockaddr: SocketAddress, flags: int, timeout: Timeout) -> tuple[str, str]:
    # The C library does not block when asked for numeric output, and validates the arguments.
    plain = flags if flags & socket.NI_NUMERICHOST else flags & ~socket.NI_NAMEREQD
    host, service = socket.getnameinfo(sockaddr, plain | socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    if not flags & socket.NI_NUMERICSERV:
        protocol = b"udp" if flags & socket.NI_DGRAM else b"tcp"
        known = resolver.addressing.ports.nameOf(int(service), protocol)
        if known is not None:
            service = known.decode("utf-8", "surrogateescape")
    if flags & socket.NI_NUMERICHOST:
        return host, service
    context = resolver.contextFor(timeout)
    name = await _nameOf(resolver, _packed(host), context)
    if name is None:
        if flags & socket.NI_NAMEREQD:
            raise addressError(socket.EAI_NONAME)
        return host, service
    if flags & socket.NI_NOFQDN:
        name = _shortened(name, await _domain(resolver, context))
    return name, service


def _packed(address: str) -> bytes:
    if ":" not in address:
        return socket.inet_pton(socket.AF_INET, address)
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    if packed.startswith(_IPV4_WITHIN) and int.from_bytes(packed[12:], "big") > 1:
        return packed[12:]
    return packed


async def _nameOf(resolver: NamesResolver, packed: bytes, context: QueryContext) -> str | None:
    """
    Return the name of an address, L{None} if it has none or one that is not a valid host name.

    @raise socket.gaierror: the look-up failed.
    """
    question = Question(reverseNameOf(packed), PTR)
    try:
        answer = await resolver.lookUp(question, context)
        steps = await askedOn(resolver.lookUp, question, answer, context, int(LOCAL_ALIASES.default))
    except DNSFault as fault:
        raise addressError(socket.EAI_FAIL if isinstance(fault, Closed) else socket.EAI_AGAIN) from fault
    rdatas, _, _ = found(*steps[-1])
    if not rdatas or not isHostName(rdatas[0]):
        return None
    return nameToText(rdatas[0], final=rdatas[0] == ROOT)


async def _domain(resolver: NamesResolver, context: QueryContext) -> str:
    """
    Return the domain of the local host, from its host name or the name of its loopback address; empty if unknown.
    """
    own = socket.gethostname()
    for name in ("localhost", own):
        if "." in name:
            return name.partition(".")[2]
        try:
            left = max(0.0, context.deadline - resolver._now())
            rows = await resolver.getaddrinfo(name, None, family=socket.AF_INET, flags=socket.AI_CANONNAME, timeout=left)
        except (OSError, ValueError):
            continue
        if "." in rows[0][3]:
            return rows[0][3].partition(".")[2]
    try:
        name = await _nameOf(resolver, bytes((127, 0, 0, 1)), context) or ""
    except OSError:
        return ""
    return name.partition(".")[2]


def _shortened(name: str, domain: str) -> str:
    at = name.find(domain) if domain else -1
    return name[: at - 1] if at > 0 and name[at - 1] == "." else name
