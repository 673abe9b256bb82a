"""
Reads what people search for in the history of queries.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from socket import SOCK_STREAM, getaddrinfo
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow
from twisted_ext.server.features.queryhistory.recorder.rows import KEY, KEY_OCTETS, STATUSES, formsOf
from twisted_ext.wire.rdata.times import secondsFromDuration

__all__ = ["clientFromText", "hostFromText", "keptClients", "momentFromText", "statusFromText"]

#: Hexadecimal digits of a client that is kept as a hash.
_DIGITS: Final = 24


def clientFromText(text: str) -> str | IPv4Network | IPv6Network:
    """
    Return a client: an address, or a hash that the history has in its place; or a network.

    @raise BadDescription: it is none of them.
    """
    try:
        return ip_network(text, strict=False) if "/" in text else str(ip_address(text))
    except ValueError:
        pass
    if len(text) == _DIGITS and all(letter in "0123456789abcdef" for letter in text):
        return text
    raise BadDescription(f"{text!r} is not an address; write 192.0.2.1, 192.0.2.0/24, or what the history has instead")


def hostFromText(text: str) -> str | frozenset[str] | IPv4Network | IPv6Network:
    """
    Return what L{clientFromText} does, or the addresses of a host, for which the system's resolver is waited for.

    @raise BadDescription: there is no such host.
    """
    try:
        return clientFromText(text)
    except BadDescription:
        try:
            found = getaddrinfo(text, None, type=SOCK_STREAM)
        except (OSError, UnicodeError):
            raise BadDescription(f"{text!r} is neither an address nor a host; write nas.lan, 192.0.2.1 or 192.0.2.0/24") from None
        return frozenset([str(ip_address(each[4][0])) for each in found])


def keptClients(client: str | frozenset[str] | IPv4Network | IPv6Network, folder: str) -> frozenset[str] | IPv4Network | IPv6Network:
    """
    Return all that a history may have of a client.

    @raise OSError: the key of its hashes cannot be read.
    """
    if isinstance(client, (IPv4Network, IPv6Network)):
        return client
    key = b""
    # There is one if the history has hashes.
    with suppress(FileNotFoundError), open(f"{folder}/{KEY}", "rb", opener=openNow) as file:
        key = file.read(KEY_OCTETS)
    asked = frozenset([client]) if isinstance(client, str) else client
    return asked.union(*[formsOf(each, key) for each in asked])


def statusFromText(text: str) -> str:
    """
    Return what became of a query, one of L{STATUSES}.

    @raise BadDescription: it is not one of them.
    """
    if text not in STATUSES:
        raise BadDescription(f"{text!r} is not one of {', '.join(STATUSES)}")
    return text


def momentFromText(text: str) -> float:
    """
    Return a time in seconds since 1970: so long ago, or a date in local time.

    @raise BadDescription: it is neither.
    """
    try:
        return time.time() - secondsFromDuration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise BadDescription(f"{text!r} is not a time; write 12h, 2d, 2026-11-24 or 2026-11-24T15:30") from None
