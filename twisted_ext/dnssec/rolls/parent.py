"""
What servers of the parent say about the DS records of a zone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from twisted_ext.dnssec.algorithms import digestOf
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.privatekeys.signingkey import DIGESTS
from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import AA, TC
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rrtypes import DS, SOA

__all__ = ["Delegation", "delegationIn", "isDelegated", "tagsIn", "unknownAt"]

#: Octets of a DS record before its digest (RFC 4034, section 5.1): the key tag, the algorithm, the type of the digest.
_HEAD: Final = 4


class Delegation(NamedTuple):
    """
    The DS records of a zone at one server of its parent.

    @ivar server: its label.
    @ivar entries: rdata of the records.
    @ivar ttl: their TTL, in seconds.
    """

    server: str
    entries: tuple[bytes, ...]
    ttl: int


def delegationIn(reply: Message, zone: bytes, server: str) -> Delegation:
    """
    Return what a reply to a question for DS records says.

    @param zone: folded.
    @param server: the label of the server that has sent it.

    @raise BadMessage: it does not say what the parent has.
    """
    if reply.flags & TC:
        raise BadMessage(f"{server} sent a truncated reply")
    if not reply.flags & AA:
        raise BadMessage(f"{server} is not a server of the parent: its reply has no AA flag; all servers of the parent set it")
    for rrset in reply.answer:
        if rrset.rrType == DS and rrset.name.lower() == zone:
            if any(len(rdata) <= _HEAD for rdata in rrset.rdatas):
                raise BadMessage(f"{server} sent a DS record without a digest")
            return Delegation(server, rrset.rdatas, rrset.ttl)
    # Whose SOA record it is tells a server of the parent from one that has the zone only, and knows nothing of DS records.
    owners = [rrset.name.lower() for rrset in reply.authority if rrset.rrType == SOA]
    if reply.answer or not any(owner != zone and isBelow(zone, owner) for owner in owners):
        which = "a server of the zone itself, not of its parent" if zone in owners else f"not a server of the parent of {nameToText(zone)}"
        raise BadMessage(f"{server} is {which}")
    return Delegation(server, (), 0)


def isDelegated(zone: bytes, dnskey: bytes, delegations: Iterable[Delegation]) -> bool | None:
    """
    Return whether all servers of the parent have the DS record of a key, or none has it; L{None} if they differ.

    @param dnskey: rdata of the key's DNSKEY record.
    """
    found = {_isAt(zone, dnskey, each.entries) for each in delegations}
    return found.pop() if len(found) == 1 else None


def _isAt(zone: bytes, dnskey: bytes, entries: Collection[bytes]) -> bool | None:
    """
    Return whether one server has it; L{None} if what it has is for the key, but of a kind that validators need not support.
    """
    same = [each for each in entries if _isAbout(each, dnskey)]
    if any(each[3] in DIGESTS and each[_HEAD:] == digestOf(zone, dnskey, each[3]) for each in same):
        return True
    return None if same else False


def _isAbout(entry: bytes, dnskey: bytes) -> bool:
    return int.from_bytes(entry[:2], "big") == keyTag(dnskey) and entry[2] == dnskey[3]


def unknownAt(zone: bytes, dnskeys: Collection[bytes], delegation: Delegation) -> bool:
    """
    Return whether a server has DS records, of which none is of a key of the zone: who gets them takes the zone for bogus.

    @param dnskeys: rdata of the zone's DNSKEY records.
    """
    return bool(delegation.entries) and all(_isAt(zone, dnskey, delegation.entries) is False for dnskey in dnskeys)


def tagsIn(entries: Sequence[bytes]) -> str:
    """
    Return which keys DS records are of, for people.
    """
    tags = sorted({int.from_bytes(each[:2], "big") for each in entries})
    return f"DS records of {' and '.join(map(str, tags))}" if tags else "no DS record"
