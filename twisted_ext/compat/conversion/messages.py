"""
Messages of twisted.names that are encoded and decoded by this package's own wire format code.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from struct import pack
from typing import IO

from twisted.names import dns

from twisted_ext.answers import Answer, Question
from twisted_ext.compat.conversion.names import queryOf
from twisted_ext.compat.conversion.results import headersFrom
from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import AA, AD, CD, RA, RD, TC
from twisted_ext.wire.message import EDNS
from twisted_ext.wire.message import Message as WireMessage

__all__ = ["Message", "messageFromAnswer"]


class _BrokenMessage(dns.DNSDecodeError, EOFError):
    """
    The octets are not a message. Also an L{EOFError}, which Twisted raises for truncated messages and applications expect.
    """


class Message(dns.Message):
    """
    L{dns.Message}, with three differences.

    Malformed messages are rejected; Twisted's class returns the part before the error. New types have their C{Record_*} classes. If a
    message exceeds C{maxSize}, whole RRsets are left out instead of cutting it anywhere; C{trunc} is set if these were answers (RFC 2181,
    section 9).

    @ivar edns: the OPT record of a decoded message, or L{None}. It is not among the additional records.
    """

    edns: EDNS | None = None

    def decode(self, strio: IO[bytes], length: int | None = None) -> None:
        """
        Decode everything in C{strio}.

        @raise dns.DNSDecodeError: it is not a DNS message. The exception is an L{EOFError} as well.
        """
        try:
            message = WireMessage.fromWire(strio.read()).check()
        except BadMessage as error:
            raise _BrokenMessage(error.text) from None
        flags = message.flags
        self.maxSize = 0
        self.id = message.id
        self.answer = flags >> 15
        self.opCode = flags >> 11 & 15
        self.rCode = message.rcode
        _setFlags(self, flags)
        self.queries = [queryOf(each.name, each.rrType, each.rrClass) for each in message.questions]
        auth = bool(flags & AA)
        answers, authority, additional = message.records()
        self.answers = headersFrom(tuple(answers), auth)
        self.authority = headersFrom(tuple(authority), auth)
        trailer = () if message.trailer is None else (message.trailer,)
        self.additional = headersFrom((*additional, *trailer), auth)
        self.edns = message.edns

    def encode(self, strio: IO[bytes]) -> None:
        """
        Write as many RRsets as fit in C{maxSize}.
        """
        body = BytesIO()
        names: dict[bytes, int] = {}
        for query in self.queries:
            _write(query, body, names)
        most = self.maxSize - self.headerSize if self.maxSize else None
        counts = [0, 0, 0]
        for index, section in enumerate((self.answers, self.authority, self.additional)):
            written, fits = _writeSets(section, body, names, most)
            counts[index] = written
            if not fits:
                if index < 2:
                    self.trunc = 1
                break
        first = (
            (self.answer & 1) << 7
            | (self.opCode & 15) << 3
            | (self.auth & 1) << 2
            | (self.trunc & 1) << 1
            | self.recDes & 1
        )
        second = (
            (self.recAv & 1) << 7 | (self.authenticData & 1) << 5 | (self.checkingDisabled & 1) << 4 | self.rCode & 15
        )
        strio.write(pack(self.headerFmt, self.id, first, second, len(self.queries), *counts))
        strio.write(body.getvalue())


def _write(part: dns.Query | dns.RRHeader, body: BytesIO, names: dict[bytes, int]) -> None:
    encode: Callable[[BytesIO, dict[bytes, int]], None] = part.encode
    encode(body, names)


def _writeSets(
    section: list[dns.RRHeader], body: BytesIO, names: dict[bytes, int], most: int | None
) -> tuple[int, bool]:
    """
    Return how many records were written, and whether these are all of the section.
    """
    written = boundary = 0
    start = body.tell()
    before: tuple[object, int] | None = None
    for header in section:
        belongs = (header.name, header.type)
        if belongs != before:
            start, boundary, before = body.tell(), written, belongs
        _write(header, body, names)
        written += 1
        if most is not None and body.tell() > most:
            body.seek(start)
            body.truncate()
            return boundary, False
    return written, True


def _setFlags(message: dns.Message, flags: int) -> None:
    message.auth = bool(flags & AA)
    message.trunc = int(bool(flags & TC))
    message.recDes = int(bool(flags & RD))
    message.recAv = int(bool(flags & RA))
    message.authenticData = int(bool(flags & AD))
    message.checkingDisabled = int(bool(flags & CD))


def messageFromAnswer(question: Question, answer: Answer) -> Message:
    message = Message(answer=1, rCode=answer.rcode)
    _setFlags(message, answer.flags)
    auth = message.auth
    message.queries = [queryOf(question.name, question.rrType, question.rrClass)]
    message.answers = headersFrom(answer.answer, auth)
    message.authority = headersFrom(answer.authority, auth)
    message.additional = headersFrom(answer.additional, auth)
    return message
