"""
Cache entries: answers ready for use, or packed into octets; and their keys.

NXDOMAIN applies to all types of a name, so its key names none; NODATA applies to one (RFC 2308).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from twisted_ext.answers import Answer, Origin, Outcome, Security
from twisted_ext.cache.lifetimes import Sections
from twisted_ext.outcomes import answerFromReply
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import HEADER_OCTETS, Question
from twisted_ext.wire.names import nameEnd
from twisted_ext.wire.records import RRSet

__all__ = [
    "ALIASED", "Entry", "Servers", "askedAgain", "denialKey", "keysAbove", "learnedAt", "nameOfKey", "pack",
    "packEntry", "packedBytes", "readyBytes", "unpack",
]

#: The end of replies with padding (RFC 7830, section 3). If it is that of a record, nothing is lost.
_PADDED: Final = bytes(16)

#: Time learned, seconds from then to expiry, flags, rcode, outcome and security, request count, server, RRsets per section.
_HEADER: Final = Struct(">dIHHBBHHHH")

#: Offset of the lower octet of the number of RRsets in the answer section; the upper one precedes it.
ALIASED: Final = 21

#: Offset of the request count.
_ASKED: Final = 17
_KIND: Final = 16

#: The same, followed by a first RRset of one record owned by the question's name.
_FIRST: Final = Struct(">dIHHBBHHHHHHIHH")
_packFirst: Final = _FIRST.pack

#: Offset of the type of that record.
_SINGLE: Final = 28

_RECORDS: Final = Struct(">HIH")
_RECORD: Final = Struct(">HIHH")
_LENGTH: Final = Struct(">H")
_learned: Final = Struct(">dI").unpack_from

_OUTCOMES: Final = tuple(Outcome)
_SECURITIES: Final = tuple(Security)
_OUTCOME_NUMBERS: Final = {outcome: number for number, outcome in enumerate(_OUTCOMES)}
_SECURITY_NUMBERS: Final = {security: number for number, security in enumerate(_SECURITIES)}

_DATA: Final = Outcome.DATA
_INDETERMINATE: Final = Security.INDETERMINATE
_SECURE: Final = Security.SECURE
_PLAIN: Final = _OUTCOME_NUMBERS[_DATA] << 4 | _SECURITY_NUMBERS[_INDETERMINATE]
_PROVED: Final = _OUTCOME_NUMBERS[_DATA] << 4 | _SECURITY_NUMBERS[_SECURE]

#: Bit next to outcome and security: the octets of a reply follow instead of RRsets.
_REPLY: Final = 0x80

# How an owner is packed: as a suffix of the question's name, as the previous owner, or in full.
_TAIL: Final = 0
_SAME: Final = 1
_FULL: Final = 2

#: The question's own name, which the key begins with; without the key's type and class, which follow the name's end.
_SELF: Final = bytes((_TAIL, 0))

#: Extended errors kept for an answer, and characters of the text of each.
_EDES: Final = 16
_EDE_TEXT: Final = 200

#: Octets of a dictionary slot, including the spare slots of its table.
_SLOT: Final = 64

# Memory of CPython objects, each rounded up to the allocator's steps of 16 octets.
_BYTES: Final = 40
_ENTRY: Final = 272
_ANSWER: Final = 272
_SET: Final = 256


def nameOfKey(key: bytes) -> bytes:
    return key[: nameEnd(key)]


def denialKey(key: bytes, variant: bytes) -> bytes:
    """
    Return the cache key for the nonexistence of the question's name: it has type 0, which no question has.

    @param variant: the flags that it was asked with.
    """
    return key[:-4] + b"\x00\x00" + key[-2:] + variant


def keysAbove(key: bytes, variant: bytes) -> Iterator[bytes]:
    """
    Return the keys of denials of the names above a question's, the nearest first, without the root.
    """
    behind = b"\x00\x00" + key[-2:] + variant
    end = len(key) - 4
    position = 0
    while length := key[position]:
        position += length + 1
        if key[position]:
            yield key[position:end] + behind


class Servers:
    """
    Server names, each kept once; packed answers hold their indexes.
    """

    #: Names beyond this number share the index of the empty name, which bounds the memory.
    MOST: Final = 4096

    def __init__(self) -> None:
        self.names = [""]
        self._numbers = {"": 0}

    def number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            if len(self.names) >= self.MOST or len(name) > 256:
                return 0
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number


class Entry:
    """
    A cached answer ready for use.

    @ivar answer: the answer to return from C{since} until just before C{until}, with the TTLs for that second.
    @ivar hits: how often it was returned since the store last added this to its counters.
    @ivar asked: how often before that.
    @ivar kept: the answer as it was learned, without AA and without its message.
    @ivar octets: memory that it takes in the cache.
    @ivar stale: whether C{answer} is a stale one.
    @ivar fetched: whether it is being fetched again, or was prefetched.
    @ivar unmet: the number of the rules of which none is about the answer, as those who apply rules have found; 0 for none.
    """

    __slots__ = ("answer", "since", "until", "hits", "asked", "kept", "learned", "expires", "octets", "stale", "fetched", "unmet")

    def __init__(self, kept: Answer, learned: float, seconds: float) -> None:
        self.answer = kept
        self.since = self.until = self.learned = learned
        self.hits = self.asked = self.octets = self.unmet = 0
        self.kept = kept
        self.expires = learned + seconds
        self.stale = self.fetched = False

    def show(self, now: float) -> Answer:
        """
        Count the TTLs of C{answer} down to now.

        @param now: a time before C{expires}.
        """
        age = int(now - self.learned)
        kept = self.kept
        origin = kept.origin
        answer = self.answer = kept.having(kept.answer, kept.authority, kept.additional)
        if age > 0:
            answer.answer = _aged(kept.answer, age)
            answer.authority = _aged(kept.authority, age)
            answer.additional = _aged(kept.additional, age)
        server = origin.server if origin is not None else ""
        answer.origin = Origin("cache", server, 0, 0.0, now - self.learned, self.learned, self.expires)
        self.since = now if age < 0 else self.learned + age
        self.until = min(self.since + 1, self.expires)
        self.stale = False
        return answer

    def showStale(self, now: float, ttl: int, until: float) -> Answer:
        """
        Make C{answer} a stale answer, marked as such (RFC 8767, section 4; RFC 8914, sections 4.4 and 4.20).

        @param ttl: seconds for all its records.
        @param until: when to ask the servers again.
        """
        kept = self.kept
        origin = kept.origin
        answer = self.answer = kept.having(kept.answer, kept.authority, kept.additional)
        answer.answer = tuple([rrset.withTTL(ttl) for rrset in kept.answer])
        answer.authority = tuple([rrset.withTTL(ttl) for rrset in kept.authority])
        answer.additional = tuple([rrset.withTTL(ttl) for rrset in kept.additional])
        answer.ede = (*kept.ede, (19 if kept.outcome is Outcome.NXDOMAIN else 3, "not refreshed in time"))
        answer.origin = Origin("stale", origin.server if origin is not None else "", age=now - self.learned)
        self.since = now
        self.until = until
        self.stale = True
        return answer


def _aged(sets: tuple[RRSet, ...], age: int) -> tuple[RRSet, ...]:
    if not sets:
        return sets
    if len(sets) == 1:
        rrset = sets[0]
        return (RRSet(rrset.name, rrset.rrType, rrset.rrClass, max(rrset.ttl - age, 0), rrset.rdatas),)
    return tuple([RRSet(rrset.name, rrset.rrType, rrset.rrClass, max(rrset.ttl - age, 0), rrset.rdatas) for rrset in sets])


def pack(
    key: bytes,
    answer: Answer,
    sections: Sections,
    learned: float,
    seconds: float,
    servers: Servers,
    asked: int = 0,
) -> bytes:
    """
    Pack an answer into octets. AA, which only answers from local zones have, is dropped; so is the message, to save memory.

    @param key: the cache key; it begins with the question's folded name.
    @param sections: the three sections to keep.
    @param seconds: from C{learned} to expiry.
    """
    origin = answer.origin
    answers, authority, additional = sections
    if answer.outcome is _DATA and answer.security is _INDETERMINATE:
        # Looking up members of an Enum takes as long as the rest of this function.
        kind = _PLAIN
    elif answer.outcome is _DATA and answer.security is _SECURE:
        kind = _PROVED
    else:
        kind = _OUTCOME_NUMBERS[answer.outcome] << 4 | _SECURITY_NUMBERS[answer.security]
    server = servers.number(origin.server) if origin is not None else 0
    flags = answer.flags & ~AA
    head = b""
    if asked > 255:
        asked = 255
    if answers:
        rrset = answers[0]
        before = rrset.name
        rdatas = rrset.rdatas
        # The common case, and often the whole answer.
        single = len(rdatas) == 1 and key.startswith(before)
        only = len(answers) == 1
        alone = only and not (authority or additional or answer.ede)
        if only and not (single and alone) and _saysAll(answer, sections):
            # The original octets can be parsed as quickly.
            counted = 1, len(authority), len(additional)
            return _HEADER.pack(learned, int(seconds), flags, answer.rcode, kind | _REPLY, asked, server, *counted) + answer.wire
        if single:
            rdata = rdatas[0]
            counts = len(answers), len(authority), len(additional), 0, rrset.rrType, rrset.ttl, 1, len(rdata)
            head = _packFirst(learned, int(seconds), flags, answer.rcode, kind, asked, server, *counts) + rdata
            if alone:
                return head
    if head:
        parts = [head]
        rest: tuple[tuple[RRSet, ...], ...] = (answers[1:], authority, additional)
    else:
        before = b""
        counted = len(answers), len(authority), len(additional)
        parts = [_HEADER.pack(learned, int(seconds), flags, answer.rcode, kind, asked, server, *counted)]
        rest = sections
    for sets in rest:
        for rrset in sets:
            name = rrset.name
            if name == before:
                how = b"\x01"
            else:
                before = name
                if key.startswith(name):
                    how = _SELF
                elif key.startswith(name, key[0] + 1):
                    # The parent of the question's name, usually the zone of the host.
                    how = bytes((_TAIL, key[0] + 1))
                else:
                    how = _packedName(name, key)
            rdatas = rrset.rdatas
            if len(rdatas) == 1:
                rdata = rdatas[0]
                parts += how, _RECORD.pack(rrset.rrType, rrset.ttl, 1, len(rdata)), rdata
                continue
            parts.append(how)
            parts.append(_RECORDS.pack(rrset.rrType, rrset.ttl, len(rdatas)))
            for rdata in rdatas:
                parts.append(_LENGTH.pack(len(rdata)))
                parts.append(rdata)
    for code, text in answer.ede[:_EDES]:
        encoded = text[:_EDE_TEXT].encode("utf-8", "replace")
        parts.append(_RECORDS.pack(code, 0, len(encoded)) + encoded)
    return b"".join(parts)


def _saysAll(answer: Answer, sections: Sections) -> bool:
    """
    Return whether an answer's octets contain all records to keep and little else. Return false for octets that had to be parsed as a
    message: options may be mostly padding (RFC 8467), and if other code assembled message and records, these may differ.
    """
    answers, authority, additional = sections
    return (
        answers is answer.answer
        and authority is answer.authority
        and additional is answer.additional
        and answer.wire.startswith(answers[0].name, HEADER_OCTETS)
        and answer._message is None
        and not answer.ede
        and not answer.wire.endswith(_PADDED)
    )


def packEntry(key: bytes, entry: Entry, servers: Servers) -> bytes:
    kept = entry.kept
    sections = (kept.answer, kept.authority, kept.additional)
    # Floating-point addition may have lost a fraction of a second.
    return pack(key, kept, sections, entry.learned, round(entry.expires - entry.learned), servers, entry.asked + entry.hits)


def askedAgain(data: bytes) -> bytes:
    """
    Return the same packed answer with its request count incremented.
    """
    return data if data[_ASKED] == 255 else b"%b%c%b" % (data[:_ASKED], data[_ASKED] + 1, data[_ASKED + 1 :])


def _packedName(name: bytes, key: bytes) -> bytes:
    # The key goes on after its name's final zero octet, and no label begins with one: a match at a label boundary ends where the name ends.
    end = key.find(name)
    if end >= 0 and key[end + len(name) - 1] == 0:
        position = 0
        while position < end and key[position]:
            position += key[position] + 1
        if position == end:
            return bytes((_TAIL, end))
    return bytes((_FULL, len(name))) + name


def kindOf(data: bytes) -> tuple[Outcome, Security]:
    """
    Return the outcome and the security of a packed answer.
    """
    kind = data[_KIND] & ~_REPLY
    return _OUTCOMES[kind >> 4], _SECURITIES[kind & 15]


def learnedAt(data: bytes) -> tuple[float, float]:
    """
    Return when a packed answer was learned, and when it expires.
    """
    learned, seconds = _learned(data)
    return learned, learned + seconds


def unpack(key: bytes, data: bytes, servers: Servers) -> Entry:
    learned, seconds, flags, rcode, kind, asked, server, answers, authority, additional = _HEADER.unpack_from(data)
    if kind & _REPLY:
        return _unpackReply(key, data, servers)
    sections: tuple[tuple[RRSet, ...], ...] = ()
    ede: tuple[tuple[int, str], ...] = ()
    if answers == 1 and not authority and not additional and data.startswith(_SELF, _HEADER.size):
        rrType, ttl, records, length = _RECORD.unpack_from(data, _SINGLE)
        if records == 1 and _FIRST.size + length == len(data):
            # The common case, and the whole answer.
            sections = ((RRSet(key[: nameEnd(key)], rrType, 1, ttl, (data[_FIRST.size :],)),), (), ())
    if not sections:
        sections, ede = _unpackSections(key, data, (answers, authority, additional))
    kept = Answer(
        _OUTCOMES[kind >> 4],
        sections[0],
        sections[1],
        sections[2],
        rcode=rcode,
        flags=flags,
        security=_SECURITIES[kind & 15],
        ede=ede,
        origin=Origin("cache", servers.names[server]),
    )
    entry = Entry(kept, learned, seconds)
    entry.asked = asked
    return entry


def _unpackSections(
    key: bytes, data: bytes, counts: tuple[int, int, int]
) -> tuple[tuple[tuple[RRSet, ...], ...], tuple[tuple[int, str], ...]]:
    """
    Return the three sections of a packed answer, and its extended errors.
    """
    position = _HEADER.size
    before = b""
    sections: list[tuple[RRSet, ...]] = []
    for count in counts:
        sets: list[RRSet] = []
        for _ in range(count):
            how = data[position]
            if how == _SAME:
                position += 1
            elif how == _TAIL:
                start = end = data[position + 1]
                while key[end]:
                    end += key[end] + 1
                before = key[start : end + 1]
                position += 2
            else:
                length = data[position + 1]
                before = data[position + 2 : position + 2 + length]
                position += 2 + length
            rrType, ttl, records = _RECORDS.unpack_from(data, position)
            position += 8
            rdatas: list[bytes] = []
            for _ in range(records):
                end = position + 2 + (data[position] << 8 | data[position + 1])
                rdatas.append(data[position + 2 : end])
                position = end
            sets.append(RRSet(before, rrType, 1, ttl, tuple(rdatas)))
        sections.append(tuple(sets))
    ede: list[tuple[int, str]] = []
    while position < len(data):
        code, _, length = _RECORDS.unpack_from(data, position)
        position += 8 + length
        ede.append((code, data[position - length : position].decode("utf-8", "replace")))
    return tuple(sections), tuple(ede)


def _unpackReply(key: bytes, data: bytes, servers: Servers) -> Entry:
    learned, seconds, flags, rcode, kind, asked, server, *_ = _HEADER.unpack_from(data)
    wire = data[_HEADER.size :]
    end = HEADER_OCTETS + len(nameOfKey(key))
    question = Question(wire[HEADER_OCTETS:end], wire[end] << 8 | wire[end + 1])
    answer = answerFromReply(question, wire, Origin("cache", servers.names[server]))
    kept = answer.having(answer.answer, answer.authority, answer.additional)
    kept.rcode, kept.flags, kept.security = rcode, flags, _SECURITIES[kind & 15]
    entry = Entry(kept, learned, seconds)
    entry.asked = asked
    return entry


def packedBytes(key: bytes, data: bytes) -> int:
    """
    Return the memory of a packed answer with its key and its table slot, in octets.
    """
    return _SLOT + (48 + len(key) & -16) + (48 + len(data) & -16)


def readyBytes(key: bytes, answer: Answer) -> int:
    """
    Return memory of a ready answer, in octets: as learned, and as returned in the current second.
    """
    octets = _SLOT + _ENTRY + 2 * _ANSWER + _BYTES + len(key)
    for sets in (answer.answer, answer.authority, answer.additional):
        for rrset in sets:
            octets += _SET + len(rrset.name)
            for rdata in rrset.rdatas:
                octets += 8 + _BYTES + len(rdata)
    for _, text in answer.ede:
        octets += 160 + 4 * len(text)
    return octets
