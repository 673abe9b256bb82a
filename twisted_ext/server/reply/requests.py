"""
Request parsing: the header, question, OPT and TSIG records of a message.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadMessage
from twisted_ext.limits import DATAGRAM_SIZE, MESSAGE_SIZE
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.server.config.keys import TLSPeer
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import EDNS, HEADER_OCTETS, Message, Question
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import RRSet, readRecords
from twisted_ext.wire.rrtypes import IXFR, OPT, TSIG

if TYPE_CHECKING:
    from twisted_ext.packetcache.clients import Client
    from twisted_ext.packetcache.packetcache import Address
    from twisted_ext.wire.tsig import TSIGRecord, Verdict

__all__ = ["RULED", "Refusal", "Request", "Send"]

_counts: Final = Struct(">HHHH").unpack_from

#: Section counts of a query with one question and nothing else, and of one with an OPT record as well.
_ONE: Final = b"\x00\x01\x00\x00\x00\x00\x00\x00"
_ONE_WITH_OPT: Final = b"\x00\x01\x00\x00\x00\x00\x00\x01"

#: UDP payload size of clients without EDNS (RFC 1035, section 2.3.4).
_LEAST: Final = 512
_MOST: Final = int(DATAGRAM_SIZE.default)
_STREAM: Final = int(MESSAGE_SIZE.default)

_MOST_NAME: Final = 255
_KEEPALIVE: Final = 11
_PADDING: Final = 12

#: The start of an OPT record: the root as owner, and the type.
_OPT: Final = b"\x00\x00\x29"

#: Type and class of a TSIG record.
_SIGNED: Final = b"\x00\xfa\x00\xff"

#: Octets at the end of a message that are searched for a TSIG or OPT record without reading the records before it.
_TAIL: Final = 1024


#: Why there is no reply if a rule says so, before the place of the rule.
RULED: Final = "blocked "


@dataclass(slots=True, eq=False)
class Refusal:
    """
    A reply made without a look-up, or the decision to send none.

    @ivar rcode: the extended RCODE, all twelve bits.
    @ivar ede: extended errors as C{(info code, extra text)} pairs (RFC 8914).
    @ivar truncated: set TC, so that the client retries over TCP.
    @ivar silent: send no reply.
    @ivar bare: omit the question section.
    @ivar flags: header flags to set, such as AA.
    @ivar isBogus: whether the look-up failed because an answer did not validate.
    @ivar rule: the place of the rule of a policy that has made it; C{""} for none.
    @ivar lasting: whether the same query gets the same refusal from the gate until the settings change, so that the packet cache may
        repeat it.
    """

    rcode: int
    ede: tuple[tuple[int, str], ...] = ()
    _: KW_ONLY
    truncated: bool = False
    answer: tuple[RRSet, ...] = ()
    silent: bool = False
    bare: bool = False
    flags: int = 0
    isBogus: bool = False
    rule: str = ""
    lasting: bool = True

    @property
    def ruled(self) -> str:
        """
        Why there is no reply, for observers, if a rule says so; else C{""}.
        """
        return f"{RULED}{self.rule}" if self.rule else ""


#: What is known of clients without certificates over QUIC.
_QUIC_PEER: Final = TLSPeer(True)


class Request:
    """
    One request and its origin.

    @ivar flags: the header's second pair of octets.
    @ivar opcode: see L{twisted_ext.wire.codes.Opcode}.
    @ivar question: the question, its name in the client's case. The root name if the message has no valid one: check C{fault} first.
    @ivar folded: the name of a query's question in lower case.
    @ivar questionEnd: the offset in C{wire} where the question ends; 12 if there is none.
    @ivar edns: the content of the OPT record, or L{None} without one.
    @ivar client: the client's address in a form to compare: an IPv4 address mapped into IPv6 is written as IPv4.
    @ivar transport: C{"udp"}, C{"tcp"}, or an encrypted one: C{"tls"}, C{"https"}, C{"quic"}.
    @ivar padded: whether the reply has to be padded: the query is, and the transport is encrypted.
    @ivar size: maximum octets of the reply.
    @ivar local: the address that the request was sent to, if the listener needs it for the reply.
    @ivar arrived: when it arrived, in the clock's seconds.
    @ivar fault: the refusal for a malformed message, which L{FormGate<twisted_ext.server.reply.gates.FormGate>} returns.
    @ivar signature: the TSIG record, or L{None} without one.
    @ivar record: the client's entry in the packet cache, set by L{twisted_ext.server.reply.respond}.
    @ivar cookie: the whole EDNS option to put into the reply (RFC 7873), set by the cookie gate.
    @ivar verified: whether the client sent a valid server cookie.
    @ivar message: the whole message, for opcodes other than QUERY after L{readWhole}.
    @ivar keyName: the name of the TSIG key, once the signature was verified; C{b""} otherwise.
    @ivar verdict: the result of the check of the signature, if there is one.
    @ivar today: seconds since 1970 at the time of that check.
    @ivar replied: whether a reply was sent, at least in part.
    @ivar peer: what the client has proved over TLS; L{None} in the clear, and over HTTPS.
    @ivar door: how the client came in.
    """

    __slots__ = (
        "wire",
        "flags",
        "folded",
        "opcode",
        "question",
        "questionEnd",
        "edns",
        "address",
        "client",
        "transport",
        "padded",
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
        "peer",
        "door",
    )

    wire: bytes
    flags: int
    folded: bytes
    opcode: int
    question: Question
    questionEnd: int
    edns: EDNS | None
    address: Address
    client: str
    transport: str
    padded: bool
    size: int
    local: object
    arrived: float
    fault: Refusal | None
    signature: TSIGRecord | None
    record: Client
    cookie: bytes
    verified: bool
    message: Message | None
    door: Door
    keyName: bytes
    verdict: Verdict | None
    today: float
    replied: bool
    peer: TLSPeer | None

    @property
    def id(self) -> int:
        return self.wire[0] << 8 | self.wire[1]

    @classmethod
    def fromWire(cls, wire: bytes, address: Address, transport: str, local: object = None, arrived: float = 0.0) -> Request | None:
        """
        Parse a message.

        @return: L{None} for a message that must not get a reply: it has fewer than twelve octets, or is itself a response.
        """
        if len(wire) < HEADER_OCTETS:
            return None
        flags = wire[2] << 8 | wire[3]
        if flags & QR:
            return None
        self = Request()
        self.wire = wire
        self.flags = flags
        self.opcode = opcode = flags >> 11 & 15
        self.address = address
        client = address[0]
        self.client = client[7:] if client.startswith("::ffff:") and "." in client else client
        self.transport = transport
        self.padded = False
        self.local = local
        self.arrived = arrived
        self.fault = None
        self.signature = None
        self.edns = None
        self.cookie = b""
        self.verified = False
        self.message = None
        self.door = NOWHERE
        self.keyName = b""
        self.verdict = None
        self.today = 0.0
        self.replied = False
        self.peer = _QUIC_PEER if transport == "quic" else None
        self.question = _NOTHING
        self.folded = ROOT
        self.questionEnd = HEADER_OCTETS
        self.size = _LEAST if transport == "udp" else _STREAM
        if opcode:
            # Its sections may have another meaning.
            return self
        questions, answers, authorities, additionals = 1, 0, 0, 0
        counts = wire[4:HEADER_OCTETS]
        if counts == _ONE_WITH_OPT:
            additionals = 1
        elif counts != _ONE:
            questions, answers, authorities, additionals = _counts(wire, 4)
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
                name = wire[HEADER_OCTETS:position]
                rrType, rrClass = wire[position] << 8 | wire[position + 1], wire[position + 2] << 8 | wire[position + 3]
                self.folded = folded = name.lower()
                self.question = Question(name, rrType, rrClass, folded + wire[position : position + 4])
                position += 4
                self.questionEnd = position
            if additionals == 1 and not authorities and wire.startswith(_OPT, position):
                end = position + 11 + (wire[position + 9] << 8 | wire[position + 10])
                if end > len(wire):
                    raise BadMessage("too few octets for the last record")
                self._takeEDNS(
                    EDNS.fromRecord(
                        wire[position + 3] << 8 | wire[position + 4],
                        int.from_bytes(wire[position + 5 : position + 9], "big"),
                        wire[position + 11 : end],
                    )
                )
            elif additionals or authorities:
                end = self._readRecords(position, authorities, additionals)
            else:
                end = position
            if end != len(wire):
                # As other servers do, ignore what is behind the last record. Without it the message is like others.
                self.wire = wire[:end]
        except (IndexError, BadMessage):
            self.fault = Refusal(Rcode.FORMERR, bare=self.questionEnd == HEADER_OCTETS)
        return self

    def readZone(self) -> None:
        """
        Read only the question, which names a zone, of a message with another opcode than QUERY.
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
        Return whether the message seems to end with a TSIG record. The records before it are not read, so this can be a false positive, but
        never a false negative.
        """
        return self._recordAtEnd(_SIGNED, 0) >= 0

    def glimpseEDNS(self) -> None:
        """
        Look for an OPT record at the end of a message that will not be read whole, so that the reply can have one too.
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
        Search the end of the message for octets that would be its last record.

        @param head: octets of the record, starting C{before} octets before its type.

        @return: the offset of C{head}; -1 if there is none.
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
        Read a whole message with another opcode than QUERY: its one question, which names a zone, and all of its records.
        """
        try:
            message = Message.fromWire(self.wire)
            if len(message.questions) != 1:
                raise BadMessage("not one question")
            self.question = message.questions[0]
            self.questionEnd = HEADER_OCTETS + len(self.question.name) + 4
            message.check()
            trailer = message.trailer
            if trailer is not None and trailer.rrType == TSIG:
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
        elif not edns.options or edns.version:
            return
        elif edns.option(_KEEPALIVE):
            raise BadMessage("a time in a query's keepalive option (RFC 7828, section 3.2.1)")
        elif self.transport != "tcp":
            self.padded = edns.option(_PADDING) is not None

    def _readRecords(self, position: int, authorities: int, additionals: int) -> int:
        """
        Read the records of a query that has more than an OPT record.

        @return: where the last one ends.

        @raise BadMessage: they are malformed, or do not belong in a query.
        """
        if authorities and (authorities > 1 or self.question.rrType != IXFR):
            raise BadMessage("records in the authority section of a query")
        _, position = readRecords(Reader(self.wire), position, authorities)
        records, position = readRecords(Reader(self.wire), position, additionals)
        for record in records:
            if self.signature is not None:
                raise BadMessage("a TSIG record that is not the last one (RFC 8945, section 5.1)")
            if record.rrType == TSIG:
                from twisted_ext.wire.tsig import TSIGRecord

                self.signature = TSIGRecord.fromRecord(record)
            elif record.rrType == OPT:
                if self.edns is not None or record.name != b"\x00":
                    raise BadMessage("more than one OPT record, or a misplaced one")
                self._takeEDNS(EDNS.fromRecord(record.rrClass, record.ttl, record.rdatas[0]))
        return position

    def __repr__(self) -> str:
        return f"<Request {self.question} from {self.client} by {self.transport}>"


_NOTHING: Final = Question(ROOT, 0, 0)

#: Sends a reply to the client. Only L{twisted_ext.server.reply.respond} calls it, at most once for each request.
Send = Callable[[bytes], None]
