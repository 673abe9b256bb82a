"""
What somebody asks: header, question and OPT record of a message, and nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadMessage
from twisted_ext.limits import DATAGRAM_SIZE, MESSAGE_SIZE
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.edns import EDNS, OPT
from twisted_ext.wire.message import HEADER, HEADER_OCTETS, Message, Question
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import RRSet, readRecords

if TYPE_CHECKING:
    from twisted_ext.packetcache.clients import Client
    from twisted_ext.packetcache.packetcache import Address
    from twisted_ext.wire.tsig import TSIGRecord, Verdict

__all__ = ["Refusal", "Request", "Send"]

_header: Final = HEADER.unpack_from

#: Octets that whoever says nothing of it takes by UDP (RFC 1035, section 2.3.4).
_LEAST: Final = 512
_MOST: Final = int(DATAGRAM_SIZE.default)
_STREAM: Final = int(MESSAGE_SIZE.default)

_MOST_NAME: Final = 255
_TSIG: Final = 250
_KEEPALIVE: Final = 11
_IXFR: Final = 251

#: What stands between the root as owner and the payload size of an OPT record.
_OPT: Final = b"\x00\x00\x29"

#: Type and class of a TSIG record.
_SIGNED: Final = b"\x00\xfa\x00\xff"

#: Octets at a message's end in which a TSIG or OPT record is looked for without reading what stands before.
_TAIL: Final = 1024


class Refusal:
    """
    A reply that is finished without anybody being asked, or the decision to give none.

    @ivar rcode: all twelve bits of it.
    @ivar ede: extended errors as C{(info code, extra text)} pairs (RFC 8914).
    @ivar truncated: set TC, so that whoever asks comes back by TCP.
    @ivar answer: records to answer with.
    @ivar silent: give no reply at all.
    @ivar bare: reply with a header alone.
    @ivar flags: bits of the header to set, such as AA.
    """

    __slots__ = ("rcode", "ede", "truncated", "answer", "silent", "bare", "flags")

    def __init__(
        self,
        rcode: int,
        ede: tuple[tuple[int, str], ...] = (),
        *,
        truncated: bool = False,
        answer: tuple[RRSet, ...] = (),
        silent: bool = False,
        bare: bool = False,
        flags: int = 0,
    ) -> None:
        self.rcode = rcode
        self.ede = ede
        self.truncated = truncated
        self.answer = answer
        self.silent = silent
        self.bare = bare
        self.flags = flags

    def __repr__(self) -> str:
        return "<Refusal silent>" if self.silent else f"<Refusal {self.rcode} {self.ede}>"


class Request:
    """
    One query, and from where it came.

    @ivar wire: the message.
    @ivar id: sixteen bits.
    @ivar flags: the header's second pair of octets.
    @ivar opcode: see L{twisted_ext.wire.codes.Opcode}.
    @ivar question: what is asked, in the case that it was asked in. Where the message has no good one, the root's: look at C{fault} first.
    @ivar questionEnd: where in C{wire} the question ends; 12 where there is none.
    @ivar edns: what the OPT record says, or L{None} without one.
    @ivar address: who asks, as the socket tells.
    @ivar client: the same, as an address for comparing: an IPv4 address that is mapped into IPv6 stands as itself.
    @ivar transport: C{"udp"}, C{"tcp"}.
    @ivar size: octets that the reply may have.
    @ivar local: the address that was asked, where the listener knows it and needs it for the reply.
    @ivar arrived: the clock's seconds.
    @ivar fault: what is wrong with the message, to be told by a gate.
    @ivar signature: what the TSIG record says, or L{None} without one.
    @ivar record: what is known of the client, set by L{twisted_ext.server.reply.respond}.
    @ivar cookie: the whole EDNS option to put into the reply (RFC 7873), set by the gate that looks after cookies.
    @ivar verified: whether the client has shown by a cookie that its address is its own.
    @ivar message: all of it, for opcodes other than QUERY once L{readWhole} was called.
    @ivar keyName: of the key that it is signed with, once that was found right; C{b""} otherwise.
    @ivar verdict: what was found of the signature, where there is one.
    @ivar today: seconds since 1970 when that was.
    @ivar replied: whether a reply was sent, or begun to be.
    """

    __slots__ = (
        "wire",
        "id",
        "flags",
        "opcode",
        "question",
        "questionEnd",
        "edns",
        "address",
        "client",
        "transport",
        "size",
        "local",
        "arrived",
        "fault",
        "signature",
        "record",
        "cookie",
        "verified",
        "message",
        "keyName",
        "verdict",
        "today",
        "replied",
    )

    wire: bytes
    id: int
    flags: int
    opcode: int
    question: Question
    questionEnd: int
    edns: EDNS | None
    address: Address
    client: str
    transport: str
    size: int
    local: object
    arrived: float
    fault: Refusal | None
    signature: TSIGRecord | None
    record: Client
    cookie: bytes
    verified: bool
    message: Message | None
    keyName: bytes
    verdict: Verdict | None
    today: float
    replied: bool

    @classmethod
    def fromWire(cls, wire: bytes, address: Address, transport: str, local: object = None, arrived: float = 0.0) -> Request | None:
        """
        @return: L{None} for what must not be replied to: fewer than twelve octets, or a reply.
        """
        if len(wire) < HEADER_OCTETS:
            return None
        self = cls.__new__(cls)
        self.id, flags, questions, answers, authorities, additionals = _header(wire)
        if flags & QR:
            return None
        self.wire = wire
        self.flags = flags
        self.opcode = opcode = flags >> 11 & 15
        self.address = address
        client = address[0]
        self.client = client[7:] if client.startswith("::ffff:") and "." in client else client
        self.transport = transport
        self.local = local
        self.arrived = arrived
        self.fault = None
        self.signature = None
        self.edns = None
        self.cookie = b""
        self.verified = False
        self.message = None
        self.keyName = b""
        self.verdict = None
        self.today = 0.0
        self.replied = False
        self.question = _NOTHING
        self.questionEnd = HEADER_OCTETS
        self.size = _LEAST if transport == "udp" else _STREAM
        if opcode:
            # Its records may mean something else.
            return self
        if questions != 1 or answers or (authorities and additionals + authorities > 3) or additionals > 3:
            if questions or answers or authorities or additionals != 1:
                self.fault = Refusal(Rcode.FORMERR, bare=questions != 1)
                return self
        try:
            position = HEADER_OCTETS
            if questions:
                while length := wire[position]:
                    if length > 63:
                        raise BadMessage("a label of an unknown kind, or a pointer, in the question")
                    position += length + 1
                position += 1
                if position > HEADER_OCTETS + _MOST_NAME:
                    raise BadMessage("a name of more than 255 octets")
                self.question = Question(
                    wire[HEADER_OCTETS:position], wire[position] << 8 | wire[position + 1], wire[position + 2] << 8 | wire[position + 3]
                )
                position += 4
                self.questionEnd = position
            if additionals == 1 and not authorities and wire.startswith(_OPT, position):
                end = position + 11 + (wire[position + 9] << 8 | wire[position + 10])
                if end != len(wire):
                    raise BadMessage("octets behind the last record, or too few of them")
                self._takeEDNS(
                    EDNS.fromRecord(
                        wire[position + 3] << 8 | wire[position + 4],
                        int.from_bytes(wire[position + 5 : position + 9], "big"),
                        wire[position + 11 :],
                    )
                )
            elif additionals or authorities:
                self._readRecords(position, authorities, additionals)
            elif position != len(wire):
                raise BadMessage("octets behind the question")
        except (IndexError, BadMessage):
            self.fault = Refusal(Rcode.FORMERR, bare=self.questionEnd == HEADER_OCTETS)
        return self

    def readZone(self) -> None:
        """
        Read of a message that is no query the one question, which names a zone, and nothing behind it.
        """
        wire = self.wire
        if wire[4:6] != b"\x00\x01":
            self.fault = Refusal(Rcode.FORMERR, bare=True)
            return
        try:
            position = HEADER_OCTETS
            while length := wire[position]:
                if length > 63:
                    raise BadMessage("a label of an unknown kind, or a pointer, in the question")
                position += length + 1
            position += 1
            if position > HEADER_OCTETS + _MOST_NAME:
                raise BadMessage("a name of more than 255 octets")
            self.question = Question(
                wire[HEADER_OCTETS:position], wire[position] << 8 | wire[position + 1], wire[position + 2] << 8 | wire[position + 3]
            )
            self.questionEnd = position + 4
        except (IndexError, BadMessage):
            self.fault = Refusal(Rcode.FORMERR, bare=True)

    def seemsSigned(self) -> bool:
        """
        @return: whether there may be a TSIG record at the end. Without reading what stands before it nobody knows for sure; where there
            is one, it is seen.
        """
        return self._recordAtEnd(_SIGNED, 0) >= 0

    def glimpseEDNS(self) -> None:
        """
        Look for an OPT record at the end of a message that will not be read, so that the reply can have one too.
        """
        wire = self.wire
        at = self._recordAtEnd(_OPT, 1)
        if at >= self.questionEnd:
            with suppress(BadMessage):
                self._takeEDNS(
                    EDNS.fromRecord(wire[at + 3] << 8 | wire[at + 4], int.from_bytes(wire[at + 5 : at + 9], "big"), wire[at + 11 :])
                )

    def _recordAtEnd(self, head: bytes, before: int) -> int:
        """
        @param head: what a record has, from C{before} octets before its type on.

        @return: where something begins with this that would be a record up to the end; -1 where nothing does.
        """
        wire = self.wire
        if wire[10:12] == b"\x00\x00":
            return -1
        # Type, class, TTL, length.
        size = before + 10
        end = len(wire)
        first = max(HEADER_OCTETS, end - _TAIL)
        at = wire.rfind(head, first)
        while at >= 0:
            if at + size <= end and at + size + (wire[at + size - 2] << 8 | wire[at + size - 1]) == end:
                return at
            at = wire.rfind(head, first, at + len(head) - 1)
        return -1

    def readWhole(self) -> None:
        """
        Read a message that is no query: its one question, which names a zone, and all of its records.
        """
        try:
            message = Message.fromWire(self.wire)
            if len(message.questions) != 1:
                raise BadMessage("not one question")
            self.question = message.questions[0]
            self.questionEnd = HEADER_OCTETS + len(self.question.name) + 4
            message.check()
            trailer = message.trailer
            if trailer is not None and trailer.rrType == _TSIG:
                from twisted_ext.wire.tsig import TSIGRecord

                self.signature = TSIGRecord.fromRecord(trailer)
            if message.edns is not None:
                self._takeEDNS(message.edns)
            self.message = message
        except BadMessage:
            self.fault = Refusal(Rcode.FORMERR, bare=self.questionEnd == HEADER_OCTETS)

    def _takeEDNS(self, edns: EDNS) -> None:
        self.edns = edns
        if self.transport == "udp":
            self.size = min(max(edns.payloadSize, _LEAST), _MOST)
        elif edns.options and not edns.version and edns.option(_KEEPALIVE):
            raise BadMessage("a time in a query's keepalive option (RFC 7828, section 3.2.1)")

    def _readRecords(self, position: int, authorities: int, additionals: int) -> None:
        """
        Read what stands behind the question where that is more than an OPT record.

        @raise BadMessage: it cannot be read, or is nothing that a query has.
        """
        if authorities and (authorities > 1 or self.question.rrType != _IXFR):
            raise BadMessage("records in the authority section of a query")
        _, position = readRecords(Reader(self.wire), position, authorities)
        records, position = readRecords(Reader(self.wire), position, additionals)
        if position != len(self.wire):
            raise BadMessage("octets behind the last record")
        for record in records:
            if self.signature is not None:
                raise BadMessage("a TSIG record that is not the last one (RFC 8945, section 5.1)")
            if record.rrType == _TSIG:
                from twisted_ext.wire.tsig import TSIGRecord

                self.signature = TSIGRecord.fromRecord(record)
            elif record.rrType == OPT:
                if self.edns is not None or record.name != b"\x00":
                    raise BadMessage("more than one OPT record, or a misplaced one")
                self._takeEDNS(EDNS.fromRecord(record.rrClass, record.ttl, record.rdatas[0]))

    def __repr__(self) -> str:
        return f"<Request {self.question} from {self.client} by {self.transport}>"


_NOTHING: Final = Question(b"\x00", 0, 0)

#: Sends a reply to whoever sent the request. Nobody but L{twisted_ext.server.reply.respond} calls it, once at most for each request.
Send = Callable[[bytes], None]
