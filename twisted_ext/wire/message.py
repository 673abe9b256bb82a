"""
Complete DNS messages (RFC 1035, section 4), and the OPT pseudo-record (RFC 6891).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, pack
from struct import error as StructError
from typing import Final

from mypy_extensions import mypyc_attr

from twisted_ext.errors import BadMessage, BadRecord
from twisted_ext.limits import EDNS_OPTIONS, MESSAGE_SIZE
from twisted_ext.wire.codes import ANY_CLASS, DO, Opcode
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import RRSet, groupRecords, readRecords
from twisted_ext.wire.rrtypes import OPT, SIG, TSIG

__all__ = ["EDNS", "HEADER", "HEADER_OCTETS", "Message", "Question"]

#: ID, flags, and the counts of the four sections (RFC 1035, section 4.1.1).
HEADER: Final = Struct(">HHHHHH")
HEADER_OCTETS: Final = 12

_MOST_OCTETS: Final = int(MESSAGE_SIZE.most)

_header: Final = HEADER.unpack_from
_typeAndClass: Final = Struct(">HH")

#: Types up to ANY, and class IN, as octets.
_endings: Final = {number: _typeAndClass.pack(number, 1) for number in range(256)}


class EDNS:
    """
    The content of an OPT record.

    @ivar payloadSize: the sender's UDP payload size; below 512 means 512 (RFC 6891, section 6.2.3).
    @ivar extendedRcode: the upper eight bits of the rcode.
    @ivar flags: sixteen bits, the first of which is C{DO}.
    @ivar options: C{(code, octets)} in order; L{twisted_ext.wire.options} converts them to typed values.
    """

    __slots__ = ("payloadSize", "extendedRcode", "version", "flags", "options")

    def __init__(
        self,
        payloadSize: int = 1232,
        flags: int = 0,
        options: tuple[tuple[int, bytes], ...] = (),
        version: int = 0,
        extendedRcode: int = 0,
    ) -> None:
        self.payloadSize = payloadSize
        self.flags = flags
        self.options = options
        self.version = version
        self.extendedRcode = extendedRcode

    @property
    def dnssecOk(self) -> bool:
        """
        Whether DNSSEC records are requested (RFC 3225).
        """
        return bool(self.flags & DO)

    def option(self, code: int) -> bytes | None:
        """
        Return the octets of the first option with this code, or L{None}.
        """
        for each, octets in self.options:
            if each == code:
                return octets
        return None

    @classmethod
    def fromRecord(cls, payloadSize: int, ttl: int, rdata: bytes) -> EDNS:
        """
        @param payloadSize: the record's class field.
        @param ttl: the record's TTL field, all 32 bits.

        @raise BadMessage: an option is truncated, or there are more than L{EDNS_OPTIONS}.
        """
        options: list[tuple[int, bytes]] = []
        if rdata:
            position, end = 0, len(rdata)
            most = EDNS_OPTIONS.default
            while position < end:
                if position + 4 > end:
                    raise BadMessage("an EDNS option is cut off")
                code, length = rdata[position] << 8 | rdata[position + 1], rdata[position + 2] << 8 | rdata[position + 3]
                position += 4
                if position + length > end:
                    raise BadMessage(f"EDNS option {code} extends past the end of its record")
                if len(options) >= most:
                    raise BadMessage(f"more than {most:.0f} EDNS options")
                options.append((code, rdata[position : position + length]))
                position += length
        return EDNS(payloadSize, ttl & 0xFFFF, tuple(options), ttl >> 16 & 0xFF, ttl >> 24)

    def toWire(self) -> bytes:
        rdata = b"".join([pack(">HH", code, len(octets)) + octets for code, octets in self.options])
        ttl = self.extendedRcode << 24 | self.version << 16 | self.flags
        return b"\x00\x00\x29" + pack(">HIH", self.payloadSize, ttl, len(rdata)) + rdata

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EDNS):
            return NotImplemented
        return self.toWire() == other.toWire()

    def __hash__(self) -> int:
        return hash(self.toWire())

    def __repr__(self) -> str:
        return f"<EDNS version={self.version} payloadSize={self.payloadSize} flags={self.flags:#06x} options={len(self.options)}>"


@mypyc_attr(allow_interpreted_subclasses=True, acyclic=True)
class Question:
    """
    A question: name, type and class.

    @ivar name: uncompressed, in the case to be sent.
    @ivar key: the folded name, type and class as octets, equal for all spellings of the question. Caches, tables of pending queries and
        comparisons use it.
    """

    __slots__ = ("name", "rrType", "rrClass", "key")

    def __init__(self, name: bytes, rrType: int, rrClass: int = 1, key: bytes = b"") -> None:
        """
        @param key: C{key}, from a caller that has it.

        @raise BadRecord: the type or the class does not fit into two octets.
        """
        self.name = name
        self.rrType = rrType
        self.rrClass = rrClass
        if key:
            self.key = key
            return
        ending = _endings.get(rrType) if rrClass == 1 else None
        if ending is not None:
            self.key = name.lower() + ending
            return
        try:
            self.key = name.lower() + _typeAndClass.pack(rrType, rrClass)
        except StructError:
            raise BadRecord(f"type {rrType!r} and class {rrClass!r} cannot be asked for; both take a number from 0 to 65535") from None

    def toWire(self) -> bytes:
        return self.name + self.key[-4:]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Question):
            return NotImplemented
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        from twisted_ext.wire.codes import className
        from twisted_ext.wire.rrtypes import typeName

        return f"{nameToText(self.name)} {className(self.rrClass)} {typeName(self.rrType)}"

    def __repr__(self) -> str:
        return f"<Question {self}>"


@mypyc_attr(allow_interpreted_subclasses=True)
class Message:
    """
    A parsed message, or one to be built by L{twisted_ext.wire.builder}.

    The records of a parsed message are parsed when a section is first accessed; C{check} does this at once.

    @ivar id: sixteen bits.
    @ivar flags: the header's second pair of octets: QR, opcode, AA, TC, RD, RA, Z, AD, CD and the lower four bits of the rcode.
    @ivar wire: the octets of a parsed message; empty for one that was constructed.
    @ivar behind: how many octets came behind the last record, once the records are parsed. They mean nothing, and are not in C{wire} then.
    """

    __slots__ = (
        "id",
        "flags",
        "questions",
        "wire",
        "behind",
        "_answer",
        "_authority",
        "_additional",
        "_edns",
        "_trailer",
        "_reader",
        "_counts",
        "_flat",
    )

    def __init__(
        self,
        id: int = 0,
        flags: int = 0,
        questions: tuple[Question, ...] = (),
        answer: tuple[RRSet, ...] = (),
        authority: tuple[RRSet, ...] = (),
        additional: tuple[RRSet, ...] = (),
        edns: EDNS | None = None,
    ) -> None:
        self.id = id
        self.flags = flags
        self.questions = questions
        self.wire = b""
        self.behind = 0
        self._answer = answer
        self._authority = authority
        self._additional = additional
        self._edns = edns
        self._trailer: RRSet | None = None
        self._reader: Reader | None = None
        self._counts = (0, 0, 0, 0)
        self._flat: tuple[list[RRSet], list[RRSet], list[RRSet]] | None = None

    @classmethod
    def fromWire(cls, data: bytes) -> Message:
        """
        Parse the header and questions now, and the records on first access.

        @raise BadMessage: fewer than twelve octets or more than 65,535, or a truncated question. Accessing the records may raise it later,
            for any fault in them.
        """
        self = _newMessage(cls)
        if not HEADER_OCTETS <= len(data) <= _MOST_OCTETS:
            raise BadMessage(f"a message has {HEADER_OCTETS} to {_MOST_OCTETS} octets; this has {len(data)}")
        self.id, self.flags, count, answers, authorities, additionals = _header(data)
        reader = Reader(data)
        offset = HEADER_OCTETS
        questions: list[Question] = []
        for _ in range(count):
            name, offset = reader.name(offset)
            if offset + 4 > len(data):
                raise BadMessage("the question extends past the end of the message")
            rrType, rrClass = _typeAndClass.unpack_from(data, offset)
            offset += 4
            questions.append(Question(name, rrType, rrClass))
        self.questions = tuple(questions)
        self.wire = data
        self.behind = 0
        self._answer = self._authority = self._additional = ()
        self._edns = self._trailer = None
        self._flat = None
        self._reader = reader
        self._counts = (offset, answers, authorities, additionals)
        return self

    def check(self) -> Message:
        """
        Parse the whole message now, and return it.

        @raise BadMessage: a record is truncated or not valid for its type, there is more than one OPT or a misplaced one, or a TSIG that is
            not the last record, has another class than ANY, or is followed by other octets.
        """
        if self._reader is not None:
            self._parse(self._reader)
        return self

    def _parse(self, reader: Reader) -> None:
        offset, answers, authorities, additionals = self._counts
        answer: list[RRSet] = []
        authority: list[RRSet] = []
        additional: list[RRSet] = []
        if answers:
            answer, offset = readRecords(reader, offset, answers)
        if authorities:
            authority, offset = readRecords(reader, offset, authorities)
        edns: EDNS | None = None
        trailer: RRSet | None = None
        if additionals:
            everything, offset = readRecords(reader, offset, additionals)
            last = len(everything) - 1
            for index, record in enumerate(everything):
                if record.rrType == OPT:
                    if edns is not None:
                        raise BadMessage("more than one OPT record")
                    if record.name != b"\x00":
                        raise BadMessage("an OPT record's owner is not the root")
                    edns = EDNS.fromRecord(record.rrClass, record.ttl, record.rdatas[0])
                elif record.rrType == TSIG or (record.rrType == SIG and record.rdatas[0][:2] == b"\x00\x00"):
                    if index != last:
                        raise BadMessage("a TSIG or SIG(0) that is not the last record")
                    if record.rrType == TSIG and record.rrClass != ANY_CLASS:
                        raise BadMessage("a TSIG record whose class is not ANY")
                    trailer = record
                else:
                    additional.append(record)
        behind = len(reader.data) - offset
        if behind and trailer is not None:
            raise BadMessage(f"{behind} octets after the signature")
        for section, records in (("answer", answer), ("authority", authority)):
            for record in records:
                if record.rrType == OPT or record.rrType == TSIG:
                    raise BadMessage(f"a record of type {record.rrType} in the {section} section")
        if behind:
            self.behind = behind
            self.wire = reader.data[:offset]
        self._flat = (answer, authority, additional)
        # The order of records in an UPDATE is significant (RFC 2136, section 3.4.2.6).
        group = tuple if self.flags >> 11 & 15 == Opcode.UPDATE else groupRecords
        self._answer = group(answer) if answer else ()
        self._authority = group(authority) if authority else ()
        self._additional = group(additional) if additional else ()
        self._edns = edns
        self._trailer = trailer
        self._reader = None

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 15

    @property
    def rcode(self) -> int:
        """
        The extended rcode, all twelve bits (RFC 6891, section 6.1.3).
        """
        edns = self.edns
        return self.flags & 15 if edns is None else edns.extendedRcode << 4 | self.flags & 15

    @property
    def answer(self) -> tuple[RRSet, ...]:
        if self._reader is not None:
            self._parse(self._reader)
        return self._answer

    @property
    def authority(self) -> tuple[RRSet, ...]:
        if self._reader is not None:
            self._parse(self._reader)
        return self._authority

    @property
    def additional(self) -> tuple[RRSet, ...]:
        """
        The RRsets of the additional section, without OPT, TSIG and SIG(0).
        """
        if self._reader is not None:
            self._parse(self._reader)
        return self._additional

    @property
    def edns(self) -> EDNS | None:
        if self._reader is not None:
            self._parse(self._reader)
        return self._edns

    @property
    def trailer(self) -> RRSet | None:
        """
        The TSIG or SIG(0) record at the end of the message.
        """
        if self._reader is not None:
            self._parse(self._reader)
        return self._trailer

    def records(self) -> tuple[list[RRSet], list[RRSet], list[RRSet]]:
        """
        Return the records of the answer, authority and additional section one by one in the order of the message, as transfers and updates
        need them; the RRsets of a message that was not parsed.
        """
        if self._reader is not None:
            self._parse(self._reader)
        return self._flat or (list(self._answer), list(self._authority), list(self._additional))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (
            self.id == other.id
            and self.flags == other.flags
            and self.questions == other.questions
            and self.edns == other.edns
            and self.trailer == other.trailer
            and set(self.answer) == set(other.answer)
            and set(self.authority) == set(other.authority)
            and set(self.additional) == set(other.additional)
        )

    def __hash__(self) -> int:
        return hash((self.id, self.flags, self.questions))

    def __repr__(self) -> str:
        kind = Opcode(self.opcode).name if self.opcode in Opcode._value2member_map_ else f"OPCODE{self.opcode}"
        return f"<Message id={self.id} {kind} flags={self.flags:#06x} questions={list(self.questions)}>"


_newMessage: Final[Callable[[type[Message]], Message]] = Message.__new__
