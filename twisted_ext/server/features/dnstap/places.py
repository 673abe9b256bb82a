"""
Where dnstap can be written.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Final, NamedTuple

from twisted_ext.errors import BadDescription
from twisted_ext.transport.urls import canonicalHost, hostPort

__all__ = ["Place", "placeIn"]

#: The port of collectors, for which none is registered: the one in the examples of Debian's fstrm_capture and of others.
_PORT: Final = 6000

#: Octets of the longest path of a Unix socket (unix(7)).
_PATH_OCTETS: Final = 107


class Place(NamedTuple):
    """
    @ivar way: C{"unix"}, C{"tcp"}, C{"tls"} or C{"file"}.
    @ivar where: the path, or the address.
    @ivar name: what the certificate of a collector is for: a name, or the address.
    """

    way: str
    where: str
    port: int = 0
    name: str = ""


def placeIn(text: str) -> Place:
    """
    Read a place.

    @raise BadDescription: it is not valid; says what is.
    """
    way, _, rest = text.partition(":")
    if way in ("unix", "file"):
        if not os.path.isabs(rest):
            raise BadDescription(f"{text!r}: after {way}: comes a path")
        if "\0" in rest or (way == "unix" and len(os.fsencode(rest)) > _PATH_OCTETS):
            raise BadDescription(f"{text!r}: the path of a socket has {_PATH_OCTETS} octets at most, and a path no octet zero")
        return Place(way, rest)
    if way not in ("tcp", "tls"):
        raise BadDescription(f"{text!r} is not valid: write unix:PATH, tcp:ADDRESS:PORT, tls:ADDRESS:PORT#NAME or file:PATH")
    at, hash, name = rest.partition("#")
    host, port = hostPort(at, _PORT)
    try:
        address = str(ip_address(host))
    except ValueError:
        raise BadDescription(f"{text!r}: {host!r} is not an address; a name may follow on #, for the certificate") from None
    if hash and way == "tcp":
        raise BadDescription(f"{text!r}: over TCP there is no certificate that the name could be compared with; use tls:")
    return Place(way, address, port, canonicalHost(name) if hash else address)
