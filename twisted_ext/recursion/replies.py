"""
What a reply of an authoritative server means, and which of its records may be believed.

A server is asked about one zone. Records with owners outside of it are dropped (bailiwick; RFC 5452, section 6), as are records that have
nothing to do with the question (RFC 2181, section 5.4.1).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from twisted_ext.aliases import endOf
from twisted_ext.answers import Answer, Outcome
from twisted_ext.errors import ServerFailed
from twisted_ext.limits import RRSET_RECORDS
from twisted_ext.recursion.limits import ADDRESSES_PER_SERVER, DELEGATION_SERVERS
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, labelCount, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, CNAME, DNAME, DS, NS, NSEC, NSEC3, RRSIG, SOA, A, typeName

__all__ = ["Meaning", "Referral", "glueOf", "meaningOf", "scrubbed"]

_SERVERS: Final = int(DELEGATION_SERVERS.default)
_ADDRESSES: Final = int(ADDRESSES_PER_SERVER.default)
_RECORDS: Final = int(RRSET_RECORDS.default)

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_DATA: Final = Outcome.DATA
_NXDOMAIN: Final = Outcome.NXDOMAIN

#: Types of the authority section that prove something, besides the SOA record.
_PROOFS: Final = frozenset((NSEC, NSEC3))

#: The same types and DS as in the first field of their signatures.
_PROOFS_COVERED: Final = frozenset([rrType.to_bytes(2, "big") for rrType in _PROOFS])
_DS_COVERED: Final = DS.to_bytes(2, "big")

#: Info code of an extended error (RFC 8914).
_INVALID_DATA: Final = 24


class Meaning(Enum):
    """
    What a reply means for the resolution.

    @cvar ANSWER: the data, an alias, or a denial.
    @cvar REFERRAL: the name is in a zone below.
    @cvar EMPTY: nothing at all, without AA: the server may not serve the zone.
    @cvar LAME: the server does not serve the zone.
    """

    ANSWER = "answer"
    REFERRAL = "referral"
    EMPTY = "empty"
    LAME = "lame"


class Referral:
    """
    A delegation as its parent describes it.

    @ivar zone: the name of the child zone, folded.
    @ivar servers: the records of the NS set: names of servers, in their original case.
    @ivar ttl: of the NS set.
    @ivar glue: addresses by the folded name of the server: type, TTL and addresses. Only of servers inside of the parent zone.
    @ivar proof: the DS set, or the records that deny it, with their signatures.
    """

    __slots__ = ("zone", "servers", "ttl", "glue", "proof")

    def __init__(
        self,
        zone: bytes,
        servers: tuple[bytes, ...],
        ttl: int,
        glue: dict[bytes, list[RRSet]],
        proof: tuple[RRSet, ...],
    ) -> None:
        self.zone = zone
        self.servers = servers
        self.ttl = ttl
        self.glue = glue
        self.proof = proof


#: The meanings that most replies have.
_ANSWER: Final = Meaning.ANSWER
_REFERRAL: Final = Meaning.REFERRAL


def meaningOf(question: Question, reply: Answer, zone: bytes) -> tuple[Meaning, Referral | None]:
    """
    @param reply: to this question, from a server that was asked because the zone has been delegated to it.
    @param zone: folded.
    """
    name = question.key[:-4]
    rrType = question.rrType
    for rrset in reply.answer:
        if rrset.name is question.name and rrset.rrType == rrType:
            return _ANSWER, None
        owner = rrset.name.lower()
        if owner == name and (rrset.rrType in (rrType, CNAME) or rrType == ANY):
            return _ANSWER, None
        if rrset.rrType == DNAME and owner != name and isBelow(name, owner) and isBelow(owner, zone):
            return _ANSWER, None
    if reply.outcome is _NXDOMAIN:
        return _ANSWER, None
    delegation: RRSet | None = None
    for rrset in reply.authority:
        if rrset.rrType == SOA:
            # A denial. The SOA record of a zone above or beside comes from a server that does not serve this one.
            return (Meaning.ANSWER if isBelow(rrset.name.lower(), zone) else Meaning.LAME), None
        if rrset.rrType == NS and delegation is None:
            delegation = rrset
    if delegation is not None:
        cut = delegation.name.lower()
        if cut != zone and isBelow(cut, zone) and (name == cut or isBelow(name, cut)):
            return _REFERRAL, _referral(cut, delegation, reply, zone)
        if cut != zone or not reply.flags & AA:
            # It refers upwards, or to the zone itself.
            return Meaning.LAME, None
    # A denial without SOA, which is against RFC 2308, but frequent.
    return (Meaning.ANSWER if reply.flags & AA or delegation is not None else Meaning.EMPTY), None


def _referral(cut: bytes, delegation: RRSet, reply: Answer, zone: bytes) -> Referral:
    servers = tuple(dict.fromkeys([target.lower() for target in delegation.rdatas]))[:_SERVERS]
    return Referral(cut, servers, delegation.ttl, glueOf(servers, reply, zone), _proofOf(cut, reply))


def glueOf(servers: tuple[bytes, ...], reply: Answer, zone: bytes) -> dict[bytes, list[RRSet]]:
    """
    Return the addresses of name servers in a reply, by the server's name.

    @param servers: folded.
    @param zone: only servers inside of it: a server cannot know the addresses of others.
    """
    glue: dict[bytes, list[RRSet]] = {}
    for rrset in reply.additional:
        if rrset.rrType == A or rrset.rrType == AAAA:
            owner = rrset.name.lower()
            if owner in servers and isBelow(owner, zone):
                if len(rrset.rdatas) > _ADDRESSES:
                    rrset = RRSet(rrset.name, rrset.rrType, rrset.rrClass, rrset.ttl, rrset.rdatas[:_ADDRESSES])
                glue.setdefault(owner, []).append(rrset)
    return glue


def _proofOf(cut: bytes, reply: Answer) -> tuple[RRSet, ...]:
    found = []
    for rrset in reply.authority:
        rrType = rrset.rrType
        if rrType == RRSIG:
            covered = rrset.rdatas[0][:2]
            if covered in _PROOFS_COVERED or (covered == _DS_COVERED and rrset.name.lower() == cut):
                found.append(rrset)
        elif rrType in _PROOFS or (rrType == DS and rrset.name.lower() == cut):
            found.append(rrset)
    return tuple(found)


def scrubbed(question: Question, reply: Answer, zone: bytes, labels: int = 0) -> Answer:
    """
    Return an answer with those records only that the servers of a zone can know and that belong to it: in the answer section, the records
    of the name, and aliases inside of the zone; in the authority section, the SOA record, records that deny, and their signatures.

    @param reply: an answer to this question, see L{meaningOf}.
    @param zone: folded.
    @param labels: the number of labels of the question's name, 0 if it has not been counted yet.

    @raise ServerFailed: an RRset of the answer has too many records (CVE-2024-1737).
    """
    answer = reply.answer
    name = question.name
    for rrset in answer:
        if rrset.name is not name or len(rrset.rdatas) > _RECORDS:
            answer = tuple([rrset for rrset in answer if isBelow(rrset.name.lower(), zone)])
            for each in answer:
                if len(each.rdatas) > _RECORDS:
                    raise _tooLarge(each, reply)
            break
    # Records from a wildcard need the proof that no closer name exists; for other data, the authority section says nothing.
    proved = aliased = False
    for rrset in answer:
        if rrset.rrType == RRSIG:
            proved = proved or _isExpanded(rrset, labels if rrset.name is name else 0)
        elif rrset.rrType == CNAME:
            aliased = True
    target = endOf(question.key[:-4], answer, question.rrType) if aliased and question.rrType not in (CNAME, ANY) else None
    if target is not None and proved and reply.outcome is _DATA and any(rrset.rrType == DNAME for rrset in answer):
        # NSD 4.6 sends a wrong proof for a wildcard behind a DNAME record, and the right one if asked for the target.
        answer = tuple([rrset for rrset in answer if _isAlias(rrset)])
        return Answer(Outcome.NODATA, answer, _wildcardProof(reply, zone), flags=reply.flags, ede=reply.ede, origin=reply.origin)
    if target is not None and (reply.outcome is not _DATA or not isBelow(target.lower(), zone)):
        # The target is a question of its own: it may be in another zone, of which these servers know nothing, not even that it is empty.
        proof = _wildcardProof(reply, zone) if proved else ()
        return Answer(Outcome.NODATA, answer, proof, flags=reply.flags, ede=reply.ede, origin=reply.origin)
    authority: tuple[RRSet, ...] = ()
    if reply.outcome is not _DATA or proved:
        authority = tuple([rrset for rrset in reply.authority if _mayStand(rrset, zone)])
    if not reply.additional and len(authority) == len(reply.authority) and len(answer) == len(reply.answer):
        return reply
    return reply.having(answer, authority)


def _tooLarge(rrset: RRSet, reply: Answer) -> ServerFailed:
    text = f"{nameToText(rrset.name)} {typeName(rrset.rrType)} has {len(rrset.rdatas)} records; at most {_RECORDS} are accepted"
    return ServerFailed(text, server="" if reply.origin is None else reply.origin.server, ede=((_INVALID_DATA, text),))


def _wildcardProof(reply: Answer, zone: bytes) -> tuple[RRSet, ...]:
    return tuple([rrset for rrset in reply.authority if _mayStand(rrset, zone) and not _isSOA(rrset)])


def _isExpanded(rrset: RRSet, labels: int) -> bool:
    """
    Return whether these signatures are of records that come from a wildcard, so that no closer name may exist.

    @param labels: the number of labels of the owner, 0 if it has not been counted yet.
    """
    owner = rrset.name
    return rrset.rdatas[0][3] < (labels or labelCount(owner)) - (owner[0] == 1 and owner[1:2] == b"*")


def _isAlias(rrset: RRSet) -> bool:
    rrType = rrset.rrType
    if rrType == RRSIG:
        rrType = int.from_bytes(rrset.rdatas[0][:2], "big")
    return rrType == CNAME or rrType == DNAME


def _isSOA(rrset: RRSet) -> bool:
    return rrset.rrType == SOA or (rrset.rrType == RRSIG and int.from_bytes(rrset.rdatas[0][:2], "big") == SOA)


def _mayStand(rrset: RRSet, zone: bytes) -> bool:
    rrType = rrset.rrType
    if rrType == RRSIG:
        rrType = int.from_bytes(rrset.rdatas[0][:2], "big")
    return (rrType == SOA or rrType in _PROOFS) and isBelow(rrset.name.lower(), zone)
