"""
Compare two servers, and explain the known differences between them.

=====================  ============================================================================================================
difference             reason why it is no fault
=====================  ============================================================================================================
name servers of the    They are optional beside an answer, and we leave them out.
zone, other addresses
addresses of the       Referrals have all known addresses (RFC 1034, section 4.3.2, step 3b) from us, NSD and Knot. BIND gives only
zone's own             glue.
truncated              The client fetches a reply with TC again (RFC 2181, section 9), so its content need only be a part of the
                       whole. We leave out whole sets, BIND parts of sets. How much fits depends on the compression of names.
glue truncated         We set TC when glue for servers inside the delegated zone does not fit (RFC 9471, section 3.1). Current NSD and
                       BIND leave it out silently, and choose other addresses.
proofs truncated       We set TC when a proof does not fit (RFC 4035, section 3.1). NSD leaves it out, and so does Knot where aliases
                       have taken all the room.
loops of aliases       NSD, Knot and we give the aliases, BIND gives SERVFAIL. No RFC requires either.
KEY at an alias        BIND allows KEY records at an alias (RFC 2181, section 10.1). RFC 4035, section 2.5, allows only RRSIG and NSEC.
NSEC3 at an alias      NSD treats it, like NSEC, as a type that aliases have. RFC 5155, section 7.2, has no such rule.
RRSIG, NSEC at an      BIND, Knot and we do not follow the alias (RFC 4035, section 2.5). NSD follows it when it has no such record.
alias
NSEC at a cut          BIND answers, since the record is the parent's as well (RFC 4035, section 2.3). NSD, Knot and we give a referral.
RRSIG, in general      Knot gives the signatures of one set only, and no NSEC proofs for wildcards. No client relies on such queries,
                       which RFC 4035, section 3.1.1, does not cover.
a wildcard without     The missing data needs a proof as well (RFC 4035, section 3.1.3.4). BIND and Knot leave it out where the wildcard
records                is an empty non-terminal.
wildcards and hashes   NSD gives an additional NSEC3 for a query for a wildcard itself, and treats owners of NSEC3 as names (RFC 5155,
                       section 7.2.8).
behind a DNAME         NSD leaves out the last proof (RFC 4035, section 3.1.3.2).
opt-out                NSD takes a name above unsigned delegations only, without an NSEC3, for the closest encloser. It must be the
                       closest one that can be proved (RFC 5155, section 7.2.1, and its erratum 3441).
a wildcard's name      Knot leaves out the proof that C{*.x} does not exist, when another wildcard matches it (RFC 4035, section
                       3.1.3.3), and for a wildcard's NSEC itself.
signature of a DNAME   BIND leaves it out without TC when it does not fit (RFC 4035, section 3.1.1).
=====================  ============================================================================================================
"""

from __future__ import annotations

from typing import Final

from tests.live.zones.authorities import UNCHAINED, QueryCase
from twisted_ext.wire.codes import AA, TC
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName

__all__ = ["ReplyContent", "unexplained"]

_NS: Final = 2
_CNAME: Final = 5
_SIG: Final = 24
_KEY: Final = 25
_DNAME: Final = 39
_RRSIG: Final = 46
_NSEC: Final = 47
_NSEC3: Final = 50

_WILDCARD: Final = b"\x01*"

#: Octets of the first label of NSEC3 owners.
_HASHED: Final = 33

#: Octets of a record whose owner is a pointer, without its rdata.
_RECORD: Final = 12

#: The largest UDP message of all servers (RFC 9715).
_MOST: Final = 1232

#: Owner, TTL, type and rdata.
Record = tuple[bytes, int, int, bytes]


class ReplyContent:
    """
    The content of a reply.
    """

    def __init__(self, reply: bytes) -> None:
        message = Message.fromWire(reply).check()
        self.size = len(reply)
        self.rcode = message.flags & 15
        self.authoritative = bool(message.flags & AA)
        self.cut = bool(message.flags & TC)
        self.answer = _records(message.answer)
        self.authority = _records(message.authority)
        self.additional = _records(message.additional)

    @property
    def everything(self) -> frozenset[Record]:
        """
        All records.
        """
        return self.answer | self.authority | self.additional

    @property
    def glue(self) -> frozenset[Record]:
        """
        Addresses of servers inside the zones that they are named for.
        """
        hosts = {rdata for owner, _, rrType, rdata in self.authority if rrType == _NS and isBelow(rdata, owner)}
        return frozenset([record for record in self.additional if record[0] in hosts])


def _records(sets: tuple[RRSet, ...]) -> frozenset[Record]:
    return frozenset(
        [
            (rrset.name.lower(), rrset.ttl, rrset.rrType, rdata if rrset.rrType == 16 else rdata.lower())
            for rrset in sets
            for rdata in rrset.rdatas
        ]
    )


