"""
Builds referrals and additional sections (RFC 1034, section 4.3.2, step 3b; RFC 9471).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.wire.names import isBelow
from twisted_ext.wire.rrtypes import AAAA, DS, MX, NS, SRV, A
from twisted_ext.zone.query.denial import undelegated
from twisted_ext.zone.store.nodes import CUT, DNAME, OCCLUDED, keyBelow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = ["addresses", "cutAbove", "referral", "startsAbove"]


#: Types whose rdata has a host name, and the offset of the name.
_HOSTS: Final = {NS: 0, MX: 2, SRV: 6}

#: Where the zone's authority ends, and names that may be glue.
_ENDS: Final = CUT | DNAME
_GLUE: Final = CUT | OCCLUDED

#: Name servers of one delegation whose addresses are looked up for every referral; thirteen are many.
_MOST_HOSTS: Final = 100

Sets = tuple["RRSet", ...]


def startsAbove(key: bytes) -> list[int]:
    """
    Return where the keys of the names above begin in a key, the nearest first and the apex last.
    """
    starts = []
    position = key[0] + 1 if key else 0
    while position < len(key):
        starts.append(position)
        position += key[position] + 1
    starts.append(len(key))
    return starts


def cutAbove(version: Version, key: bytes) -> Node | None:
    """
    Return the highest cut or DNAME record above a name, where the zone's authority ends.
    """
    for start in reversed(startsAbove(key)):
        node = version.find(key[start:])
        if node is not None and node.flags & _ENDS:
            return node
    return None


def referral(version: Version, cut: Node, dnssecOk: bool) -> tuple[Sets, Sets]:
    """
    Build a referral to the zone below a cut.

    @return: the authority section, with DS records or the proof that there are none if C{dnssecOk} is set (RFC 4035, section 3.1.4);
        and the additional section: first the glue for servers inside the delegated zone, which is required, then the glue for servers in
        other delegated zones, which RFC 9471, section 3.2, recommends, last authoritative addresses.
    """
    servers = cut.of(NS)
    assert servers is not None
    authority: Sets = (servers,)
    if dnssecOk:
        signers = cut.of(DS)
        signatures = cut.signatures(DS)
        if signers is None:
            authority += undelegated(version, cut.key)
        elif signatures is not None:
            authority += (signers, signatures)
    apex = version.apex
    owner = cut.key + apex
    inside: list[RRSet] = []
    beside: list[RRSet] = []
    own: list[RRSet] = []
    for rdata in servers.rdatas[:_MOST_HOSTS]:
        host = rdata.lower()
        if isBelow(host, owner):
            node = version.find(host[: len(host) - len(apex)])
            if node is not None:
                inside.extend(_addressesOf(node, False))
        else:
            key = keyBelow(host, apex)
            node = None if key is None else version.find(key)
            if node is None:
                continue
            if not node.flags & _GLUE:
                own.extend(_addressesOf(node, dnssecOk))
            elif _isVisible(version, node):
                beside.extend(_addressesOf(node, False))
    return authority, (*inside, *beside, *own)


def addresses(version: Version, sets: Sets, dnssecOk: bool) -> Iterator[RRSet]:
    """
    Return the addresses that the zone has for the hosts in these records (RFC 1034, section 3.7; RFC 2782).
    """
    for rrset in sets:
        before = _HOSTS.get(rrset.rrType)
        if before is None:
            continue
        for rdata in rrset.rdatas:
            key = keyBelow(rdata[before:], version.apex)
            node = None if key is None else version.find(key)
            if node is not None and _isVisible(version, node):
                yield from _addressesOf(node, dnssecOk)


def _isVisible(version: Version, node: Node) -> bool:
    """
    Return whether the node's addresses are authoritative or glue, and not occluded by a DNAME record.
    """
    if not node.flags & OCCLUDED:
        return True
    above = cutAbove(version, node.key)
    return above is not None and bool(above.flags & CUT)


def _addressesOf(node: Node, dnssecOk: bool) -> Iterator[RRSet]:
    for rrType in (A, AAAA):
        rrset = node.of(rrType)
        if rrset is not None:
            yield rrset
            if dnssecOk:
                signatures = node.signatures(rrType)
                if signatures is not None:
                    yield signatures
