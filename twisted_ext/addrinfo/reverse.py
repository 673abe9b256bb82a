"""
Convert addresses to reverse-mapping names.
"""

from __future__ import annotations

import socket

from twisted_ext.errors import BadName

__all__ = ["reverseName"]


def reverseName(address: str) -> str:
    """
    Return the name that holds the PTR records of an address (RFC 1035, section 3.5; RFC 3596, section 2.5), such as
    C{"1.2.0.192.in-addr.arpa"}.

    @param address: an IPv4 or IPv6 address; a scope is ignored.

    @raise BadName: it is not a valid address.
    """
    try:
        if ":" not in address:
            return (
                ".".join(reversed([str(octet) for octet in socket.inet_pton(socket.AF_INET, address)]))
                + ".in-addr.arpa"
            )
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        raise BadName(f"{address!r} is not an IP address, such as 192.0.2.1 or 2001:db8::1") from None
    return ".".join(reversed(packed.hex())) + ".ip6.arpa"