def unexplained(asked: QueryCase, server: str, ours: ReplyContent, theirs: ReplyContent, whole: ReplyContent, apex: bytes) -> list[str]:
    """
    Return descriptions of the differences that have none of the known reasons.

    @param server: C{"nsd"}, C{"bind"} or C{"knot"}.
    @param whole: our reply without a size limit.
    """
    if _isPeculiar(asked, server, ours, theirs, apex):
        return []
    if ours.cut or theirs.cut:
        return _cutOff(asked, server, ours, theirs, whole)
    wrong = [
        f"{name}: {getattr(ours, name)} here, {getattr(theirs, name)} there"
        for name in ("rcode", "authoritative")
        if getattr(ours, name) != getattr(theirs, name)
    ]
    if not (server == "knot" and asked.rrType == _RRSIG and theirs.answer < ours.answer):
        wrong += _sectionDifferences("answer", ours.answer, theirs.answer)
    ofTheZone = frozenset([record for record in theirs.authority if record[0] == apex and _isOf(record, _NS)])
    authority = theirs.authority - ofTheZone if ours.answer else theirs.authority
    if not _isProvedOtherwise(asked, server, ours, authority):
        wrong += _sectionDifferences("authority", ours.authority, authority)
    if not ours.authoritative:
        wrong += _sectionDifferences("glue", ours.glue, ours.glue | theirs.glue)
    added = ours.additional - theirs.additional
    if server == "nsd" and asked.size <= 512:
        added = frozenset()
    if server == "bind":
        added &= ours.glue
    if added and theirs.size + sum([_RECORD + len(rdata) for _, _, _, rdata in added]) <= min(
        max(asked.size, 512), _MOST
    ):
        wrong.append(f"additional: {_recordsAsText(added)} only here")
    return wrong


def _isPeculiar(asked: QueryCase, server: str, ours: ReplyContent, theirs: ReplyContent, apex: bytes) -> bool:
    """
    Return whether one server is known to treat this question differently.
    """
    aliases = {(owner, rdata) for owner, _, rrType, rdata in ours.answer if rrType == _CNAME}
    if aliases:
        if (server, theirs.rcode) == ("bind", 2) and {owner for owner, _ in aliases} >= {rdata for _, rdata in aliases}:
            return True
        if (server, asked.rrType) in (("bind", _KEY), ("bind", _SIG), ("nsd", _NSEC3)):
            return True
    if server == "nsd":
        if asked.rrType in (_NSEC, _RRSIG) and not ours.answer and _hasAlias(theirs):
            return True
        above = asked.name.lower()[: -len(apex)]
        while above and above[0] + 1 < len(above):
            above = above[above[0] + 1 :]
        if len(above) == _HASHED and above[0] == _HASHED - 1:
            return True
        return above == UNCHAINED and any(record[2] == _NSEC3 for record in ours.authority)
    return server == "bind" and asked.rrType == _NSEC and bool(theirs.answer) and not ours.authoritative


def _isProvedOtherwise(asked: QueryCase, server: str, ours: ReplyContent, theirs: frozenset[Record]) -> bool:
    """
    Return whether the proofs differ in known ways.
    """
    if server == "nsd" and ours.authority < theirs:
        return asked.name.startswith(_WILDCARD) and all(_isOf(record, _NSEC3) for record in theirs - ours.authority)
    if not theirs < ours.authority or not all(
        _isOf(record, _NSEC) or _isOf(record, _NSEC3) for record in ours.authority - theirs
    ):
        return False
    if server == "nsd":
        return any(record[2] == _DNAME for record in ours.answer)
    if server == "knot" and ours.answer and (asked.name.startswith(_WILDCARD) or asked.rrType == _NSEC):
        return True
    return not ours.answer and not ours.rcode


def _hasAlias(said: ReplyContent) -> bool:
    return any(record[2] == _CNAME for record in said.answer)


def _isOf(record: Record, rrType: int) -> bool:
    """
    Return whether this is a record of a type or the signature of one.
    """
    return record[2] == rrType or (record[2] == _RRSIG and int.from_bytes(record[3][:2], "big") == rrType)


def _cutOff(asked: QueryCase, server: str, ours: ReplyContent, theirs: ReplyContent, whole: ReplyContent) -> list[str]:
    wrong = []
    if ours.authoritative != theirs.authoritative:
        wrong.append(f"authoritative: {ours.authoritative} here, {theirs.authoritative} there")
    if not ours.everything <= whole.everything:
        wrong.append(f"{_recordsAsText(ours.everything - whole.everything)} is not a part of the whole")
    if ours.cut and not theirs.cut:
        ofGlue = whole.glue > ours.glue and not ours.answer and server in ("nsd", "bind")
        ofProofs = theirs.authority < whole.authority and (
            server == "nsd" or (server == "knot" and bool(theirs.answer))
        )
        ofSignatures = server == "bind" and all(record[2] == _RRSIG for record in whole.answer - theirs.answer)
        ofOthers = (server == "knot" and asked.rrType == _RRSIG) or (
            server != "nsd" and _isProvedOtherwise(asked, server, whole, theirs.authority)
        )
        if not (ofGlue or ofProofs or ofSignatures and whole.answer != theirs.answer or ofOthers):
            wrong.append(f"cut off in {ours.size} octets, which is all that they need: {theirs.size}")
    if theirs.cut and not ours.cut and ours.answer | ours.authority != whole.answer | whole.authority:
        wrong.append("not whole, and without TC")
    return wrong


def _sectionDifferences(section: str, ours: frozenset[Record], theirs: frozenset[Record]) -> list[str]:
    wrong = []
    if ours - theirs:
        wrong.append(f"{section}: {_recordsAsText(ours - theirs)} only here")
    if theirs - ours:
        wrong.append(f"{section}: {_recordsAsText(theirs - ours)} only there")
    return wrong


def _recordsAsText(records: frozenset[Record]) -> str:
    return "; ".join(
        sorted(
            [
                f"{nameToText(owner)} {ttl} {typeName(rrType)} {rdataToText(rrType, rdata):.70}"
                for owner, ttl, rrType, rdata in records
            ]
        )
    )
