"""
Compare messages with the entries of a scenario, make the replies that its servers send, and show messages as text.

The words of MATCH mean the same as in Deckard and Stelline. C{all} stands for opcode, question, flags, rcode, answer, authority and
additional; TTLs are compared with C{ttl} only, names without regard to case, records as often as they occur.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.testing.scenarios.reading import FLAGS, Entry, Scenario
from twisted_ext.wire import codes
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import isBelow
from twisted_ext.wire.rdata.registry import canonicalRdata
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import OPT, RRSIG, typeName

__all__ = [
    "COMPARED", "Mismatch", "Query", "Unsupported", "checkWords", "delayOf", "messageText", "mismatches", "queryMatches", "replyTo",
]

#: The compared flags of a reply.
COMPARED: Final = codes.QR | codes.AA | codes.TC | codes.RD | codes.RA | codes.AD | codes.CD

#: Flags that MATCH can require of a message.
_REQUIRED: Final = {"RD": codes.RD, "AD": codes.AD, "CD": codes.CD}

_QUESTION: Final = frozenset(("qname", "qtype"))

#: What the short words of MATCH stand for.
_SHORT: Final = {
    "question": _QUESTION,
    "all": _QUESTION | {"opcode", "flags", "rcode", "answer", "authority", "additional"},
}

#: Words of MATCH for the queries of clients.
_TRANSPORTS: Final = frozenset(("TCP", "UDP"))

#: Words of MATCH for queries to the servers.
_QUERY_WORDS: Final = frozenset(("opcode", "qname", "qtype", "qcase", "question", "subdomain", "flags", "DO", "TCP", "UDP", *_REQUIRED))

#: Words of MATCH for replies, besides C{ede=}.
_REPLY_WORDS: Final = frozenset(
    (
        "opcode", "qname", "qtype", "qcase", "subdomain", "flags", "rcode", "answer", "answertypes", "answerrrsigs", "authority",
        "additional", "ttl", "edns", "DO", *_SHORT, *_REQUIRED,
    )
)

#: Words of ADJUST, besides C{sleep=}.
_ADJUST_WORDS: Final = frozenset(("copy_id", "copy_query", "raw_id", "do_not_answer"))

#: The line between the messages of one reply, such as a zone transfer.
_SEPARATOR: Final = "EXTRA_PACKET"

_SECTIONS: Final = ("answer", "authority", "additional")

#: The payload size in replies, as in Deckard.
_PAYLOAD: Final = 4096

_STREAM_SIZE: Final = 65535

#: The octets of an extended error (RFC 8914) in EDNS.
_EDE: Final = 15


class Mismatch(AssertionError):
    """
    A scenario ended with another result than expected.
    """


class Unsupported(Exception):
    """
    A scenario uses a feature that the player does not support.
    """


class Query:
    """
    A query, as far as entries can be compared with it.
    """

    __slots__ = ("question", "flags", "dnssecOk", "stream")

    def __init__(self, question: Question | None, flags: int = 0, dnssecOk: bool = False, stream: bool = False) -> None:
        """
        @param flags: those of the header, with the opcode.
        @param stream: whether it came over TCP.
        """
        self.question = question
        self.flags = flags
        self.dnssecOk = dnssecOk
        self.stream = stream

    @classmethod
    def of(cls, message: Message, stream: bool) -> Query:
        """
        Make it from a message.
        """
        edns = message.edns
        return cls(message.questions[0] if message.questions else None, message.flags, edns is not None and edns.dnssecOk, stream)


# -- words


def checkWords(scenario: Scenario) -> None:
    """
    Check that all words of MATCH, ADJUST and REPLY are supported, even of entries that may not be reached.

    @raise Unsupported: one is not; with its line.
    """
    for each in scenario.ranges:
        for entry in each.entries:
            _checkEntry(entry, _QUERY_WORDS, ())
    for step in scenario.steps:
        if step.entry is None:
            continue
        if step.kind == "CHECK_ANSWER":
            _checkEntry(step.entry, _REPLY_WORDS, ("ede=",))
        elif step.kind == "QUERY":
            _checkEntry(step.entry, _TRANSPORTS, ())
        else:
            _checkEntry(step.entry, _QUERY_WORDS, ())


def _checkEntry(entry: Entry, match: frozenset[str], prefixes: tuple[str, ...]) -> None:
    for word in sorted(entry.match - match):
        if not (prefixes and word.startswith(prefixes)):
            raise Unsupported(f"MATCH {word} (line {entry.line})")
    for word in sorted(entry.adjust - _ADJUST_WORDS):
        if _sleepIn(word) is None:
            raise Unsupported(f"ADJUST {word} (line {entry.line})")
    if any(_SEPARATOR in lines for lines in entry.sections.values()):
        raise Unsupported(f"a reply of several messages (line {entry.line})")
    known = FLAGS.keys() | {"DO"} | {each.name for each in codes.Opcode} | {each.name for each in codes.Rcode}
    for word in sorted(entry.reply - known):
        raise Unsupported(f"REPLY {word} (line {entry.line})")


def _sleepIn(word: str) -> float | None:
    key, _, value = word.partition("=")
    if key in ("sleep", "packet_sleep") and value.isascii() and value.isdigit():
        return float(value)
    return None


# -- queries to the servers of a scenario


def queryMatches(entry: Entry, query: Query) -> bool:
    """
    Return whether the entry is for this query.

    @raise Unsupported: a word of its MATCH is not supported.
    """
    for word in entry.match:
        if word == "TCP":
            matches = query.stream
        elif word == "UDP":
            matches = not query.stream
        elif word == "opcode":
            matches = query.flags >> 11 & 15 == entry.opcode
        elif word == "flags":
            matches = not (query.flags ^ entry.flags) & COMPARED
        elif word in _REQUIRED:
            matches = bool(query.flags & _REQUIRED[word])
        elif word == "DO":
            matches = query.dnssecOk
        elif word in _QUERY_WORDS:
            matches = _questionMatches(word, entry, query.question)
        else:
            raise Unsupported(f"MATCH {word} (line {entry.line})")
        if not matches:
            return False
    return True


def _questionMatches(word: str, entry: Entry, question: Question | None) -> bool:
    wanted = entry.question
    if wanted is None or question is None:
        # An entry without a question is for all queries.
        return wanted is None
    if word == "qtype":
        return wanted.rrType == question.rrType
    if word == "qname":
        return wanted.name.lower() == question.name.lower()
    if word == "qcase":
        return wanted.name == question.name
    if word == "subdomain":
        return isBelow(question.name.lower(), wanted.name.lower())
    return wanted == question


def delayOf(entry: Entry) -> float:
    """
    Return the seconds to wait before the reply is sent.
    """
    return sum([_sleepIn(word) or 0.0 for word in entry.adjust])


def replyTo(entry: Entry, query: Message, stream: bool, sameId: bool = False) -> bytes | None:
    """
    Return the reply of a server, or L{None} for none.

    @param sameId: the reply has the ID of the query even without C{copy_id}.

    The header and the records are those of the entry. The OPT record is like that of the query, because most entries do not mention it. A
    reply over UDP that is too large for the client is truncated.
    """
    if "do_not_answer" in entry.adjust:
        return None
    if entry.raw is not None:
        octets = entry.raw
        copies = sameId or entry.adjust & {"raw_id", "copy_id"}
        return query.id.to_bytes(2, "big") + octets[2:] if copies and len(octets) > 1 else octets
    # Without copy_id the id has to be a wrong one.
    id = query.id if sameId or "copy_id" in entry.adjust else query.id ^ 0xFFFF
    wanted, asked = entry.question, query.questions[0] if query.questions else None
    if wanted is not None and asked is not None and "copy_id" in entry.adjust:
        # As in Deckard, this word copies the name as well.
        wanted = Question(asked.name, wanted.rrType, wanted.rrClass)
    if "copy_query" in entry.adjust:
        wanted = asked
    edns = query.edns
    opt = None
    if edns is not None:
        opt = EDNS(_PAYLOAD, edns.flags & codes.DO | (codes.DO if entry.dnssecOk else 0), extendedRcode=entry.rcode >> 4)
    message = Message(
        id,
        entry.flags | entry.opcode << 11 | entry.rcode & 15,
        () if wanted is None else (wanted,),
        tuple(entry.listed("ANSWER")),
        tuple(entry.listed("AUTHORITY")),
        tuple(entry.listed("ADDITIONAL")),
        opt,
    )
    size = _STREAM_SIZE if stream else max(512, 0 if edns is None else edns.payloadSize)
    return buildMessage(message, size)


# -- replies of the resolver


def mismatches(entry: Entry, reply: Message, compared: int = COMPARED) -> list[str]:
    """
    Return the differences between a reply and the expected one, in the parts that the entry's MATCH names.

    @param compared: flags of the header to compare.

    @raise Unsupported: a word of its MATCH is not supported.
    """
    match = set(entry.match)
    for word in list(match):
        match |= _SHORT.get(word, frozenset())
    problems: list[str] = []
    got, wanted = reply.questions[0] if reply.questions else None, entry.question
    for word in sorted(match - _SHORT.keys() - {"ttl"}):
        if word == "opcode":
            if reply.opcode != entry.opcode:
                problems.append(f"opcode {reply.opcode}, expected {entry.opcode.name}")
        elif word == "rcode":
            if reply.rcode != entry.rcode:
                problems.append(f"rcode {codes.rcodeName(reply.rcode)}, expected {codes.rcodeName(entry.rcode)}")
        elif word == "flags":
            if (reply.flags ^ entry.flags) & compared:
                problems.append(f"flags {_flagText(reply.flags & compared)}, expected {_flagText(entry.flags & compared)}")
        elif word in _REQUIRED:
            if not reply.flags & _REQUIRED[word]:
                problems.append(f"{word} is not set")
        elif word in ("edns", "DO"):
            problems += _ednsProblems(word, entry, reply)
        elif word.startswith("ede="):
            problems += _edeProblems(word[4:], reply)
        elif word in ("qname", "qtype", "qcase", "subdomain"):
            if not _questionMatches(word, entry, got):
                problems.append(f"{word} of {got}, expected {wanted}")
        elif word in ("answertypes", "answerrrsigs"):
            problems += _typeProblems(entry, reply, word == "answerrrsigs")
        elif word in _SECTIONS:
            problems += _sectionProblems(word, entry, reply, "ttl" in match)
        else:
            raise Unsupported(f"MATCH {word} (line {entry.line})")
    return problems


def _flagText(flags: int) -> str:
    return " ".join([word for word, bit in FLAGS.items() if flags & bit]) or "none"


def _ednsProblems(word: str, entry: Entry, reply: Message) -> list[str]:
    # The payload size is the server's own choice (RFC 6891, section 6.2.5).
    edns = reply.edns
    if edns is None or edns.version:
        return ["no OPT record of version 0"]
    if edns.dnssecOk != (word == "DO" or entry.dnssecOk):
        return [f"DO is {'set' if edns.dnssecOk else 'clear'}"]
    return []


def _edeProblems(wanted: str, reply: Message) -> list[str]:
    edns = reply.edns
    found = [int.from_bytes(data[:2], "big") for code, data in ([] if edns is None else edns.options) if code == _EDE]
    if wanted == "any" and found:
        return []
    if wanted.isascii() and wanted.isdigit() and int(wanted) in found:
        return []
    return [f"extended errors {found or 'none'}, expected {wanted}"]


def _typeProblems(entry: Entry, reply: Message, signatures: bool) -> list[str]:
    def typesIn(records: Iterable[RRSet]) -> set[str]:
        return {
            f"RRSIG({typeName(int.from_bytes(each.rdatas[0][:2], 'big'))})" if each.rrType == RRSIG else typeName(each.rrType)
            for each in records
            if signatures or each.rrType != RRSIG
        }

    got, wanted = typesIn(reply.answer), typesIn(entry.listed("ANSWER"))
    return [] if got == wanted else [f"answer of types {sorted(got)}, expected {sorted(wanted)}"]


_Key = tuple[bytes, int, int, int, bytes]


def _sectionProblems(label: str, entry: Entry, reply: Message, ttl: bool) -> list[str]:
    got = _counted(reply.records()[_SECTIONS.index(label)], ttl)
    wanted = _counted(entry.listed(label.upper()), ttl)
    problems = []
    if extra := got - wanted:
        problems.append(f"{label}: not expected: {_textOf(extra, ttl)}")
    if missing := wanted - got:
        problems.append(f"{label}: missing: {_textOf(missing, ttl)}")
    return problems


def _counted(sets: Iterable[RRSet], ttl: bool) -> Counter[_Key]:
    found: Counter[_Key] = Counter()
    for each in eachRecord(tuple(sets)):
        if each.rrType == OPT:
            continue
        try:
            rdata = canonicalRdata(each.rrType, each.rdatas[0])
        except BadMessage:
            rdata = each.rdatas[0]
        found[each.name.lower(), each.rrType, each.rrClass, each.ttl if ttl else 0, rdata] += 1
    return found


def _textOf(records: Counter[_Key], ttl: bool) -> str:
    texts = []
    for (name, rrType, rrClass, seconds, rdata), times in records.items():
        (text,) = recordToText(RRSet(name, rrType, rrClass, seconds, (rdata,)))
        words = text.split("\t")
        if not ttl:
            del words[1]
        texts.append(" ".join(words) + (f" ({times} times)" if times > 1 else ""))
    return "; ".join(texts)


# -- text


def messageText(message: Message) -> str:
    """
    Return a message in the format of an entry.
    """
    words = [word for word, bit in FLAGS.items() if message.flags & bit]
    if message.edns is not None and message.edns.dnssecOk:
        words.append("DO")
    if message.opcode:
        words.append(codes.Opcode(message.opcode).name if message.opcode in list(codes.Opcode) else f"OPCODE{message.opcode}")
    lines = ["REPLY " + " ".join([*words, codes.rcodeName(message.rcode)]), "SECTION QUESTION"]
    lines += [f"{each}" for each in message.questions]
    for label, sets in zip(_SECTIONS, message.records(), strict=True):
        if sets:
            lines.append(f"SECTION {label.upper()}")
            lines += [line for each in sets for line in recordToText(each)]
    for code, data in () if message.edns is None else message.edns.options:
        if code == _EDE:
            lines.append(f"; extended error {int.from_bytes(data[:2], 'big')}: {data[2:].decode('utf-8', 'replace')}")
    return "\n".join(lines)
