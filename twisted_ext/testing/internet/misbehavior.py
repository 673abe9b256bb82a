"""
What servers with faults do instead of replying as they should.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.testing.internet.faults import Fault, Faults
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, DO, QR, RD, TC, Rcode
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import isBelow, labelCount, nameFromText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, DS, NS, NSEC, NSEC3, RRSIG, SOA, TXT, A
from twisted_ext.zone.store.nodes import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted_ext.testing.internet.nameservers import NameServer, Sections
    from twisted_ext.testing.internet.zones import InternetZone
    from twisted_ext.zone.store.version import Version

__all__ = ["FALSE_ADDRESSES", "afterwards", "corrupted", "early"]

#: The data of lies: C{203.0.113.66} and C{2001:db8:bad::66}.
FALSE_ADDRESSES: Final = {A: b"\xcb\x00\x71\x42", AAAA: bytes.fromhex("20010db80bad00000000000000000066"), TXT: b"\x03lie"}

#: The host that false NS records name.
_THIEF: Final = b"\x02ns\x05thief\x04test\x00"

#: Zones elsewhere for whose C{www} an address is made up.
_ELSEWHERE: Final = 4

_PROOFS: Final = (NSEC, NSEC3)

_RCODES: Final = (
    (Fault.SERVFAIL, Rcode.SERVFAIL),
    (Fault.REFUSES, Rcode.REFUSED),
    (Fault.NOT_IMPLEMENTED, Rcode.NOTIMP),
)


def early(server: NameServer, zone: InternetZone | None, faults: Faults, query: Message, transport: str) -> bytes | None:
    """
    Return what a server sends without looking anything up: octets, which are empty if it does not reply, or L{None} to look up.
    """
    question = query.questions[0]
    name, rrType = question.key[:-4], question.rrType
    edns = query.edns

    def hit(fault: Fault) -> bool:
        return faults.hit(fault, name, rrType)

    if hit(Fault.DEAD) or hit(Fault.TCP_ONLY) and transport == "udp" or hit(Fault.UDP_ONLY) and transport == "tcp":
        return b""
    if edns is not None and (hit(Fault.DROPS_EDNS) or hit(Fault.DROPS_DO) and edns.flags & DO):
        return b""
    flags = QR | query.flags & RD
    if hit(Fault.GARBAGE):
        return query.id.to_bytes(2, "big") + b"\x84\x00\xff\xff\xff\xff\xff\xff\xff\xff\xc0"
    if edns is not None and hit(Fault.FORMERR_EDNS):
        return buildMessage(Message(query.id, flags | Rcode.FORMERR))
    opt = None if edns is None or hit(Fault.IGNORES_EDNS) else EDNS(server.payload, edns.flags & DO)
    if opt is not None and hit(Fault.BADVERS):
        opt.extendedRcode = Rcode.BADVERS >> 4
        return buildMessage(Message(query.id, flags | Rcode.BADVERS & 15, query.questions, edns=opt))
    for fault, rcode in _RCODES:
        if hit(fault):
            return buildMessage(Message(query.id, flags | rcode, query.questions, edns=opt))
    if transport == "udp" and hit(Fault.TRUNCATES):
        return buildMessage(Message(query.id, flags | TC | AA, query.questions, edns=opt))
    if hit(Fault.LAME_EMPTY):
        return buildMessage(Message(query.id, flags, query.questions, edns=opt))
    referral: tuple[RRSet, ...] | None = None
    if hit(Fault.LAME_UPWARD):
        referral = (RRSet(b"\x00", NS, 1, 3600, tuple([each.name for each in server.known[b"\x00"].servers])),)
    elif zone is not None and hit(Fault.SELF_REFERRAL):
        referral = (RRSet(zone.apex, NS, 1, 3600, tuple([each.name for each in zone.servers])),)
    if referral is not None:
        return buildMessage(Message(query.id, flags, query.questions, (), referral, edns=opt))
    if hit(Fault.MINIMISED_REFUSED) and zone is not None and name != zone.apex and (rrType == NS or _isEmpty(zone, name)):
        return buildMessage(Message(query.id, flags | Rcode.REFUSED, query.questions, edns=opt))
    return None


def _isEmpty(zone: InternetZone, name: bytes) -> bool:
    node = zone.version().find(name[: len(name) - len(zone.apex)])
    return node is not None and bool(node.flags & EMPTY)


def afterwards(
    server: NameServer, zone: InternetZone, faults: Faults, question: Question, rcode: int, sections: Sections
) -> tuple[int, Sections]:
    """
    Change an answer from a zone, before it is signed.

    @return: the rcode and the sections.
    """
    flags, answer, authority, additional = sections
    name, rrType = question.key[:-4], question.rrType

    def hit(fault: Fault) -> bool:
        return faults.hit(fault, name, rrType)

    if hit(Fault.NOT_AUTHORITATIVE):
        flags &= ~AA
    if hit(Fault.STRIPS_DO):
        authority = tuple([rrset for rrset in authority if rrset.rrType not in (DS, NSEC, NSEC3, RRSIG)])
    if hit(Fault.EMPTY_IS_NXDOMAIN) and flags & AA and not answer and _isEmpty(zone, name):
        rcode = Rcode.NXDOMAIN
    if hit(Fault.DENIES) and flags & AA and name != zone.apex:
        soa = [rrset for rrset in _startOf(zone.version()) if rrset.rrType == SOA or _isSigned(authority, answer)]
        rcode, answer, authority, additional = Rcode.NXDOMAIN, (), tuple(soa), ()
    if hit(Fault.MISSING_NSEC) or hit(Fault.WILDCARD_WITHOUT_PROOF) and _isExpanded(answer):
        authority = _without(authority, _PROOFS)
    if hit(Fault.WRONG_NSEC):
        authority = tuple(_wronglyProved(zone.version(), authority))
    if not flags & AA:
        authority = _referred(server, faults, authority)
    if hit(Fault.STRIPS_SIGNATURES):
        answer, authority, additional = (_without(each, (RRSIG,)) for each in (answer, authority, additional))
    if hit(Fault.EXTRA_RECORDS):
        authority += (RRSet(parentOf(zone.apex), NS, 1, 86_400, (_THIEF,)),)
        additional += tuple(_stolen(server, zone))
    return rcode, (flags, answer, authority, additional)


def _isSigned(*sections: tuple[RRSet, ...]) -> bool:
    """
    Return whether a reply has signatures.
    """
    return any(rrset.rrType == RRSIG for section in sections for rrset in section)


def _startOf(version: Version) -> Iterator[RRSet]:
    top = version.top
    yield version.soa
    signatures = top.signatures(SOA)
    if signatures is not None:
        yield signatures


def _covered(rrset: RRSet) -> int:
    return int.from_bytes(rrset.rdatas[0][:2], "big")


def _without(sets: tuple[RRSet, ...], types: tuple[int, ...]) -> tuple[RRSet, ...]:
    """
    Return the RRsets but for those of some types and their signatures.
    """
    return tuple([rrset for rrset in sets if rrset.rrType not in types and not (rrset.rrType == RRSIG and _covered(rrset) in types)])


def _isExpanded(answer: tuple[RRSet, ...]) -> bool:
    """
    Return whether a signature shows that the answer comes from a wildcard.
    """
    return any(rrset.rrType == RRSIG and rrset.rdatas[0][3] < labelCount(rrset.name) for rrset in answer)


def _wronglyProved(version: Version, authority: tuple[RRSet, ...]) -> Iterator[RRSet]:
    """
    Replace each proof by the next one in the chain.
    """
    for rrset in authority:
        rrType = rrset.rrType
        if rrType == RRSIG and _covered(rrset) in _PROOFS:
            continue
        if rrType not in _PROOFS:
            yield rrset
            continue
        node = version.find(_nextKey(version, rrset))
        following = None if node is None else node.of(rrType)
        if node is None or following is None:
            continue
        yield following
        signatures = node.signatures(rrType)
        if signatures is not None:
            yield signatures


def _nextKey(version: Version, rrset: RRSet) -> bytes:
    rdata = rrset.rdatas[0]
    if rrset.rrType == NSEC3:
        start = 6 + rdata[4]
        label = toBase32Hex(rdata[start : start + rdata[start - 1]]).encode()
        return bytes((len(label),)) + label
    end = 0
    while rdata[end]:
        end += rdata[end] + 1
    return rdata[: end + 1 - len(version.apex)].lower()


def _referred(server: NameServer, faults: Faults, authority: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
    for rrset in authority:
        if rrset.rrType == NS:
            owner = rrset.name.lower()
            child = server.known.get(owner)
            if faults.hit(Fault.STRIPPED_DS, owner, DS) or child is not None and Faults(child.faults).hit(Fault.STRIPPED_DS, owner, DS):
                return _without(authority, (DS, *_PROOFS))
    return authority


def _stolen(server: NameServer, zone: InternetZone) -> Iterator[RRSet]:
    """
    Yield addresses of names that the server has nothing to do with.
    """
    yield RRSet(_THIEF, A, 1, 86_400, (FALSE_ADDRESSES[A],))
    elsewhere = [apex for apex in server.known if not isBelow(apex, zone.apex) and not isBelow(zone.apex, apex)]
    for apex in elsewhere[:_ELSEWHERE]:
        yield RRSet(b"\x03www" + apex, A, 1, 86_400, (FALSE_ADDRESSES[A],))


def corrupted(message: Message, name: bytes, faults: Faults) -> Message:
    """
    Change a reply that is ready but for its octets.
    """
    question = message.questions[0]
    rrType = question.rrType

    def hit(fault: Fault) -> bool:
        return faults.hit(fault, name, rrType)

    answer, authority, additional = message.answer, message.authority, message.additional
    number, questions = message.id, message.questions
    if hit(Fault.LIES):
        answer = tuple([_false(rrset) for rrset in answer])
    if hit(Fault.CHANGES_CASE):
        questions = (Question(question.name.lower(), rrType, question.rrClass),)
        answer = tuple([RRSet(each.name.lower(), each.rrType, each.rrClass, each.ttl, each.rdatas) for each in answer])
    if hit(Fault.WRONG_ID):
        number ^= 1
    if hit(Fault.WRONG_QUESTION):
        questions = (Question(nameFromText("wrong.test"), rrType, question.rrClass),)
    if hit(Fault.NO_QUESTION):
        questions = ()
    return Message(number, message.flags, questions, answer, authority, additional, message.edns)


def _false(rrset: RRSet) -> RRSet:
    rdata = FALSE_ADDRESSES.get(rrset.rrType)
    return rrset if rdata is None else RRSet(rrset.name, rrset.rrType, rrset.rrClass, rrset.ttl, (rdata,))
