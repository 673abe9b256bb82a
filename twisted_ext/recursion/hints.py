"""
Where to begin: the servers of the root, built in or from a file (RFC 9609).
"""

from __future__ import annotations

from math import inf
from typing import Final

from twisted_ext.errors import BadDescription, BadRecord
from twisted_ext.recursion.delegations import Delegation, NameServer, addressesIn
from twisted_ext.recursion.limits import DELEGATION_SERVERS
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import AAAA, NS, A

__all__ = ["ROOT_SERVERS", "TRANSFER_SERVERS", "builtInRoot", "rootFromText"]

#: Letters of the root servers with their addresses, as IANA lists them (U{https://www.internic.net/domain/named.root}, 2026).
ROOT_SERVERS: Final = {
    "a": ("198.41.0.4", "2001:503:ba3e::2:30"),
    "b": ("170.247.170.2", "2801:1b8:10::b"),
    "c": ("192.33.4.12", "2001:500:2::c"),
    "d": ("199.7.91.13", "2001:500:2d::d"),
    "e": ("192.203.230.10", "2001:500:a8::e"),
    "f": ("192.5.5.241", "2001:500:2f::f"),
    "g": ("192.112.36.4", "2001:500:12::d0d"),
    "h": ("198.97.190.53", "2001:500:1::53"),
    "i": ("192.36.148.17", "2001:7fe::53"),
    "j": ("192.58.128.30", "2001:503:c27::2:30"),
    "k": ("193.0.14.129", "2001:7fd::1"),
    "l": ("199.7.83.42", "2001:500:9f::42"),
    "m": ("202.12.27.33", "2001:dc3::35"),
}

#: Addresses of servers that transfer the root zone to any client (RFC 8806, appendix A.2): first those that ICANN has for this,
#: then servers of the root.
TRANSFER_SERVERS: Final = ("192.0.47.132", "192.0.32.132", *[ROOT_SERVERS[letter][0] for letter in "bcdfgk"])

_MOST: Final = int(DELEGATION_SERVERS.most)

#: Characters of a file of hints; that of IANA has 3,000.
_MOST_CHARACTERS: Final = 65_536


def builtInRoot() -> Delegation:
    """
    Return the servers of the root that are built in.
    """
    servers = [
        NameServer(nameFromText(f"{letter}.root-servers.net"), addresses, inf) for letter, addresses in ROOT_SERVERS.items()
    ]
    return Delegation(ROOT, 0, tuple(servers), inf)


def rootFromText(text: str, where: str) -> Delegation:
    """
    Read a file of hints, such as IANA's C{named.root}: NS records of the root, and A and AAAA records of the servers.

    @param where: the file's name, for errors.

    @raise BadDescription: it is not valid; has the line.
    """
    if len(text) > _MOST_CHARACTERS:
        raise BadDescription(f"{where}: root hints of {len(text)} characters; at most {_MOST_CHARACTERS} are allowed")
    names: dict[bytes, list[str]] = {}
    addresses: dict[bytes, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith((";", "#")):
            continue
        try:
            # Hints do not expire, so their TTL does not matter.
            record = recordFromText(line, ttl=0)
        except BadRecord as error:
            raise BadDescription(f"{where}:{number}: {error}") from None
        owner = record.name.lower()
        if record.rrType == NS and owner == ROOT:
            names[record.rdatas[0].lower()] = []
        elif record.rrType == NS:
            raise BadDescription(f"{where}:{number}: {nameToText(record.name)} is not the root; hints name the servers of the root only")
        elif record.rrType in (A, AAAA):
            addresses.setdefault(owner, []).extend(addressesIn(record))
    servers = [NameServer(name, tuple(addresses[name]), inf) for name in list(names)[:_MOST] if name in addresses]
    if not servers:
        example = ". NS a.root.example. and a.root.example. A 192.0.2.1"
        raise BadDescription(f"{where}: no server of the root with an address; write lines such as: {example}")
    return Delegation(ROOT, 0, tuple(servers), inf)
