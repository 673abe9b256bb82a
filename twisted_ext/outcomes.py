"""
Convert replies to answers.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import Answer, Origin, Outcome, Security, newAnswer
from twisted_ext.errors import ServerFailed
from twisted_ext.limits import REPLY_ALIASES
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.message import HEADER_OCTETS, Message, Question
from twisted_ext.wire.names import MOST_OCTETS, isBelow
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.replies import readReply
from twisted_ext.wire.rrtypes import ANY, CNAME, DNAME, KEY, NSEC, RRSIG

__all__ = ["answerFromMessage", "answerFromReply", "ignoredIn", "relevant"]

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_DATA: Final = Outcome.DATA
_NODATA: Final = Outcome.NODATA
_NXDOMAIN: Final = Outcome.NXDOMAIN
_INDETERMINATE: Final = Security.INDETERMINATE

_MOST_ALIASES: Final = int(REPLY_ALIASES.default)

#: Types of questions for which an alias does not count: it is asked for, or may have such records beside it (RFC 4034, section 2.5).
_BESIDE_ALIASES: Final = (CNAME, ANY, RRSIG, NSEC, KEY)

#: Options between a client and its server: cookie, keepalive, padding. A server sends each at most once.
_FOR_TRANSPORT: Final = (b"\x00\x0a", b"\x00\x0b", b"\x00\x0c")

#: Info code of an extended error (RFC 8914).
_EDE: Final = 15


def answerFromMessage(question: Question, message: Message, origin: Origin) -> Answer:
    """
    Convert a reply to an answer, following aliases in the answer section (RFC 1034, section 4.3.2; RFC 2308, section 2).

    @param message: a reply whose id, question and sender have been matched.

    @raise twisted_ext.errors.BadMessage: the reply is malformed.
    @raise twisted_ext.errors.ServerFailed: its rcode is neither NOERROR nor NXDOMAIN.
    """
    answer = message.answer
    wire = message.wire
    if answer:
        answer = relevant(question, answer)
        if answer is not message.answer:
            wire = b""
    edns = message.edns
    flags = message.flags
    rcode = flags & 15 if edns is None else edns.extendedRcode << 4 | flags & 15
    ede: tuple[tuple[int, str], ...] = ()
    if edns is not None and edns.options:
        ede = tuple(
            [
                (int.from_bytes(octets[:2], "big"), octets[2:].decode("utf-8", "replace").rstrip("\x00"))
                for code, octets in edns.options
                if code == _EDE and len(octets) >= 2
            ]
        )
    outcome = _NODATA
    if rcode:
        if rcode != 3:
            fault = ServerFailed(f"{origin.server} answered {rcodeName(rcode)}", server=origin.server, rcode=rcode, ede=ede)
            fault.reply = message
            raise fault
        outcome = _NXDOMAIN
    elif answer:
        outcome = _outcomeOf(question, answer)
    self = newAnswer(Answer)
    self.outcome = outcome
    self.rcode = rcode
    self.flags = flags
    self.answer = answer
    self.authority = message.authority
    self.additional = message.additional
    self.security = _INDETERMINATE
    self.ede = ede
    self.origin = origin
    self.wire = wire
    self._message = message if wire else None
    return self


def answerFromReply(question: Question, octets: bytes, origin: Origin) -> Answer:
    """
    Parse a reply whose id, question and sender have been matched, and convert it to an answer: L{answerFromMessage}, with a fast path for
    common replies.

    @raise twisted_ext.errors.BadMessage: the reply is malformed.
    @raise twisted_ext.errors.ServerFailed: its rcode is neither NOERROR nor NXDOMAIN.
    """
    name = question.name
    sections = readReply(octets, name, HEADER_OCTETS + 4 + len(name))
    flags = octets[2] << 8 | octets[3]
    rcode = flags & 15
    if sections is None or (rcode and rcode != 3):
        return answerFromMessage(question, Message.fromWire(octets), origin)
    answer, authority, additional, opt = sections
    wire = octets
    if opt is not None and (opt[1] >> 16 or (opt[2] and not _isForTransport(opt[2]))):
        # Options that concern the answer, an extended rcode or another version.
        return answerFromMessage(question, Message.fromWire(octets), origin)
    if not answer:
        outcome = _NXDOMAIN if rcode else _NODATA
    elif answer[0].name is name and answer[0].rrType == question.rrType and (len(answer) == 1 or _isSigned(answer)):
        outcome = _NXDOMAIN if rcode else _DATA
    else:
        kept = relevant(question, answer)
        if kept is not answer:
            # The answer no longer matches the octets.
            answer = kept
            wire = b""
        if rcode:
            outcome = _NXDOMAIN
        else:
            outcome = _outcomeOf(question, answer) if answer else _NODATA
    self = newAnswer(Answer)
    self.outcome = outcome
    self.rcode = rcode
    self.flags = flags
    self.answer = answer
    self.authority = authority
    self.additional = additional
    self.security = _INDETERMINATE
    self.ede = ()
    self.origin = origin
    self.wire = wire
    self._message = None
    return self


def ignoredIn(answer: Answer) -> dict[str, int]:
    """
    Return what a trace says of octets behind the last record of a reply, if there were some.
    """
    # What the fast path has read ends with its last record.
    message = answer._message
    return {"ignored": message.behind} if message is not None and message.behind else {}


def _isForTransport(options: bytes) -> bool:
    """
    Return whether these options are a cookie, keepalive and padding only, which are not a part of the answer.
    """
    offset = 0
    end = len(options)
    for _ in _FOR_TRANSPORT:
        if offset + 4 > end or options[offset : offset + 2] not in _FOR_TRANSPORT:
            return False
        offset += 4 + (options[offset + 2] << 8 | options[offset + 3])
        if offset == end:
            return True
    return False


def _isSigned(answer: tuple[RRSet, ...]) -> bool:
    """
    Return whether an answer is one set and its signatures.
    """
    signatures = answer[1]
    return len(answer) == 2 and signatures.rrType == RRSIG and signatures.name is answer[0].name


def relevant(question: Question, answer: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
    """
    Drop unrelated RRsets: those whose owner is neither the question's name nor on the alias chain that begins there, and those of other
    types than the question's that are neither aliases nor signatures of kept RRsets. A forwarder must not pass on RRsets that an upstream
    adds for unrelated names (RFC 2181, section 5.4.1).

    Where a name has an alias and data, the alias counts, as in other resolvers (RFC 1034, section 3.6.2), and the data is dropped. Signed
    data is kept: if the signature is valid, the zone says so.

    The others are put in order where a server has not done so: the aliases as they follow each other, then the data, each with its
    signatures behind it. The C library finds no address in front of the alias that leads to it.

    @param answer: the answer section.

    @return: the remaining RRsets; C{answer} itself if none was dropped or moved.
    """
    name = question.name
    rrType = question.rrType
    for rrset in answer:
        if rrset.name is not name or (rrset.rrType != rrType and rrset.rrType != RRSIG):
            break
    else:
        return answer
    name = name.lower()
    aliases: dict[bytes, bytes] = {}
    redirected: dict[bytes, bytes] = {}
    for rrset in answer:
        if rrset.rrType == CNAME:
            aliases.setdefault(rrset.name.lower(), rrset.rdatas[0].lower())
        elif rrset.rrType == DNAME and len(redirected) < _MOST_ALIASES:
            redirected.setdefault(rrset.name.lower(), rrset.rdatas[0].lower())
    # Where on the chain each name is, and each DNAME that makes one of its aliases.
    chain = {name: 0}
    above: dict[bytes, int] = {}
    # Those that have a CNAME record.
    aliased: set[bytes] = set()
    # Those that have signed data, once it matters.
    signed: set[bytes] | None = None
    # Each step checks every DNAME, and a message has room for thousands of CNAME and DNAME records.
    while len(chain) <= _MOST_ALIASES:
        target = aliases.pop(name, None)
        if target is not None:
            aliased.add(name)
        for owner, new in redirected.items():
            if name != owner and isBelow(name, owner):
                above.setdefault(owner, len(chain) - 1)
                if target is None and rrType != CNAME:
                    # The server may omit the synthesized CNAME (RFC 6672, section 3.1).
                    target = name[: -len(owner)] + new
        if target is None or target in chain or len(target) > MOST_OCTETS:
            break
        name = target
        chain[name] = len(chain)
    wanted = (rrType, CNAME, RRSIG, DNAME)
    kept: list[RRSet] = []
    places: list[int] = []
    last = 0
    isOrdered = True
    for rrset in answer:
        owner = rrset.name.lower()
        step = chain.get(owner)
        if step is not None:
            if rrset.rrType not in wanted and rrType != ANY:
                continue
            if rrset.rrType == rrType and owner in aliased and rrType not in _BESIDE_ALIASES:
                if signed is None:
                    signed = _signed(rrType, answer)
                if owner not in signed:
                    continue
            place = 4 * step + (3 if rrset.rrType == RRSIG else 2)
        else:
            step = above.get(owner)
            if step is None or rrset.rrType not in (DNAME, RRSIG):
                continue
            place = 4 * step + (rrset.rrType == RRSIG)
        kept.append(rrset)
        places.append(place)
        isOrdered = isOrdered and place >= last
        last = place
    if not isOrdered:
        kept = [kept[index] for index in sorted(range(len(kept)), key=places.__getitem__)]
    return answer if isOrdered and len(kept) == len(answer) else tuple(kept)


def _signed(rrType: int, answer: tuple[RRSet, ...]) -> set[bytes]:
    """
    Return the owners, folded, of signatures that cover records of a type.
    """
    covered = rrType.to_bytes(2, "big")
    return {
        rrset.name.lower() for rrset in answer if rrset.rrType == RRSIG and any(rdata[:2] == covered for rdata in rrset.rdatas)
    }


def _outcomeOf(question: Question, answer: tuple[RRSet, ...]) -> Outcome:
    rrType = question.rrType
    first = answer[0]
    name = question.name.lower()
    if first.rrType == rrType and first.name.lower() == name:
        return _DATA
    if rrType == ANY:
        return _DATA
    aliases: dict[bytes, bytes] = {}
    owners: set[bytes] = set()
    for rrset in answer:
        if rrset.rrType == rrType:
            owners.add(rrset.name.lower())
        elif rrset.rrType == CNAME:
            aliases.setdefault(rrset.name.lower(), rrset.rdatas[0].lower())
    # Remove each alias followed, so that a loop ends.
    while name not in owners:
        target = aliases.pop(name, None)
        if target is None:
            return _NODATA
        name = target
    return _DATA
